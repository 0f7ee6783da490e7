import type { RunInput } from "../engine/inputs.ts"
import { scriptScope } from "../engine/scope.ts"
import { messageOf } from "../kernel/errors.ts"
import type { Json } from "../kernel/json.ts"
import { STEP_RESULT_MAX_BYTES } from "../kernel/limits.ts"
import type { ActiveRun } from "./active-run.ts"
import type { StepExecutors, StepJob, StepOutcome } from "./ports.ts"

/** Bytes of a cut result that are still shown. */
const PREVIEW_BYTES = 64 * 1024

/** Runs the attempts that committed states order, and turns what becomes of them into inputs. */
export class Worker {
  /** Attempts under way in all runs. */
  executing = 0
  #abandoned = false

  constructor(
    private readonly executors: StepExecutors,
    private readonly random: () => number,
    private readonly log: { error(fields: object, message: string): void },
  ) {}

  execute(run: ActiveRun, index: number, attempt: number, answer: (input: RunInput) => void): void {
    const abort = new AbortController()
    const entry = { attempt, abort }
    run.executing.set(index, entry)
    this.executing++
    const stepId = run.state.plan.steps[index]!.id
    this.#attempt(run, index, attempt, abort.signal)
      .catch(error => this.#unexpected(run, stepId, error))
      .then(outcome => {
        this.executing--
        // After a cancel the place may already belong to a newer attempt.
        if (run.executing.get(index) === entry) run.executing.delete(index)
        if (!this.#abandoned) answer(inputOf(stepId, attempt, outcome, this.random()))
      })
  }

  cancel(run: ActiveRun, index: number): void {
    run.executing.get(index)?.abort.abort()
    run.executing.delete(index)
  }

  cancelAll(run: ActiveRun): void {
    for (const index of [...run.executing.keys()]) this.cancel(run, index)
  }

  /** The process ends: what still comes back is dropped, and done again by the next boot. */
  abandon(): void {
    this.#abandoned = true
  }

  async #attempt(run: ActiveRun, index: number, attempt: number, signal: AbortSignal): Promise<StepOutcome> {
    const { facts, plan } = run.state
    const step = plan.steps[index]!
    const executor = this.executors.get(step.type.type)
    if (!executor) {
      const message = `steps of type ${step.type.type} cannot run in this version`
      return { ok: false, failure: { code: "DEPENDENCY_UNAVAILABLE", message, retryable: false } }
    }
    const state = run.state
    const job: StepJob = {
      tenantId: facts.tenantId,
      projectId: facts.projectId,
      workflowId: facts.workflowId,
      runId: facts.runId,
      stepId: step.id,
      stepType: step.type.type,
      attempt,
      idempotencyKey: `${facts.runId}:${step.id}:0`,
      config: state.steps[index]!.input ?? {},
      scope: () => scriptScope(state, step),
      timeoutMs: step.timeoutMs,
    }
    return await executor.execute(job, signal)
  }

  /** An executor that throws is our mistake; the run gets an answer all the same. */
  #unexpected(run: ActiveRun, stepId: string, error: unknown): StepOutcome {
    this.log.error({ run_id: run.run.facts.runId, step_id: stepId, error: messageOf(error) }, "a step's executor threw")
    const message = "the step could not be run because of an internal error; the log has it"
    return { ok: false, failure: { code: "INTERNAL_ERROR", message, retryable: true } }
  }
}

function inputOf(stepId: string, attempt: number, outcome: StepOutcome, jitter: number): RunInput {
  if (!outcome.ok) return { type: "StepErrored", stepId, attempt, failure: outcome.failure, jitter }
  const cut = cutTo(outcome.result, STEP_RESULT_MAX_BYTES)
  return cut === null
    ? { type: "StepSucceeded", stepId, attempt, result: outcome.result }
    : { type: "StepSucceeded", stepId, attempt, result: cut, truncated: true }
}

/** Null when it fits; else what is stored in its place (contract G-44). */
function cutTo(result: Json, maxBytes: number): Json | null {
  const text = JSON.stringify(result)
  // A character has at most three bytes in UTF-8, so most results need no exact count.
  if (text.length * 3 <= maxBytes) return null
  const sizeBytes = Buffer.byteLength(text)
  return sizeBytes <= maxBytes ? null : { truncated: true, size_bytes: sizeBytes, preview: text.slice(0, PREVIEW_BYTES) }
}
