import type { Json, JsonObject } from "../kernel/json.ts"
import type { FailureCode } from "./failure.ts"
import type { PauseReason, RunStatus } from "./state.ts"

export type SkipReason = "blocked" | "out_of_scope" | "step_disabled" | "condition_false" | "excluded"

/**
 * What is recorded of a run, and what the API shows of it: the names and `data` of contract §4.7 and G-14, G-16.
 * `step_retry_scheduled` and the skip reasons `condition_false` and `excluded` are ours.
 */
export type RunEvent =
  | { readonly type: "run_started"; readonly data: { readonly trigger_type: string; readonly version: number } }
  /** `input`: the fields that the version leaves open, as resolved at the first attempt. */
  | StepEvent<"step_started", { readonly attempt: number; readonly input?: JsonObject }>
  | StepEvent<"step_completed", StepCompletion>
  | StepEvent<"step_failed", StepFailure>
  | StepEvent<"step_retry_scheduled", StepFailure & { readonly retry_at: number }>
  | StepEvent<"step_cancelled", StepCancellation>
  | StepEvent<"human_task_created", HumanTaskCreated>
  | StepEvent<"human_task_completed", HumanTaskCompleted>
  | { readonly type: "state_changed"; readonly data: StateChange }

interface StepEvent<Type extends string, Data> {
  readonly type: Type
  readonly stepId: string
  readonly data: Data
}

export type StepCompletion =
  | { readonly result: Json; readonly duration_ms: number; readonly attempt: number; readonly truncated?: true }
  | { readonly skipped: true; readonly reason: SkipReason; readonly caused_by_step_id?: string }

export interface StepFailure {
  readonly error: string
  readonly failure_code: FailureCode
  readonly attempt: number
  readonly duration_ms: number
  readonly timeout?: true
}

export interface StepCancellation {
  readonly cancelled: true
  readonly reason: "run_failed" | "run_stopped" | "drain_timeout"
  readonly caused_by_step_id?: string
  readonly failure_code?: FailureCode
}

export interface HumanTaskCreated {
  readonly task_id: string
  readonly task_type: string
  readonly task_payload: Json
  readonly expires_at: number | null
}

export interface HumanTaskCompleted {
  readonly task_id: string
  readonly approved: boolean
  readonly completed_by: string
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
