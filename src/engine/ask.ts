import { STEP_QUESTIONS_MAX, STEP_TIMEOUT_MAX_S } from "../kernel/limits.ts"
import { failAttempt } from "./fail.ts"
import { giveUp } from "./finish.ts"
import type { RunInput } from "./inputs.ts"
import type { Place } from "./place.ts"
import type { Hooks } from "./schedule.ts"
import type { Turn } from "./turn.ts"

type Question = Pick<Extract<RunInput, { type: "StepAsked" }>, "taskType" | "payload" | "expiresInMs">

/**
 * A step that runs outside asks a person in the middle of an attempt. It waits as a human task does, and goes on with the
 * answer, whatever that is. A draining run waits for nobody.
 */
export function ask(turn: Turn, place: Place, { taskType, payload, expiresInMs }: Question, hooks: Hooks): void {
  if (turn.state.status === "draining") {
    giveUp(turn, place)
    return
  }
  if (turn.stepState(place).answers.length >= STEP_QUESTIONS_MAX) {
    const message = `the step asked more than ${STEP_QUESTIONS_MAX} times in one attempt`
    failAttempt(turn, place, { code: "HUMAN_TASK_FAILED", message, retryable: false }, 0, hooks)
    return
  }
  turn.emitAt(place, "human_task_created", {
    task_id: taskId(turn, place),
    task_type: taskType,
    task_payload: payload,
    expires_at: expiresInMs === null ? null : turn.now + Math.min(expiresInMs, STEP_TIMEOUT_MAX_S * 1000),
  })
}

/**
 * `deploy|1.2`: the second question of the first attempt; `deploy|3.1.2` in the third round; `loop|0|inner|1.2` in a loop. No
 * step's id holds a `|`, so neither another step's question nor a human task or review, `<id>:<n>`, can have the same name.
 */
function taskId(turn: Turn, place: Place): string {
  const { round, attempt, answers } = turn.stepState(place)
  const question = `${round > 0 ? `${round + 1}.` : ""}${attempt}.${answers.length + 1}`
  const { id } = turn.step(place)
  if (!place.within) return `${id}|${question}`
  const { parent, item } = place.within
  return `${turn.step({ within: null, index: parent }).id}|${item}|${id}|${question}`
}
