import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { repository } from "./repository.ts"

const VERSION = "3.22.1"
const FOLDER = join(repository, ".cache", `llama-${VERSION}`)
const INSTALL_LIMIT_MS = 5 * 60_000

/** Where llama.cpp is, as the package node-llama-cpp has it; null: it is not here. */
export function findLocalModel(): string | null {
  return existsSync(join(FOLDER, "node_modules", "@node-llama-cpp", "linux-x64")) ? FOLDER : null
}

export function needsLocalModel(path: string): boolean {
  return path.startsWith("test/adapters/llm/llama/")
}

/**
 * Installs it below .cache/, for Linux on x64 and without the builds for all the others: as a dependency it would be 700 MB.
 * Where it cannot be had the tests say themselves what they lack.
 */
export async function provideLocalModel(print: (text: string) => void): Promise<void> {
  if (findLocalModel() !== null || process.platform !== "linux" || process.arch !== "x64") return
  print(`fetching node-llama-cpp ${VERSION} for the tests of a local model`)
  const half = `${FOLDER}.${process.pid}`
  mkdirSync(half, { recursive: true })
  writeFileSync(join(half, "package.json"), '{"name":"llama","private":true}')
  const packages = [`node-llama-cpp@${VERSION}`, `@node-llama-cpp/linux-x64@${VERSION}`]
  const child = Bun.spawn([process.execPath, "add", "--ignore-scripts", "--omit=optional", ...packages], {
    cwd: half,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    timeout: INSTALL_LIMIT_MS,
    killSignal: "SIGKILL",
  })
  const [said, code] = await Promise.all([new Response(child.stderr).text(), child.exited])
  if (code === 0 && !existsSync(FOLDER)) renameSync(half, FOLDER)
  else rmSync(half, { recursive: true, force: true })
  if (code !== 0) print(`it could not be fetched (${code}): ${said.trim().split("\n").at(-1)}`)
}
