import type { OnCrash } from "../engine/graph.ts"
import type { Answer } from "../engine/state.ts"
import type { Json } from "../kernel/json.ts"
import type { StepJob, StepOutcome } from "./ports.ts"

/** Of the question whether to run an attempt again; no executor asks under this name. */
export const INTERRUPTED_TASK = "interrupted_step"

/** Characters of the step's fields that the person is shown. */
const SHOWN_FIELDS_MAX_CHARS = 64 * 1024

/**
 * What becomes of an attempt before anything of it runs (`on_crash`). Null: it runs. An answer counts for the one time that the
 * attempt runs on it: whoever is taken over behind that is asked about anew.
 */
export function stopInterrupted(job: StepJob, onCrash: OnCrash, told: readonly Answer[]): StepOutcome | null {
  const last = told.at(-1)
  if (last?.taskType === INTERRUPTED_TASK && !last.approved) return rejected(job)
  if (!job.resumed || onCrash === "retry") return null
  return onCrash === "fail" ? failed(job) : { ok: true, ask: questionOf(job) }
}

/** What people said to what the executor asked itself. */
export function ownAnswers(told: readonly Answer[]): readonly Answer[] {
  return told.filter(({ taskType }) => taskType !== INTERRUPTED_TASK)
}

function questionOf(job: StepJob) {
  const description = `${whatHappened(job)} Approve to run it again, with the same idempotency key; reject to fail the step.`
  const payload = {
    ...{ title: `Run ${job.stepId} again?`, description, step_type: job.stepType, attempt: job.attempt },
    fields: shown(job.config),
  }
  return { taskType: INTERRUPTED_TASK, payload, expiresInMs: null }
}

function shown(config: Json): Json {
  const text = JSON.stringify(config)
  if (text.length <= SHOWN_FIELDS_MAX_CHARS) return config
  return { truncated: true, preview: text.slice(0, SHOWN_FIELDS_MAX_CHARS) }
}

function whatHappened({ attempt }: StepJob): string {
  return `The process ended while attempt ${attempt} of this step was under way, so nobody knows whether it took effect.`
}

function failed({ attempt }: StepJob): StepOutcome {
  const message = `the process ended while attempt ${attempt} was under way, and the step is not to be run again then (on_crash: fail); look whether it took effect`
  return { ok: false, failure: { code: "INTERNAL_ERROR", message, retryable: false } }
}

function rejected({ attempt }: StepJob): StepOutcome {
  const message = `the process ended while attempt ${attempt} was under way, and a person decided not to run it again`
  return { ok: false, failure: { code: "HUMAN_TASK_FAILED", message, retryable: false } }
}
