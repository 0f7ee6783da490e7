import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Home } from "./server.ts"

/** What the operating system says to a call, and to which of its calls of that name on the database's files, from 1. */
export interface DiskFault {
  readonly call: "pwrite64" | "fsync" | "pread64"
  readonly error: "ENOSPC" | "EIO"
  readonly first: number
  /** Calls in a row that fail. */
  readonly count: number
}

export const faultName = ({ call, error, first, count }: DiskFault) =>
  `${error} at ${call} ${first}${count > 1 ? ` to ${first + count - 1}` : ""}`

/** Why no disk can be made to fail here; null when one can. */
export function whyNoFaults(): string | null {
  if (process.platform !== "linux") return "disk faults need strace, which is for Linux only"
  if (Bun.which("strace") === null) return "disk faults need strace; install it to run them"
  const folder = mkdtempSync(join(tmpdir(), "agentruntime-strace-"))
  try {
    const inject = ["-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1..2"]
    const { success } = Bun.spawnSync(["strace", ...CALM, "-o", join(folder, "log"), ...inject, "true"], {
      stdout: "ignore",
      stderr: "ignore",
      timeout: 10_000,
    })
    return success ? null : "disk faults need strace to be allowed to trace (ptrace), and it is not allowed here"
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** As a child beside the process, which stays what it is to us; only the calls in question are slowed down. */
const CALM = ["-D", "-f", "--seccomp-bpf", "-qq"]
const FILES = ["", "-wal", "-shm", "-journal"]

/** The calls of one server on its database, written down by strace; some of them made to fail. */
export class DiskWatch {
  readonly #log: string

  constructor(
    private readonly home: Home,
    private readonly fault: DiskFault | null,
  ) {
    this.#log = home.path("calls.txt")
    rmSync(this.#log, { force: true })
  }

  /** Goes in front of the executable's own command. */
  get command(): readonly string[] {
    const files = FILES.flatMap(suffix => ["-P", this.home.database + suffix])
    const { fault } = this
    const when = fault && (fault.count > 1 ? `${fault.first}..${fault.first + fault.count - 1}` : `${fault.first}`)
    const inject = fault ? ["-e", `inject=${fault.call}:error=${fault.error}:when=${when}`] : []
    const traced = ["-e", `trace=${fault?.call ?? "pwrite64,fsync,pread64"}`]
    return ["strace", ...CALM, "-s", "0", "-o", this.#log, ...traced, ...inject, ...files]
  }

  /** Whether the server came as far as the fault. */
  get happened(): boolean {
    return this.#lines().some(line => line.includes("(INJECTED)"))
  }

  count(call: DiskFault["call"]): number {
    return this.#lines().filter(line => line.includes(` ${call}(`)).length
  }

  #lines(): readonly string[] {
    return existsSync(this.#log) ? readFileSync(this.#log, "utf8").split("\n") : []
  }
}
