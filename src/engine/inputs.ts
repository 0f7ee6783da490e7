import type { Json, JsonObject } from "../kernel/json.ts"
import type { Failure } from "./failure.ts"

/** What reaches a run from outside. Time comes beside it, as an argument. */
export type RunInput =
  | { readonly type: "Start" }
  | {
      readonly type: "StepSucceeded"
      readonly stepId: string
      readonly attempt: number
      readonly result: Json
      readonly truncated?: true
    }
  | {
      readonly type: "StepErrored"
      readonly stepId: string
      readonly attempt: number
      readonly failure: Failure
      /** Random in [0, 1), spreads the retries. */
      readonly jitter: number
    }
  | {
      readonly type: "TaskCompleted"
      readonly taskId: string
      readonly approved: boolean
      readonly result: JsonObject
      readonly by: string
    }
  | { readonly type: "Pause"; readonly by: string }
  | { readonly type: "Resume"; readonly by: string }
  | { readonly type: "Stop"; readonly mode: "immediate" | "graceful"; readonly drainMs: number; readonly by: string }
  /** Something may be due: a retry, an expiry, the end of draining. */
  | { readonly type: "ClockReached" }
