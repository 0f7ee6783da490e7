import type { StampedEvent } from "./ports.ts"

/** Committed events of one run, as they leave the journal. */
export interface Committed {
  readonly runId: string
  readonly workflowId: string
  readonly version: number
  readonly events: readonly StampedEvent[]
}

export type Listener = (committed: Committed) => void

/** Tells whoever listens what was committed, in the order of each run's journal. Nothing is kept: who is late reads the journal. */
export class EventFeed {
  readonly #listeners = new Map<string, Set<Listener>>()

  publish(committed: Committed): void {
    for (const listener of this.#listeners.get(committed.workflowId) ?? []) listener(committed)
  }

  /** Until the returned function is called. */
  subscribe(workflowId: string, listener: Listener): () => void {
    const listeners = this.#listeners.get(workflowId) ?? new Set()
    this.#listeners.set(workflowId, listeners)
    listeners.add(listener)
    return () => {
      listeners.delete(listener)
      if (listeners.size === 0) this.#listeners.delete(workflowId)
    }
  }

  /** Listeners there are now, of all workflows. */
  get size(): number {
    let size = 0
    for (const listeners of this.#listeners.values()) size += listeners.size
    return size
  }
}
