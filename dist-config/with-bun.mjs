// Fetches the pinned Bun with npm, lets it install the dependencies from its lockfile, and hands over to it.
// Plain Node 20, no packages: this is the only file that runs before anything is installed.
import { spawn, spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const BUN_VERSION = "1.4.5"
const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const tools = join(root, ".tools")
const env = cleanEnv()

const bun = findBun() ?? (await fetchBun())
await installDependencies(bun)
finish(await run(bun, process.argv.slice(2), { cwd: root, stdio: "inherit" }))

/** The pinned Bun that runs on this system, or undefined: none yet, another version, or fetched for another system. */
function findBun() {
  return candidates().find(path => spawnSync(path, ["--version"], { encoding: "utf8", env }).stdout?.trim() === BUN_VERSION)
}

/** The npm package puts its binary in `bun/bin/bun.exe` on every system, unless install scripts are off: then it stays where it came from. */
function candidates() {
  const modules = join(tools, "node_modules")
  const scope = join(modules, "@oven")
  const unpacked = existsSync(scope)
    ? readdirSync(scope).flatMap(name => ["bun", "bun.exe"].map(file => join(scope, name, "bin", file)))
    : []
  return [join(modules, "bun", "bin", "bun.exe"), ...unpacked].filter(path => existsSync(path))
}

async function fetchBun() {
  rmSync(tools, { recursive: true, force: true }) // npm takes what another system or version left for up to date
  mkdirSync(tools, { recursive: true })
  writeFileSync(join(tools, "package.json"), '{"private":true}\n')
  const flags = ["--no-audit", "--no-fund", "--loglevel=error", "--include=optional", "--ignore-scripts=false"]
  // Run inside the folder, so that no argument contains its path: on Windows npm is a script, and a shell would split it at a space.
  await step(`fetching Bun ${BUN_VERSION} with npm`, tools, npm(), [
    "install",
    "--prefix=.",
    "--save-exact",
    ...flags,
    `bun@${BUN_VERSION}`,
  ])
  const found = findBun()
  if (found !== undefined) return found
  fail(
    `npm fetched Bun ${BUN_VERSION}, but it does not run on ${process.platform}-${process.arch}. Bun needs 64-bit Linux, macOS or Windows.`,
  )
}

/** The npm that runs us, when one does; as a command and its first arguments. */
function npm() {
  const self = process.env.npm_execpath
  if (self && basename(self) === "npm-cli.js" && existsSync(self)) return [process.execPath, self]
  return [process.platform === "win32" ? "npm.cmd" : "npm"]
}

async function installDependencies(bun) {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "bun.lock")))
    .digest("hex")
  const wanted = `${lock} ${process.platform}-${process.arch}\n`
  const stamp = join(root, "node_modules", ".installed") // inside, so that it goes when the folder goes
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return
  await step("installing the dependencies", root, [bun], ["install", "--frozen-lockfile"])
  writeFileSync(stamp, wanted)
}

async function step(what, cwd, [command, ...first], args) {
  process.stderr.write(`agentruntime: ${what} …\n`)
  const shell = command.endsWith(".cmd")
  const { code, signal } = await run(command, [...first, ...args], { cwd, shell, stdio: ["ignore", 2, 2] })
  if (signal) finish({ code, signal })
  if (code !== 0) fail(`${what} failed. Check that the npm registry is reachable, then run the same command again.`)
}

/** Runs a child to its end. A signal to us is a signal to it, and we go on waiting: its exit is ours. */
function run(command, args, options) {
  const child = spawn(command, args, { ...options, env })
  const terminal = process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY
  const pass = signal => {
    // A terminal sends Ctrl-C to the whole group: a second copy from us would read as "quit at once".
    if (signal !== "SIGINT" || !terminal) child.kill(signal)
  }
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"]
  for (const signal of signals) process.on(signal, pass)
  const orphaned = whenOrphaned(() => child.kill("SIGTERM"))
  return new Promise(resolve => {
    const done = end => {
      for (const signal of signals) process.off(signal, pass)
      clearInterval(orphaned)
      resolve(end)
    }
    child.once("exit", (code, signal) => done({ code, signal }))
    child.once("error", error => {
      process.stderr.write(`agentruntime: ${command} did not start: ${error.message}\n`)
      done({ code: 127, signal: null })
    })
  })
}

/** A SIGTERM to npm ends npm and the shell between us, and never reaches us: then a new parent is the only sign of it. */
function whenOrphaned(end) {
  if (process.env.npm_lifecycle_event === undefined) return undefined
  const parent = process.ppid
  const watch = setInterval(() => {
    if (process.ppid === parent) return
    clearInterval(watch) // once: a second signal would read as "quit at once"
    end()
  }, 250)
  return watch
}

/** Ends as the child ended: with its code, or by the signal that ended it. */
function finish({ code, signal }) {
  if (signal) process.kill(process.pid, signal)
  process.exit(code ?? 1)
}

function fail(sentence) {
  process.stderr.write(`agentruntime: ${sentence}\n`)
  process.exit(1)
}

/** Ours without what would change what Bun is: an option line, or `BUN_BE_BUN`, which turns an executable back into bun. */
function cleanEnv() {
  const dropped = ["BUN_BE_BUN", "BUN_OPTIONS"]
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !dropped.includes(name.toUpperCase())))
}
