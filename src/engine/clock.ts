import { failAttempt } from "./fail.ts"
import type { Failure } from "./failure.ts"
import { endDraining } from "./finish.ts"
import { expireItems, failLoop, type LoopHooks } from "./loop.ts"
import { openPlaces, type Place } from "./place.ts"
import { schedules, startAttempt } from "./schedule.ts"
import { isFailing, isIdle, pendingTasks, type StepState } from "./state.ts"
import type { Turn } from "./turn.ts"

/** Everything that is due by now, in the order in which `wakeAt` looks at it. */
export function clockReached(turn: Turn, stallMs: number, hooks: LoopHooks): void {
  const { drainDeadline, lastEventAt } = turn.state
  if (drainDeadline !== null && drainDeadline <= turn.now) {
    endDraining(turn)
    return
  }
  if (expireTasks(turn, hooks)) return
  expireLoops(turn, hooks)
  expireChildren(turn, hooks)
  startDueRetries(turn, hooks)
  if (turn.events.length === 0 && isIdle(turn.state) && lastEventAt + stallMs <= turn.now) stall(turn, stallMs)
}

/** A task that nobody completed in time fails its step. True when that ends the run; inside a loop it need not. */
function expireTasks(turn: Turn, hooks: LoopHooks): boolean {
  for (;;) {
    const found = pendingTasks(turn.state).find(t => t.task.expiresAt !== null && t.task.expiresAt <= turn.now)
    if (!found) return false
    const message = "nobody completed the human task before it expired"
    failAttempt(turn, found.place, { code: "HUMAN_TASK_FAILED", message, retryable: false, timeout: true }, 0, hooks)
    if (isFailing(turn.state)) return true
  }
}

/** Each loop is looked at anew, for the end of another may have failed the run. */
function expireLoops(turn: Turn, hooks: LoopHooks): void {
  for (const index of turn.state.steps.keys()) {
    const place = { within: null, index }
    const { status, loop } = turn.stepState(place)
    if (status !== "running" || !loop || isFailing(turn.state)) continue
    const limit = turn.step(place).timeoutMs
    if (limit === null || loop.startedAt + limit > turn.now) {
      expireItems(turn, place, hooks)
      continue
    }
    const message = `the loop took longer than ${limit / 1000} s`
    failLoop(turn, place, { code: "STEP_TIMEOUT", message, retryable: true, timeout: true }, hooks)
  }
}

/** Child runs that took longer than their step may wait. */
function expireChildren(turn: Turn, hooks: LoopHooks): void {
  const isOver = (s: StepState) => s.status === "running" && s.childDueAt !== null && s.childDueAt <= turn.now
  for (const place of openPlaces(turn.state, isOver)) {
    if (!isOver(turn.stepState(place)) || isFailing(turn.state)) continue
    const message = `the child run took longer than ${(turn.step(place).timeoutMs ?? 0) / 1000} s`
    const failure: Failure = { code: "WORKFLOW_CALL_FAILED", message, retryable: true, timeout: true }
    failAttempt(turn, place, failure, 0.5, hooks)
  }
}

/** A loop's new attempt may end others, or the run; so each is asked again when its turn comes. */
export function startDueRetries(turn: Turn, hooks: LoopHooks): void {
  const isDue = (s: StepState) => s.status === "running" && s.retryAt !== null && s.retryAt <= turn.now
  for (const place of openPlaces(turn.state, isDue)) {
    if (schedules(turn) && isDue(turn.stepState(place))) startRetry(turn, place, hooks)
  }
}

function startRetry(turn: Turn, place: Place, hooks: LoopHooks): void {
  startAttempt(turn, place, turn.stepState(place).attempt + 1, null, hooks)
}

/** Nothing moves and nothing is awaited: without a message from outside the run would stay for ever (contract G-39). */
function stall(turn: Turn, stallMs: number): void {
  turn.changeStatus("failed", {
    failure_code: "RUN_STALLED_OR_TIMED_OUT",
    error: `nothing happened for ${Math.round(stallMs / 60_000)} minutes, and nothing is awaited`,
  })
}
