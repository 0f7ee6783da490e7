import type { RunState } from "../engine/state.ts"

export interface Halt {
  /** The state that is no longer running; null when the time was over first, or the process ends. */
  readonly state: Promise<RunState | null>
  /** Nobody waits any more. */
  cancel(): void
}

type Tell = (state: RunState | null) => void

/** Those who wait until a run is no longer running: because it ended, or because it needs somebody. */
export class Halts {
  readonly #waiting = new Map<string, Set<Tell>>()
  #released = false

  /** Whoever looks at the run after asking for this misses nothing. */
  next(runId: string, ms: number): Halt {
    if (this.#released) return { state: Promise.resolve(null), cancel() {} }
    const { promise, resolve } = Promise.withResolvers<RunState | null>()
    const waiting = this.#waiting.get(runId) ?? new Set()
    this.#waiting.set(runId, waiting)
    const tell: Tell = state => {
      clearTimeout(timer)
      waiting.delete(tell)
      if (waiting.size === 0 && this.#waiting.get(runId) === waiting) this.#waiting.delete(runId)
      resolve(state)
    }
    const timer = setTimeout(tell, ms, null)
    waiting.add(tell)
    return { state: promise, cancel: () => tell(null) }
  }

  tell(state: RunState): void {
    for (const tell of this.#waiting.get(state.facts.runId) ?? []) tell(state)
  }

  /** The process ends: whoever waits, now or later, is told to look again. */
  release(): void {
    this.#released = true
    for (const waiting of [...this.#waiting.values()]) for (const tell of [...waiting]) tell(null)
  }
}
