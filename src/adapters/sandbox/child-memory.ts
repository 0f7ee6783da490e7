import { readFileSync } from "node:fs"
import { CHILD_MEMORY_WATCH_MS } from "../../kernel/limits.ts"

interface Watched {
  readonly pid: number | undefined
}

/**
 * Looks at the memory of busy children every few milliseconds, as long as there are any. The limits inside of a child are its
 * own to keep, and its engines keep them badly; this one is kept from outside.
 */
export class MemoryWatch<C extends Watched> {
  #timer: ReturnType<typeof setInterval> | undefined

  constructor(
    readonly maxBytes: number,
    readonly busy: () => readonly C[],
    readonly exceeded: (child: C) => void,
  ) {}

  /** When a child was given a job. */
  start(): void {
    if (this.#timer !== undefined || this.maxBytes === Number.POSITIVE_INFINITY) return
    this.#timer = setInterval(() => this.#look(), CHILD_MEMORY_WATCH_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const busy = this.busy()
    if (busy.length === 0) this.stop()
    for (const child of busy) if ((memoryOf(child.pid) ?? 0) > this.maxBytes) this.exceeded(child)
  }
}

/** Memory of its own that a process holds, without what it shares with others; null where the system does not say. */
function memoryOf(pid: number | undefined): number | null {
  if (process.platform !== "linux" || pid === undefined) return null
  try {
    const held = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]
    return held === undefined ? null : Number(held) * 1024
  } catch {
    return null // it is gone
  }
}
