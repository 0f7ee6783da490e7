// Builds the executable: `npm run build [-- --target <name>|all]`. One file, nothing to install beside it.
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { basename, dirname, join, relative, sep } from "node:path"
import { parseArgs } from "node:util"
import manifest from "../package.json" with { type: "json" }
import { messageOf } from "../src/kernel/errors.ts"
import { prepareAssets } from "./assets.ts"
import { repository } from "./repository.ts"
import { bunFor, hostTarget, isTarget, TARGETS, type Target, targetNames } from "./targets.ts"

export interface BuildRequest {
  readonly target?: Target
  readonly outfile?: string
  /** From the repository; another one only in tests of the build itself. */
  readonly entry?: string
}

export interface Executable {
  readonly path: string
  /** False: it was there already, built from the same sources. */
  readonly built: boolean
}

/** Builds, or does nothing when the stamp beside the output says that it was built from the sources as they are now. */
export async function buildExecutable(request: BuildRequest = {}): Promise<Executable> {
  const target = request.target ?? hostTarget()
  const path = request.outfile ?? join(repository, "dist", defaultName(request.target))
  const entry = request.entry ?? "src/main.ts"
  prepareAssets()
  const commit = currentCommit()
  const stamp = `${path}.stamp`
  const sources = sourcesHash([target, entry, commit ?? "", Bun.version])
  if (existsSync(path) && existsSync(stamp) && readFileSync(stamp, "utf8") === sources) return { path, built: false }
  rmSync(stamp, { force: true })
  await compile({ target, path, entry, commit })
  writeFileSync(stamp, sources)
  return { path, built: true }
}

/** What to show of a failed build: each error with its file, line and source. */
export function buildFailure(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(one => Bun.inspect(one)).join("\n")
  return messageOf(error)
}

const EMBEDDED = ["migrations", "assets"]

/**
 * Bytecode is worth it: a server of 100 routes with our libraries answered its first request after 45 ms instead of 110 ms,
 * for 4.6 MB more (119 instead of 114). Not minified: Elysia reads the sources of its handlers. The source map stays inside,
 * so that a stack in a log names files and lines of src/.
 */
async function compile(job: { target: Target; path: string; entry: string; commit: string | undefined }): Promise<void> {
  if (process.cwd() !== repository)
    throw new Error("Run the build from the repository's folder: embedded files are named from there.")
  const { bun, sqlite } = TARGETS[job.target]
  const executablePath = bunFor(job.target)
  // The output's name becomes the program's name inside, so it is built under its own name in a folder aside, then moved.
  const aside = join(dirname(job.path), `.build-${process.pid}-${job.target}`)
  const outfile = join(aside, basename(job.path))
  mkdirSync(aside, { recursive: true })
  try {
    await Bun.build({
      entrypoints: [join(repository, job.entry)],
      target: "bun",
      format: "esm", // bytecode in the other format refuses a top-level await
      bytecode: true,
      minify: false,
      sourcemap: "inline",
      plugins: [onlyAddonOf(sqlite)],
      define: {
        "process.env.NODE_ENV": '"production"',
        // A driver would print the commands that it sends, passwords and all.
        "process.env.DEBUG": '""',
        BUILD_VERSION: JSON.stringify(manifest.version),
        BUILD_COMMIT: job.commit === undefined ? "undefined" : JSON.stringify(job.commit),
      },
      compile: {
        target: bun,
        outfile,
        assets: EMBEDDED.filter(folder => existsSync(join(repository, folder))).map(folder => `./${folder}`),
        // Otherwise a file in whatever folder the server is started from could set its environment, or run code in it.
        autoloadDotenv: false,
        autoloadBunfig: false,
        ...(executablePath === undefined ? {} : { executablePath }),
      },
    })
    renameSync(outfile, job.path)
  } finally {
    rmSync(aside, { recursive: true, force: true })
  }
}

/** better-sqlite3's plain entry looks for its addon on the disk, where an executable has none; the per-target entries embed it. */
function onlyAddonOf(entry: string): Bun.BunPlugin {
  return {
    name: "better-sqlite3 of the target",
    setup(build) {
      const path = Bun.resolveSync(`better-sqlite3/${entry}`, repository)
      build.onResolve({ filter: /^better-sqlite3$/ }, () => ({ path }))
    },
  }
}

function defaultName(asked: Target | undefined): string {
  const extension = (asked ?? hostTarget()).startsWith("windows") ? ".exe" : ""
  return (asked === undefined ? "agentruntime" : `agentruntime-${asked}`) + extension
}

function sourcesHash(facts: readonly string[]): string {
  const hash = new Bun.CryptoHasher("sha256")
  for (const fact of facts) hash.update(`${fact}\n`)
  for (const path of sourceFiles()) {
    const content = readFileSync(join(repository, path))
    hash.update(`${path} ${content.length}\n`).update(content)
  }
  return `${hash.digest("hex")}\n`
}

function sourceFiles(): string[] {
  const single = ["package.json", "bun.lock", "dist-config/build.ts", "dist-config/targets.ts"]
  const folders = ["src", ...EMBEDDED].filter(folder => existsSync(join(repository, folder)))
  const inFolders = folders.flatMap(folder =>
    readdirSync(join(repository, folder), { recursive: true, encoding: "utf8" }).map(name => join(folder, name)),
  )
  const files = inFolders.filter(path => statSync(join(repository, path)).isFile())
  return [...single, ...files.map(path => path.split(sep).join("/")).sort()]
}

/** The commit, with `-dirty` when tracked files differ from it; undefined outside a clone. */
function currentCommit(): string | undefined {
  if (!existsSync(join(repository, ".git")) || Bun.which("git") === null) return undefined
  const git = (...args: string[]) => Bun.spawnSync(["git", ...args], { cwd: repository, stderr: "ignore" })
  const head = git("rev-parse", "--short=12", "HEAD")
  if (!head.success) return undefined
  const changes = git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no").stdout.toString()
  return head.stdout.toString().trim() + (changes === "" ? "" : "-dirty")
}

async function main(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { target: { type: "string" } } })
  for (const target of wantedTargets(values.target)) {
    const started = performance.now()
    const { path, built } = await buildExecutable(target === undefined ? {} : { target })
    const size = `${(statSync(path).size / 1e6).toFixed(1)} MB`
    const took = built ? `built in ${((performance.now() - started) / 1000).toFixed(1)} s` : "up to date"
    console.log(`${relative(repository, path)}  ${size}  ${took}`)
  }
}

/** Undefined stands for this machine, whose executable is simply called agentruntime. */
function wantedTargets(name: string | undefined): (Target | undefined)[] {
  if (name === undefined) return [undefined]
  if (name === "all") return [...targetNames]
  if (isTarget(name)) return [name]
  throw new Error(`There is no target ${name}. Choose one of: ${targetNames.join(", ")}, all.`)
}

if (import.meta.main) {
  await main(process.argv.slice(2)).catch((error: unknown) => {
    console.error(buildFailure(error))
    process.exit(1)
  })
}
