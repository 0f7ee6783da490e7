import { readFileSync, writeFileSync } from "node:fs"
import { CHILD_MEMORY_MARGIN_BYTES } from "../../kernel/limits.ts"

const PR_SET_PDEATHSIG = 1
const PR_SET_NO_NEW_PRIVS = 38
const RLIMIT_DATA = 2
const RLIMIT_CORE = 4
const SIGKILL = 9
const WATCH_MS = 100
/** What the kernel adds to a process when it looks for one to end; the most there is. */
const OOM_FIRST = "1000"

/** The last words of a child that ended itself for want of memory; where the parent cannot look, it is told so. */
export const MEMORY_EXCEEDED = "sandbox child: memory limit exceeded"

/**
 * What a child gives up before its first job. It ends when its parent dies, even in the middle of an endless script, when the
 * end of stdin is not read. On Linux the kernel sees to it, refuses memory far beyond the limit, gives no privileges to
 * anything started from here, and ends this process rather than another when the machine is short of memory. Elsewhere a
 * thread watches the parent and the memory; it is a blob, because an executable finds no worker file.
 */
export function limitChild(memoryMaxBytes: number): void {
  if (process.platform === "linux" && askKernel(memoryMaxBytes)) return
  const source = `
    const { writeSync } = require("node:fs")
    const parent = process.ppid
    const end = () => process.kill(process.pid, "SIGKILL")
    setInterval(() => {
      if (process.ppid !== parent) end()
      if (process.memoryUsage.rss() < ${memoryMaxBytes}) return
      try { writeSync(2, ${JSON.stringify(MEMORY_EXCEEDED)}) } finally { end() }
    }, ${WATCH_MS})`
  new Worker(URL.createObjectURL(new Blob([source], { type: "application/javascript" })))
}

function askKernel(memoryMaxBytes: number): boolean {
  const { dlopen, ptr } = require("bun:ffi") as typeof import("bun:ffi")
  for (const library of ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`]) {
    try {
      const { prctl, setrlimit } = dlopen(library, {
        prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" },
        setrlimit: { args: ["i32", "ptr"], returns: "i32" },
      }).symbols
      const limit = (resource: number, bytes: number) =>
        setrlimit(resource, ptr(new BigUint64Array([BigInt(bytes), BigInt(bytes)])))
      prctl(PR_SET_NO_NEW_PRIVS, 1n, 0n, 0n, 0n)
      limit(RLIMIT_CORE, 0) // a crash must not write a script's values to a disk
      limitData(bytes => limit(RLIMIT_DATA, bytes), memoryMaxBytes)
      dieFirst()
      return prctl(PR_SET_PDEATHSIG, BigInt(SIGKILL), 0n, 0n, 0n) === 0
    } catch {} // not this C library; the thread is the last resort
  }
  return false
}

/**
 * The parent looks every few milliseconds; this holds in between, and to SQLite it is an ordinary "out of memory". Counted
 * from what is reserved now: Bun reserves gigabytes at its start. RLIMIT_AS would not do, for what it reserves later.
 */
function limitData(limit: (bytes: number) => number, memoryMaxBytes: number): void {
  const reserved = /^VmData:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]
  if (reserved !== undefined) limit(Number(reserved) * 1024 + memoryMaxBytes + CHILD_MEMORY_MARGIN_BYTES)
}

function dieFirst(): void {
  try {
    writeFileSync("/proc/self/oom_score_adj", OOM_FIRST)
  } catch {} // a /proc that is read-only, as in some containers: then it competes as an equal
}
