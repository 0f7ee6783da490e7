import { lstat, readdir } from "node:fs/promises"
import { join } from "node:path"
import type { Clock } from "../../kernel/clock.ts"
import { Refused } from "../file-root.ts"
import { FILES_MAX, USAGE_TRUSTED_MS } from "./limits.ts"

const FOLDERS_MAX = 1_000
const MIB = 1024 * 1024

interface Known {
  files: number
  bytes: number
  readonly at: number
}

/** What lies in each project's own folder: added up once a minute, and by what is written in between. */
export class FolderUsage {
  readonly #known = new Map<string, Known>()

  constructor(
    private readonly clock: Clock,
    private readonly maxMb: number,
  ) {}

  /** Sets room aside before it is used; the answer gives it back if it was not. Throws Refused. */
  async reserve(folder: string, files: number, bytes: number): Promise<() => void> {
    const known = await this.#of(folder)
    const full = known.bytes + bytes > this.maxMb * MIB || known.files + files > FILES_MAX
    if ((bytes > 0 || files > 0) && full) {
      const limit = `${this.maxMb} MB (the operator's files.max_project_mb) and ${FILES_MAX} files`
      throw new Refused(
        `the project's folder may hold ${limit}; nothing was written. Delete what is not needed with files_delete`,
      )
    }
    known.files += files
    known.bytes += bytes
    return () => {
      known.files -= files
      known.bytes -= bytes
    }
  }

  async #of(folder: string): Promise<Known> {
    const now = this.clock.now()
    const known = this.#known.get(folder)
    if (known && now - known.at < USAGE_TRUSTED_MS) return known
    const sum = { files: 0, bytes: 0, at: now }
    await addUp(folder, sum)
    if (this.#known.size >= FOLDERS_MAX) this.#known.clear()
    this.#known.set(folder, sum)
    return sum
  }
}

async function addUp(folder: string, sum: Known): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (sum.files > FILES_MAX) return
    const path = join(folder, entry.name)
    sum.files++
    if (entry.isDirectory()) await addUp(path, sum)
    else sum.bytes += (await lstat(path).catch(() => null))?.size ?? 0
  }
}
