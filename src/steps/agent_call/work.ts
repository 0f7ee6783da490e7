import type { Models } from "../../adapters/llm/llm.ts"
import type { ResolveModel } from "../../adapters/llm/resolve.ts"
import type { ResolveForRun } from "../../connectors/resolve.ts"
import type { Failure } from "../../engine/failure.ts"
import type { StepNote } from "../../engine/state.ts"
import type { PlanSource, StepJob, StepOutcome } from "../../runtime/ports.ts"
import type { Recorder } from "../../runtime/recorder.ts"
import type { DriftPolicyOf, FindAgent } from "./agent.ts"
import { type Turn, turnOf, withNote } from "./turn.ts"

export interface AgentCallDeps {
  readonly findAgent: FindAgent
  readonly models: Models
  readonly resolveModel: ResolveModel
  readonly resolve: ResolveForRun
  /** Slugs of connectors whose calls wait for a process of ours, and which keep the limit themselves. */
  readonly queued: ReadonlySet<string>
  readonly recorder: Recorder
  readonly driftPolicyOf: DriftPolicyOf
  /** Which steps the agent may hand over to. */
  readonly plans: PlanSource
}

/** One execution of a turn: as far as it is recorded, and what it has left. */
export class Work {
  #turn: Turn

  constructor(
    readonly deps: AgentCallDeps,
    readonly job: StepJob,
    /** Aborted on stop, and when the time is up. */
    readonly signal: AbortSignal,
    /** As `performance.now()` says it. */
    readonly deadline: number,
  ) {
    this.#turn = turnOf(job.notes)
  }

  get turn(): Turn {
    return this.#turn
  }

  leftMs(): number {
    return this.deadline - performance.now()
  }

  /** Part of the turn once it is on disk. Rejects with `AttemptOver`. */
  async record(note: StepNote): Promise<void> {
    await this.job.record(note)
    this.#turn = withNote(this.#turn, note)
  }
}

export function failure(message: string, more: Partial<Failure> = {}): StepOutcome {
  return { ok: false, failure: { code: "AGENT_TURN_FAILED", message, retryable: false, ...more } }
}
