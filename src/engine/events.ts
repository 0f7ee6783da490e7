import type { Json, JsonObject } from "../kernel/json.ts"
import type { FailureCode } from "./failure.ts"
import type { Identity, Origin, PauseReason, RunStatus } from "./state.ts"

export type SkipReason = "blocked" | "out_of_scope" | "step_disabled" | "condition_false" | "skip_when" | "excluded"

/** What a step under way records of its way (contract §4.7). Ours is `agent_turn_ended`. */
export const NOTE_TYPES = ["agent_turn_tool_round", "agent_turn_limit_reached", "agent_turn_ended"] as const
export type NoteType = (typeof NOTE_TYPES)[number]

/**
 * What is recorded of a run, and what the API shows of it: the names and `data` of contract §4.7 and G-14, G-16. Ours are
 * `step_retry_scheduled`, `item_failed`, `item_completed`, `child_run_started`, `entry_granted`, and the skip reasons
 * `condition_false`, `skip_when` and `excluded`.
 *
 * Inside a loop `stepId` is the inner step's path, and `data.index` says for which item or iteration, from 0.
 */
export type RunEvent =
  | { readonly type: "run_started"; readonly data: RunStarted }
  /** `input`: the fields that the version leaves open, as resolved at the first attempt. */
  | StepEvent<"step_started", { readonly attempt: number; readonly input?: JsonObject }>
  | StepEvent<"step_completed", StepCompletion>
  | StepEvent<"step_failed", StepFailure>
  | StepEvent<"step_retry_scheduled", StepFailure & RetryScheduled>
  | StepEvent<"step_cancelled", StepCancellation>
  | StepNoteEvent
  | StepEvent<"human_task_created", HumanTaskCreated>
  | StepEvent<"human_task_completed", HumanTaskCompleted>
  /** An item of a loop ended without a result; the loop itself may go on. */
  | StepEvent<"item_failed", { readonly error: string; readonly failure_code: FailureCode }>
  /** A reviewer gave a failed item a result. */
  | StepEvent<"item_completed", { readonly result: Json }>
  | StepEvent<"child_run_started", { readonly child_run_id: string }>
  /** A gated step may run (contract §4.6): somebody handed over to it, or a resume named it. */
  | StepEvent<"entry_granted", { readonly by: string; readonly payload: JsonObject; readonly again: boolean }>
  | { readonly type: "state_changed"; readonly data: StateChange }

export interface RunStarted {
  readonly trigger_type: string
  readonly version: number
  /** Ours: nothing else keeps it. */
  readonly identity?: Identity
  readonly origin?: Origin
  /** Ours: what models and tools are asked and say is kept. */
  readonly recording?: true
}

export interface StepEvent<Type extends string, Data> {
  readonly type: Type
  readonly stepId: string
  readonly data: Data & InLoop
}

/** `data`: what the executor gave, and which attempt that was. */
export type StepNoteEvent = { readonly [Type in NoteType]: StepEvent<Type, JsonObject & { readonly attempt: number }> }[NoteType]

export interface InLoop {
  readonly index?: number
}

export type StepCompletion =
  | {
      readonly result: Json
      readonly duration_ms: number
      readonly attempt: number
      readonly truncated?: true
      readonly warnings?: readonly StepWarning[]
    }
  | { readonly skipped: true; readonly reason: SkipReason; readonly caused_by_step_id?: string }

/** What somebody should look at although the step is done, e.g. a tool that is not what it was. */
export interface StepWarning {
  /** E.g. `mcp_tool_changed`: the same as the dry run's. */
  readonly code: string
  readonly message: string
}

export interface StepFailure {
  readonly error: string
  readonly failure_code: FailureCode
  readonly attempt: number
  readonly duration_ms: number
  readonly timeout?: true
}

export interface RetryScheduled {
  readonly retry_at: number
  /** How long the other side wants to be left alone, as far as it is heeded. */
  readonly retry_after_ms?: number
  /** Not before an operator resumes the run (a loop's error policy `pause`). */
  readonly held?: true
}

export type CancelReason = "run_failed" | "run_stopped" | "drain_timeout" | "item_failed" | "loop_failed"

export interface StepCancellation {
  readonly cancelled: true
  readonly reason: CancelReason
  readonly caused_by_step_id?: string
  readonly failure_code?: FailureCode
}

export interface HumanTaskCreated {
  readonly task_id: string
  readonly task_type: string
  readonly task_payload: Json
  readonly expires_at: number | null
}

/** `result`: only of what a step asked in the middle of an attempt; a human task's is in its `step_completed`. */
export interface HumanTaskCompleted {
  readonly task_id: string
  readonly approved: boolean
  readonly completed_by: string
  readonly result?: JsonObject
}

export interface StateChange {
  readonly from: RunStatus
  readonly to: RunStatus
  readonly pause_reason?: PauseReason
  readonly failure_code?: FailureCode
  readonly failed_step_id?: string
  readonly error?: string
  readonly by?: string
  /** When a graceful stop turns into an immediate one, ms. */
  readonly drain_deadline?: number
}
