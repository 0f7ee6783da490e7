import { outputOf } from "../../engine/output.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { CALLBACK_BODY_MAX_BYTES } from "../../kernel/limits.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { EndedRun } from "./store.ts"

/** What a receiver is sent: the same text on every attempt, as nothing of it changes after the end of a run. */
export async function reportOf(callbackId: string, run: EndedRun, runs: Pick<Runs, "inspect">): Promise<string> {
  const facts = {
    event: `run.${run.status}`,
    callback_id: callbackId,
    run_id: run.id,
    workflow_id: run.workflowId,
    workflow_name: run.workflowName,
    version: run.version,
    trigger_type: run.triggerType,
    status: run.status,
    failure_code: run.failureCode,
    error: run.error,
    failed_step_id: run.failedStepId,
    started_at: rfc3339(run.startedAt),
    completed_at: rfc3339OrNull(run.completedAt),
  }
  const state = run.status === "completed" ? await runs.inspect(run.id) : null
  return state === null ? JSON.stringify(facts) : withOutput(facts, { output: outputOf(state) })
}

function withOutput(facts: JsonObject, output: JsonObject): string {
  const whole = JSON.stringify({ ...facts, ...output })
  if (Buffer.byteLength(whole) <= CALLBACK_BODY_MAX_BYTES) return whole
  return JSON.stringify({ ...facts, output_omitted: true })
}
