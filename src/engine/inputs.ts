import type { Json, JsonObject } from "../kernel/json.ts"
import type { StepWarning } from "./events.ts"
import type { Failure } from "./failure.ts"
import type { Identity, Origin, RunStatus, StepNote } from "./state.ts"

/** What reaches a run from outside. Time comes beside it, as an argument. */
export type RunInput =
  | { readonly type: "Start"; readonly identity?: Identity; readonly origin?: Origin; readonly recording?: true }
  | (Attempt & { readonly type: "StepSucceeded"; readonly result: Json } & Completion)
  | (Attempt & {
      readonly type: "StepErrored"
      readonly failure: Failure
      /** Random in [0, 1), spreads the retries. */
      readonly jitter: number
    })
  /** The attempt asks a person, and goes on with the answer. `expiresInMs`: null: it waits for ever. */
  | (Attempt & {
      readonly type: "StepAsked"
      readonly taskType: string
      readonly payload: Json
      readonly expiresInMs: number | null
    })
  /** The attempt records something and goes on. */
  | (Attempt & { readonly type: "StepNoted"; readonly note: StepNote })
  /** The attempt started another run and waits for it. */
  | (Attempt & { readonly type: "ChildStarted"; readonly childRunId: string })
  | {
      readonly type: "ChildEnded"
      readonly childRunId: string
      readonly status: RunStatus
      readonly output: Json
      readonly error: string | null
    }
  | {
      readonly type: "TaskCompleted"
      readonly taskId: string
      readonly approved: boolean
      readonly result: JsonObject
      readonly by: string
    }
  | { readonly type: "Pause"; readonly by: string }
  /** `overlays`: input for gated steps, which may then run, again if they ended (contract §4.6); by step id. */
  | { readonly type: "Resume"; readonly by: string; readonly overlays: { readonly [stepId: string]: JsonObject } }
  | { readonly type: "Stop"; readonly mode: "immediate" | "graceful"; readonly drainMs: number; readonly by: string }
  /** Something may be due: a retry, an expiry, a limit, the end of draining. */
  | { readonly type: "ClockReached"; readonly stallMs: number }

/** What a result's event says besides the result. */
export interface Completion {
  readonly truncated?: true
  readonly warnings?: readonly StepWarning[]
}

/** Which attempt an answer belongs to. */
export interface Attempt {
  /** The step's path, as in its events. */
  readonly stepId: string
  /** Item or iteration of the loop around it; null in the graph itself. */
  readonly item: number | null
  readonly attempt: number
  readonly round: number
  /** How many answers of people it had when it went out: with each it goes out again. */
  readonly answers: number
}
