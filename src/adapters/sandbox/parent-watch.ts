const PR_SET_PDEATHSIG = 1
const SIGKILL = 9
const CHECK_MS = 1_000

/**
 * Ends this process when its parent dies, even in the middle of an endless script, when the end of stdin is not read: the
 * parent that would have killed it at its deadline is gone. On Linux the kernel does it; elsewhere a thread that looks at
 * the parent's id every second. That thread is a blob, because an executable finds no worker file.
 */
export function dieWithParent(): void {
  if (process.platform === "linux" && askKernel()) return
  const source = `const parent = process.ppid; setInterval(() => { if (process.ppid !== parent) process.kill(process.pid, "SIGKILL") }, ${CHECK_MS})`
  new Worker(URL.createObjectURL(new Blob([source], { type: "application/javascript" })))
}

function askKernel(): boolean {
  const { dlopen } = require("bun:ffi") as typeof import("bun:ffi")
  for (const library of ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`]) {
    try {
      const libc = dlopen(library, { prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } })
      return libc.symbols.prctl(PR_SET_PDEATHSIG, BigInt(SIGKILL), 0n, 0n, 0n) === 0
    } catch {} // not this C library; the thread is the last resort
  }
  return false
}
