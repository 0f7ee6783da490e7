import type { RunInput } from "../engine/inputs.ts"
import type { Place } from "../engine/place.ts"
import type { RunState } from "../engine/state.ts"
import type { NewRun, RunHeader } from "./ports.ts"

/** One input, and who waits for what becomes of it. */
export interface Letter {
  readonly input: RunInput
  readonly resolve: (outcome: Outcome) => void
  readonly reject: (error: unknown) => void
}

/** What an input did. */
export interface Outcome {
  /** True when it decided something; false when it was late, repeated or did not fit. */
  readonly accepted: boolean
  /** The run as this input found it, and as it left it. */
  readonly before: RunState
  readonly after: RunState
}

/** A run in memory. `state` is what is on disk; nothing undecided or uncommitted is kept but the mailbox. */
export class ActiveRun {
  readonly mailbox: Letter[] = []
  /** Attempts under way, by `placeKey`. */
  readonly executing = new Map<string, AbortController>()
  /** The attempt of each step that was handed to the worker, by `placeKey`: none is handed over twice. */
  readonly ordered = new Map<string, string>()
  /** The row as last written by this process. */
  header: RunHeader | null = null
  /** Events that its snapshot holds. */
  snapshotSeq = 0
  /** True while a decision is being committed. */
  busy = false
  /** What is open in it is to be ordered, as soon as no commit is under way that may close some of it. */
  takenOver = false
  /** Another boot owned it when it was opened: with our first commit it is ours, and so is what is open in it. */
  foreign = false
  /** Letters that wait for room on the disk. */
  held = 0
  /** True once it left memory: whoever still holds it must open the run again. */
  rested = false

  constructor(
    readonly run: NewRun,
    public state: RunState,
  ) {}
}

export function placeKey({ within, index }: Place): string {
  return within ? `${within.parent}/${within.item}/${index}` : String(index)
}
