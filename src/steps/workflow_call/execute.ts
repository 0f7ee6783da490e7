import type { Failure } from "../../engine/failure.ts"
import { AppError } from "../../kernel/errors.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import { RUN_DEPTH_MAX } from "../../kernel/limits.ts"
import type { StepExecutor, StepJob, StepOutcome } from "../../runtime/ports.ts"

export interface ChildStart {
  readonly workflowId: string
  readonly version: number | null
  readonly input: JsonObject
  /** The child's step whose result is the output; null: all that nothing waits for. */
  readonly outputFrom: string | null
  /** The calling step; the child acts as the same user. */
  readonly caller: StepJob
}

/** Starts a run of another workflow of the same project; the same call again answers the same run. Throws `AppError`. */
export type StartChild = (start: ChildStart) => Promise<string>

/** Starts the child run; with `wait` the step goes on when it ends (contract G-10). */
export function createWorkflowCallExecutor(startChild: StartChild): StepExecutor {
  return {
    // The same call starts the same run, so there is nothing to be careful of.
    resumes: true,
    async execute(job) {
      const { workflow_id, version, input, wait, pass_parent_input, output_from } = job.config
      if (typeof workflow_id !== "string") return failed("the step names no workflow_id")
      if (job.depth + 1 >= RUN_DEPTH_MAX) return failed(`runs may start one another ${RUN_DEPTH_MAX} deep, not deeper`)
      const own = isJsonObject(input) ? input : {}
      const parent = pass_parent_input === true ? parentInput(job) : {}
      try {
        const childRunId = await startChild({
          workflowId: workflow_id,
          version: typeof version === "number" ? version : null,
          input: { ...parent, ...own },
          outputFrom: typeof output_from === "string" ? output_from : null,
          caller: job,
        })
        return wait === false ? started(childRunId) : { ok: true, childRunId }
      } catch (error) {
        if (error instanceof AppError) return failed(error.message, error.kind === "unavailable")
        throw error
      }
    },
  }
}

function started(childRunId: string): StepOutcome {
  return { ok: true, result: { child_run_id: childRunId, status: "running", output: null } }
}

/** Without the overlays, which are for the parent's steps. */
function parentInput(job: StepJob): JsonObject {
  const { input } = job.scope()
  if (!isJsonObject(input)) return {}
  const { _steps, ...rest } = input
  return rest
}

function failed(message: string, retryable = false): StepOutcome {
  const failure: Failure = { code: "WORKFLOW_CALL_FAILED", message, retryable }
  return { ok: false, failure }
}
