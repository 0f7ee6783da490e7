import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { join, sep } from "node:path"
import { prepareAssets } from "./assets.ts"
import { buildExecutable, buildFailure } from "./build.ts"
import { needsDatabaseServers, provideDatabaseServers } from "./database-servers.ts"
import { nothing, readJunit, sum, type Tally } from "./junit.ts"
import { needsLocalModel, provideLocalModel } from "./local-model.ts"
import { findNoNetwork } from "./no-network.ts"
import { repository } from "./repository.ts"

/** One phase of `npm test`. Fast ones come first, so that the usual mistake shows within seconds. */
interface Suite {
  readonly name: "structure" | "check" | "unit" | "sim" | "e2e" | "browser"
  /** Test files of the suite, from the repository; undefined for what is no folder of tests. */
  readonly owns?: (path: string) => boolean
  readonly perTestMs: number
  readonly needsExecutable: boolean
  /** Runs where there is no network but loopback, on machines that can do that: what needs another would not pass. */
  readonly withoutNetwork?: true
}

const OWN_FOLDER = /^test\/(structure|sim|e2e|browser)\//
const SUITE_LIMIT_MS = 30 * 60_000

const SUITES: readonly Suite[] = [
  { name: "structure", owns: inFolder("structure"), perTestMs: 10_000, needsExecutable: false },
  { name: "check", perTestMs: 0, needsExecutable: false },
  { name: "unit", owns: path => !OWN_FOLDER.test(path), perTestMs: 20_000, needsExecutable: false },
  { name: "sim", owns: inFolder("sim"), perTestMs: 300_000, needsExecutable: false },
  { name: "e2e", owns: inFolder("e2e"), perTestMs: 120_000, needsExecutable: true, withoutNetwork: true },
  { name: "browser", owns: inFolder("browser"), perTestMs: 120_000, needsExecutable: true },
]

export interface TestRequest {
  /** Words of which a test file's path has to contain one; none means everything. */
  readonly filters: readonly string[]
  /** Options for `bun test` itself, e.g. `-t <name>`. */
  readonly options: readonly string[]
  readonly stopAtFirstFailure: boolean
}

/** Words are filters; from the first word that starts with a dash on, everything goes to `bun test`. */
export function testRequest(args: readonly string[], stopAtFirstFailure: boolean): TestRequest {
  const dash = args.findIndex(arg => arg.startsWith("-"))
  const split = dash === -1 ? args.length : dash
  return { filters: args.slice(0, split), options: args.slice(split), stopAtFirstFailure }
}

/** Runs the suites and prints what they came to; the last line is `N passed, N failed, N skipped`. Returns the exit code. */
export async function runSuites(request: TestRequest): Promise<number> {
  const seed = process.env.AGENTRUNTIME_TEST_SEED ?? String(Math.floor(Math.random() * 2 ** 31))
  print(`seed ${seed} (repeat with AGENTRUNTIME_TEST_SEED=${seed})`)
  prepareAssets()
  const files = testFiles().filter(path => request.filters.length === 0 || request.filters.some(word => path.includes(word)))
  if (files.some(needsDatabaseServers)) await provideDatabaseServers(print)
  if (files.some(needsLocalModel)) await provideLocalModel(print)
  const tallies: Tally[] = []
  const times: string[] = []
  for (const suite of SUITES) {
    const own = suite.owns === undefined ? [] : files.filter(suite.owns)
    if (suite.owns === undefined ? !wantsCheck(request) : own.length === 0) continue
    print(`\n── ${suite.name} ──`)
    const started = performance.now()
    const tally = suite.owns === undefined ? await runCheck() : await runTests(suite, own, { ...request, seed })
    tallies.push(tally)
    times.push(line(suite.name, tally, performance.now() - started))
    if (request.stopAtFirstFailure && tally.failed.length > 0) break
  }
  return report(sum(tallies), times, seed)
}

function report(total: Tally, times: readonly string[], seed: string): number {
  print("")
  for (const name of total.skipped) print(`skipped: ${name}`)
  for (const name of total.failed) print(`failed: ${name}`)
  if (total.passed + total.failed.length === 0) print("No test ran: no test file matches.")
  for (const time of times) print(time)
  print(`seed ${seed}`)
  print(`${total.passed} passed, ${total.failed.length} failed, ${total.skipped.length} skipped`)
  return total.failed.length === 0 && total.passed > 0 ? 0 : 1
}

function line(name: string, tally: Tally, ms: number): string {
  const counts = `${tally.passed} passed ${tally.failed.length} failed ${tally.skipped.length} skipped`
  return `${name.padEnd(10)} ${(ms / 1000).toFixed(1).padStart(6)} s   ${counts}`
}

function wantsCheck({ filters }: TestRequest): boolean {
  return filters.length === 0 || filters.includes("check")
}

/** Format and lint, then types: each counts as one test. */
async function runCheck(): Promise<Tally> {
  const modules = join(repository, "node_modules")
  const colors = process.stdout.isTTY ? "force" : "off"
  const steps = [
    {
      name: "biome ci (npm run format repairs most of it)",
      args: [join(modules, "@biomejs/biome/bin/biome"), "ci", `--colors=${colors}`],
    },
    { name: "tsc --noEmit", args: [join(modules, "typescript/bin/tsc"), "--noEmit"] },
  ]
  const tallies: Tally[] = []
  for (const { name, args } of steps) {
    const started = performance.now()
    const { code } = await run(args, {})
    print(`${name}: ${code === 0 ? "passed" : "failed"} in ${((performance.now() - started) / 1000).toFixed(1)} s`)
    tallies.push(code === 0 ? { ...nothing, passed: 1 } : { ...nothing, failed: [name] })
  }
  return sum(tallies)
}

async function runTests(
  suite: Suite,
  files: readonly string[],
  request: TestRequest & { readonly seed: string },
): Promise<Tally> {
  const env: Record<string, string> = { AGENTRUNTIME_TEST_SEED: request.seed }
  if (suite.needsExecutable) {
    try {
      env.AGENTRUNTIME_TEST_EXE = (await buildExecutable()).path
    } catch (error) {
      console.error(buildFailure(error))
      return { ...nothing, failed: [`the executable for ${suite.name} could not be built`] }
    }
  }
  let bun: readonly string[] = [process.execPath]
  if (suite.withoutNetwork) {
    const { command, why } = findNoNetwork()
    print(command ? "in a network namespace with nothing but loopback" : `with the machine's network: ${why}`)
    env[command ? "AGENTRUNTIME_TEST_NO_NETWORK" : "AGENTRUNTIME_TEST_NETWORK_BECAUSE"] = command ? "1" : why
    bun = command ?? bun
  }
  const report = join(repository, ".cache", "junit", `${suite.name}.xml`)
  mkdirSync(join(report, ".."), { recursive: true })
  rmSync(report, { force: true })
  const reporter = ["--reporter=junit", `--reporter-outfile=${report}`]
  const paths = files.map(path => `./${path}`) // with the dot a path, without it a pattern
  // With options a suite may come out empty (`-t`), and what they leave out is not worth a line each.
  const narrowed = request.options.length > 0
  const options = narrowed ? ["--pass-with-no-tests", ...request.options] : []
  const args = ["test", "--no-orphans", `--timeout=${suite.perTestMs}`, ...reporter, ...options, ...paths]
  const { code, reasons } = await run(args, env, bun)
  const tally = existsSync(report) ? readJunit(readFileSync(report, "utf8")) : nothing
  // A file that fails to load is no test case, and a crash leaves no report: the exit code still tells.
  const outside =
    code !== 0 && tally.failed.length === 0 ? [`${suite.name}: bun test ended with ${code} outside any test, see above`] : []
  return {
    passed: tally.passed,
    failed: [...tally.failed, ...outside],
    skipped: narrowed ? [] : explained(tally.skipped, reasons),
  }
}

/** The names of skipped tests say why themselves, or their files print `skipped: <why>`, which is repeated with the last of them. */
function explained(skipped: readonly string[], reasons: readonly string[]): readonly string[] {
  const why = [...new Set(reasons)].join("; ")
  return why === "" ? skipped : skipped.map(name => `${name} (${why})`)
}

interface Ended {
  readonly code: number
  readonly reasons: readonly string[]
}

/** Runs our own Bun with its output passed on as it comes, and notes the lines `skipped: <why>`. */
async function run(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  bun: readonly string[] = [process.execPath],
): Promise<Ended> {
  const child = Bun.spawn([...bun, ...args], {
    cwd: repository,
    env: { ...ownEnvironment(), ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
    timeout: SUITE_LIMIT_MS,
    killSignal: "SIGKILL",
  })
  const reader = child.stdout.getReader()
  const reading = passOn(reader)
  const code = await child.exited
  // A process that a killed test left behind may hold the pipe open for ever.
  const patience = setTimeout(() => reader.cancel(), 2000)
  const reasons = await reading
  clearTimeout(patience)
  return { code, reasons }
}

async function passOn(reader: { read(): Promise<{ done: boolean; value?: Uint8Array | undefined }> }): Promise<string[]> {
  const reasons: string[] = []
  const decoder = new TextDecoder()
  let rest = ""
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    if (read.value === undefined) continue
    process.stdout.write(read.value)
    const lines = (rest + decoder.decode(read.value, { stream: true })).split("\n")
    rest = lines.pop() ?? ""
    reasons.push(...lines.filter(text => text.startsWith("skipped: ")).map(text => text.slice("skipped: ".length).trim()))
  }
  return reasons
}

/** One stream for everything: what console.log prints can overtake what is passed on. */
function print(text: string): void {
  process.stdout.write(`${text}\n`)
}

/** Without what changes how Bun starts. */
function ownEnvironment(): Record<string, string | undefined> {
  const { BUN_OPTIONS, BUN_BE_BUN, ...rest } = process.env
  return rest
}

function testFiles(): string[] {
  const folder = join(repository, "test")
  if (!existsSync(folder)) return []
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
  return names
    .filter(name => /\.test\.tsx?$/.test(name))
    .map(name => `test/${name.split(sep).join("/")}`)
    .sort()
}

function inFolder(folder: string): (path: string) => boolean {
  return path => path.startsWith(`test/${folder}/`)
}
