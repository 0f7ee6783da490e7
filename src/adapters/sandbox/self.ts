import { join } from "node:path"

/** Where the files of a compiled executable live: `/$bunfs/root` on POSIX, `B:\~BUN\root` on Windows. */
const COMPILED_ROOT = /^(?:\/\$bunfs\/|[A-Za-z]:[\\/]~BUN[\\/])/

/**
 * How to start this program again: argv without a verb. The executable is its own command; from source it is Bun with
 * `src/main.ts`, found from this file because the main module of a test run is the test.
 */
export function selfCommand(): readonly string[] {
  if (COMPILED_ROOT.test(import.meta.dir)) return [process.execPath]
  return [process.execPath, join(import.meta.dir, "..", "..", "main.ts")]
}
