import type { Failure } from "../engine/failure.ts"
import type { Json, JsonObject } from "../kernel/json.ts"

/** One attempt of one step, handed to the world outside. */
export interface StepJob {
  readonly tenantId: string
  readonly projectId: string
  readonly workflowId: string
  readonly runId: string
  readonly stepId: string
  readonly stepType: string
  /** From 1. */
  readonly attempt: number
  /** `run:step:iteration`: the same on every attempt, so that a peer can tell a repeat from a new call. */
  readonly idempotencyKey: string
  /** The step's own fields with every template resolved, e.g. `{ tool_name, tool_args, server_url }`. */
  readonly config: JsonObject
  /** What scripts see: `input`, `steps` (id → `{ result }`), `run`; in loops also `item`, `index`. */
  readonly scope: { readonly [name: string]: Json }
  /** The limit of this attempt in ms; null: none. The executor must end by then; the worker cuts it off a little later. */
  readonly timeoutMs: number | null
}

export type StepOutcome = { readonly ok: true; readonly result: Json } | { readonly ok: false; readonly failure: Failure }

/**
 * Runs the attempts of one step type. Must not throw for anything that the world outside may do: that is a failure.
 * Aborted by `signal` on stop, failure of the run, or time-out.
 */
export interface StepExecutor {
  execute(job: StepJob, signal: AbortSignal): Promise<StepOutcome>
}

export type StepExecutors = ReadonlyMap<string, StepExecutor>
