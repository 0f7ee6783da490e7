import type { RunInput } from "../engine/inputs.ts"
import type { RunState } from "../engine/state.ts"
import type { NewRun, RunHeader } from "./ports.ts"
import type { Outcome } from "./runs.ts"

/** One input, and who waits for what becomes of it. */
export interface Letter {
  readonly input: RunInput
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: unknown) => void
}

/** A run in memory. `state` is what is on disk; nothing undecided or uncommitted is kept but the mailbox. */
export class ActiveRun {
  readonly mailbox: Letter[] = []
  /** Attempts under way, by the step's index. */
  readonly executing = new Map<number, { readonly attempt: number; readonly abort: AbortController }>()
  /** The attempt of each step that was handed to the worker, by the step's index: none is handed over twice. */
  readonly ordered = new Map<number, number>()
  /** The row as last written by this process. */
  header: RunHeader | null = null
  /** True while a decision is being committed. */
  busy = false
  /** Letters that wait for room on the disk. */
  held = 0
  /** True once it left memory: whoever still holds it must open the run again. */
  rested = false

  constructor(
    readonly run: NewRun,
    public state: RunState,
  ) {}
}
