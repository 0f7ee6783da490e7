import { readFileSync } from "node:fs"
import { join } from "node:path"
import { buildExecutable } from "../dist-config/build.ts"

/** The real server: the compiled executable on a fresh data directory, with a token that may do everything. */
export interface ServerProcess {
  readonly url: string
  readonly token: string
  readonly pid: number
  /** The line it logged when it was ready. */
  readonly facts: { readonly [name: string]: unknown }
  /** From the start of the process to that line. */
  readonly readyMs: number
  stop(): Promise<void>
}

export async function startExecutable(folder: string): Promise<ServerProcess> {
  const { path } = await buildExecutable()
  const data = join(folder, "data")
  return await startServer(serveCommand(path, data), makeToken(path, data))
}

export function serveCommand(path: string, data: string): readonly string[] {
  return [path, "serve", "--data", data, "--port", "0"]
}

export function makeToken(path: string, data: string): string {
  const made = Bun.spawnSync([path, "init", "--data", data, "--email", "bench@localhost", "--password-stdin", "--json"], {
    stdin: Buffer.from("a password of the benchmark"),
    stderr: "inherit",
  })
  if (!made.success) throw new Error("init failed")
  return (JSON.parse(made.stdout.toString()) as { pat: string }).pat
}

/** Starts a command that logs `{"url":…,"msg":"ready"}` on stderr once it serves. */
export async function startServer(command: readonly string[], token: string): Promise<ServerProcess> {
  const started = performance.now()
  const child = Bun.spawn([...command], { stdout: "ignore", stderr: "pipe" })
  process.on("exit", () => child.kill("SIGKILL"))
  const facts = await readyLine(child.stderr)
  return {
    url: String(facts.url),
    facts,
    token,
    pid: child.pid,
    readyMs: performance.now() - started,
    stop: async () => {
      child.kill("SIGTERM")
      await child.exited
    },
  }
}

/** Goes on reading behind the line, or a full pipe would stop the server. */
function readyLine(stderr: ReadableStream<Uint8Array>): Promise<{ [name: string]: unknown }> {
  return new Promise((resolve, reject) => {
    const decoder = new TextDecoder()
    let text = ""
    const take = (chunk: Uint8Array) => {
      text = (text + decoder.decode(chunk, { stream: true })).slice(-10_000)
      const ready = text.split("\n").find(line => line.endsWith('"msg":"ready"}'))
      if (ready !== undefined) resolve(JSON.parse(ready) as { [name: string]: unknown })
    }
    stderr.pipeTo(new WritableStream({ write: take, close: () => reject(new Error(`the server ended:\n${text}`)) })).catch(reject)
  })
}

/** Resident memory as Linux counts it; null elsewhere. */
export function residentBytes(pid: number): number | null {
  if (process.platform !== "linux") return null
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  return kib === undefined ? null : Number(kib) * 1024
}
