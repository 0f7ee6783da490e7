// Fetches the pinned Bun with npm, lets it install the dependencies from its lockfile, and hands over to it.
// Plain Node 20, no packages: this is the only file that runs before anything is installed.
import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const BUN_VERSION = "1.4.5"
const root = join(dirname(fileURLToPath(import.meta.url)), "..")
const tools = join(root, ".tools")
const bun = join(tools, "node_modules", "bun", "bin", "bun.exe") // the npm package uses this name on every system

if (bunVersion() !== BUN_VERSION) fetchBun()
const lock = createHash("sha256")
  .update(readFileSync(join(root, "bun.lock")))
  .digest("hex")
const stamp = join(tools, "installed")
if (!existsSync(join(root, "node_modules")) || !existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  must(bun, ["install", "--frozen-lockfile"], "installing the dependencies")
  writeFileSync(stamp, lock)
}
const ran = spawnSync(bun, process.argv.slice(2), { cwd: root, stdio: "inherit" })
process.exit(ran.status ?? 1)

function bunVersion() {
  if (!existsSync(bun)) return undefined
  return spawnSync(bun, ["--version"], { encoding: "utf8" }).stdout?.trim()
}

function fetchBun() {
  mkdirSync(tools, { recursive: true })
  writeFileSync(join(tools, "package.json"), '{"private":true}\n')
  const npm = process.platform === "win32" ? "npm.cmd" : "npm"
  const args = ["install", "--prefix", tools, "--no-audit", "--no-fund", "--loglevel=error", "--save-exact", `bun@${BUN_VERSION}`]
  must(npm, args, `fetching Bun ${BUN_VERSION} with npm`)
}

function must(command, args, what) {
  process.stderr.write(`agentruntime: ${what} …\n`)
  const ran = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], shell: command.endsWith(".cmd") })
  if (ran.status === 0) return
  process.stderr.write(`agentruntime: ${what} failed. Check that the npm registry is reachable, then run the same command again.\n`)
  process.exit(1)
}
