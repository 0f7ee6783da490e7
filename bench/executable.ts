import { readFileSync } from "node:fs"
import { join } from "node:path"
import { buildExecutable } from "../dist-config/build.ts"

/** The real server: the compiled executable on a fresh data directory, with a token that may do everything. */
export interface ServerProcess {
  readonly url: string
  readonly token: string
  readonly pid: number
  /** From the start of the process to its "ready". */
  readonly readyMs: number
  stop(): Promise<void>
}

export async function startExecutable(folder: string): Promise<ServerProcess> {
  const { path } = await buildExecutable()
  const data = join(folder, "data")
  return await startServer([path, "serve", "--data", data, "--port", "0"], makeToken(path, data))
}

function makeToken(path: string, data: string): string {
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
  const url = await readyUrl(child.stderr)
  return {
    url,
    token,
    pid: child.pid,
    readyMs: performance.now() - started,
    stop: async () => {
      child.kill("SIGTERM")
      await child.exited
    },
  }
}

async function readyUrl(stderr: ReadableStream<Uint8Array>): Promise<string> {
  const [here, rest] = stderr.tee()
  void rest.pipeTo(new WritableStream()) // or a full pipe would stop the server
  let text = ""
  for await (const chunk of here.pipeThrough(new TextDecoderStream())) {
    text += chunk
    const url = /\{.*"url":"([^"]+)".*"msg":"ready"/.exec(text)?.[1]
    if (url !== undefined) return url
  }
  throw new Error(`the server ended before it was ready:\n${text}`)
}

/** Resident memory as Linux counts it; null elsewhere. */
export function residentBytes(pid: number): number | null {
  if (process.platform !== "linux") return null
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
  return kib === undefined ? null : Number(kib) * 1024
}
