import type { JsonObject } from "../kernel/json.ts"
import type { StampedEvent } from "./ports.ts"

/** Committed events of one run, as they leave the journal. */
export interface Committed {
  readonly runId: string
  readonly workflowId: string
  readonly version: number
  readonly events: readonly StampedEvent[]
}

/** How far an attempt is, for whoever looks on. Never on disk. */
export interface StepProgress {
  readonly runId: string
  readonly workflowId: string
  readonly version: number
  /** Of the last event before it. */
  readonly seq: number
  readonly at: number
  readonly stepId: string
  readonly item: number | null
  readonly data: JsonObject
}

export type Listener = (committed: Committed) => void
export type ProgressListener = (progress: StepProgress) => void

/** Tells whoever listens what was committed, in the order of each run's journal. Nothing is kept: who is late reads the journal. */
export class EventFeed {
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #onlookers = new Map<string, Set<ProgressListener>>()

  publish(committed: Committed): void {
    for (const listener of this.#listeners.get(committed.workflowId) ?? []) listener(committed)
  }

  /** Until the returned function is called. */
  subscribe(workflowId: string, listener: Listener): () => void {
    return subscribed(this.#listeners, workflowId, listener)
  }

  /** What comes between the events, beside them in the order in which it happens. Until the returned function is called. */
  watch(workflowId: string, listener: ProgressListener): () => void {
    return subscribed(this.#onlookers, workflowId, listener)
  }

  /** Whether somebody would hear of progress. */
  isWatched(workflowId: string): boolean {
    return this.#onlookers.has(workflowId)
  }

  tell(progress: StepProgress): void {
    for (const listener of this.#onlookers.get(progress.workflowId) ?? []) listener(progress)
  }

  /** Listeners there are now, of all workflows. */
  get size(): number {
    let size = 0
    for (const listeners of this.#listeners.values()) size += listeners.size
    return size
  }
}

function subscribed<T>(all: Map<string, Set<T>>, workflowId: string, listener: T): () => void {
  const listeners = all.get(workflowId) ?? new Set()
  all.set(workflowId, listeners)
  listeners.add(listener)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) all.delete(workflowId)
  }
}
