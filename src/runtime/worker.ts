import type { Execute } from "../engine/commands.ts"
import type { Attempt, RunInput } from "../engine/inputs.ts"
import { type Place, stateAt, stepAt } from "../engine/place.ts"
import { scriptScope } from "../engine/scope.ts"
import type { RunState, StepNote } from "../engine/state.ts"
import { cutJson } from "../kernel/cut.ts"
import { assert, messageOf } from "../kernel/errors.ts"
import type { Json, JsonObject } from "../kernel/json.ts"
import { STEP_RESULT_MAX_BYTES } from "../kernel/limits.ts"
import { type ActiveRun, placeKey } from "./active-run.ts"
import { ownAnswers, stopInterrupted } from "./interrupted.ts"
import { AttemptOver, type StepExecutors, type StepJob, type StepOutcome } from "./ports.ts"
import { ProgressGate } from "./progress-gate.ts"

/** Bytes of a cut result that are still shown. */
const PREVIEW_CHARS = 64 * 1024

/** Who ordered an attempt. */
export interface AttemptHost {
  answer(input: RunInput): void
  /** True when the input decided something, and that is on disk. Rejects when the run was lost. */
  record(input: RunInput): Promise<boolean>
  /** Whether somebody would see its progress. */
  isWatched(): boolean
  progress(who: Attempt, data: JsonObject): void
}

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

  /** `host` hears what becomes of the attempt, and before that how far it is. */
  execute(run: ActiveRun, order: Execute, host: AttemptHost): void {
    const { place, attempt, round, answers, resumed } = order
    const abort = new AbortController()
    const key = placeKey(place)
    run.executing.set(key, abort)
    this.executing++
    const who: Attempt = { stepId: stepAt(run.state, place).path, item: place.within?.item ?? null, attempt, round, answers }
    const progress = new ProgressGate(data => {
      if (run.executing.get(key) === abort) host.progress(who, data)
    })
    const show = (data: JsonObject) => {
      if (host.isWatched()) progress.show(data)
    }
    const isWanted = () => !this.#abandoned && run.executing.get(key) === abort
    const record = (note: StepNote) => {
      const recording = recordedBy(who, note, isWanted, host)
      // Who does not look at it must not end the process.
      recording.catch(() => {})
      return recording
    }
    this.#attempt(run, place, who, abort.signal, { resumed, progress: show, record })
      .catch(error => this.#unexpected(run, who, error))
      .then(outcome => {
        progress.end()
        this.executing--
        // After a cancel the place may already belong to a newer attempt.
        if (run.executing.get(key) === abort) run.executing.delete(key)
        if (!this.#abandoned) host.answer(inputOf(who, outcome, this.random()))
      })
  }

  cancel(run: ActiveRun, place: Place): void {
    const key = placeKey(place)
    run.executing.get(key)?.abort()
    run.executing.delete(key)
  }

  cancelAll(run: ActiveRun): void {
    for (const abort of run.executing.values()) abort.abort()
    run.executing.clear()
  }

  /** The process ends: what still comes back is dropped, and done again by the next boot. */
  abandon(): void {
    this.#abandoned = true
  }

  async #attempt(
    run: ActiveRun,
    place: Place,
    who: Attempt,
    signal: AbortSignal,
    more: Pick<StepJob, "resumed" | "progress" | "record">,
  ): Promise<StepOutcome> {
    const { state } = run
    const step = stepAt(state, place)
    const executor = this.executors.get(step.type.type)
    if (!executor) {
      const message = `steps of type ${step.type.type} cannot run in this version`
      return { ok: false, failure: { code: "DEPENDENCY_UNAVAILABLE", message, retryable: false } }
    }
    const { runId, tenantId, projectId, workflowId, version, userId, parent } = state.facts
    const { input = null, answers = [], notes = [] } = stateAt(state, place) ?? {}
    const job: StepJob = {
      ...{ runId, tenantId, projectId, workflowId, version, userId },
      depth: parent?.depth ?? 0,
      stepId: step.path,
      item: who.item,
      stepType: step.type.type,
      round: who.round,
      attempt: who.attempt,
      recording: state.recording,
      idempotencyKey: idempotencyKey(state, place, who),
      config: input ?? {},
      scope: () => scriptScope(state, place),
      timeoutMs: step.timeoutMs,
      answers: ownAnswers(answers),
      onCrash: step.onCrash,
      notes,
      ...more,
    }
    const stop = executor.resumes ? null : stopInterrupted(job, step.onCrash, answers)
    if (stop) return stop
    return await executor.execute(job, signal)
  }

  /** An executor that throws is our mistake; the run gets an answer all the same. */
  #unexpected(run: ActiveRun, { stepId }: Attempt, error: unknown): StepOutcome {
    // It was told that nobody waits for it; what is said here is not heard.
    if (!(error instanceof AttemptOver))
      this.log.error({ run_id: run.run.facts.runId, step_id: stepId, error: messageOf(error) }, "a step's executor threw")
    const message = "the step could not be run because of an internal error; the log has it"
    return { ok: false, failure: { code: "INTERNAL_ERROR", message, retryable: true } }
  }
}

async function recordedBy(who: Attempt, note: StepNote, isWanted: () => boolean, host: AttemptHost): Promise<void> {
  const input: RunInput = { ...who, type: "StepNoted", note: copyOf(note) }
  const accepted = isWanted() && (await host.record(input).catch(() => false))
  // A stop that shared its commit has called it off by now.
  if (!accepted || !isWanted()) throw new AttemptOver(`attempt ${who.attempt} of ${who.stepId} is not wanted any more`)
}

/** As it is now, for whoever goes on writing in it. */
function copyOf({ type, data }: StepNote): StepNote {
  assert(!("attempt" in data || "index" in data), "a note does not say its attempt and index itself")
  return { type, data: JSON.parse(JSON.stringify(data)) as JsonObject }
}

/** The same on every attempt of the step, and of the loop around it; a step that was entered again is another call. */
function idempotencyKey(state: RunState, place: Place, { stepId, item }: Attempt): string {
  const { round } = state.steps[place.within ? place.within.parent : place.index]!
  return `${state.facts.runId}:${stepId}:${item ?? 0}${round > 0 ? `:${round}` : ""}`
}

/** What an attempt's outcome tells its run; too large a result is cut. */
export function inputOf(who: Attempt, outcome: StepOutcome, jitter: number): RunInput {
  if ("childRunId" in outcome) return { ...who, type: "ChildStarted", childRunId: outcome.childRunId }
  if (!outcome.ok) return { ...who, type: "StepErrored", failure: outcome.failure, jitter }
  if ("ask" in outcome) {
    const { taskType, payload, expiresInMs } = outcome.ask
    return { ...who, type: "StepAsked", taskType, payload: tooLarge(payload) ?? payload, expiresInMs }
  }
  const { result, warnings } = outcome
  const cut = tooLarge(result)
  const told = warnings && { warnings }
  return cut === null
    ? { ...who, type: "StepSucceeded", result, ...told }
    : { ...who, type: "StepSucceeded", result: cut, truncated: true, ...told }
}

function tooLarge(value: Json): JsonObject | null {
  return cutJson(value, STEP_RESULT_MAX_BYTES, PREVIEW_CHARS)
}
