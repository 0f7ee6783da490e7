import { RETRY_AFTER_MAX_MS, RETRY_BASE_MS, RETRY_MAX_MS } from "../kernel/limits.ts"
import type { RetryScheduled } from "./events.ts"
import type { Failure } from "./failure.ts"
import type { Place } from "./place.ts"
import type { Hooks } from "./schedule.ts"
import type { Turn } from "./turn.ts"

/** An attempt ended badly: another one is due later, or the step has failed for good. */
export function failAttempt(turn: Turn, place: Place, failure: Failure, jitter: number, hooks: Hooks): void {
  const { attempt } = turn.stepState(place)
  const again = failure.retryable && attempt <= turn.step(place).retryCount && turn.state.status !== "draining"
  if (again) scheduleRetry(turn, place, failure, whenAgain(turn.now, attempt, jitter, failure))
  else if (place.within && pausesRun(turn, place.within)) hold(turn, place, failure)
  else hooks.fail(turn, place, failure)
}

/** Whether a failed item waits for an operator: a loop's error policy `pause`. Draining waits for nobody. */
export function pausesRun(turn: Turn, { parent }: NonNullable<Place["within"]>): boolean {
  const { loop } = turn.state.plan.steps[parent]!
  return loop?.kind === "for_each" && loop.errorPolicy === "pause" && turn.state.status !== "draining"
}

/** The item stays as it is, and is tried again when an operator resumes the run. */
export function hold(turn: Turn, place: Place, failure: Failure): void {
  scheduleRetry(turn, place, failure, { retry_at: turn.now, held: true })
  if (turn.state.pauseReason === "operator") return
  turn.changeStatus("paused", { pause_reason: "operator", by: turn.step(place).path, error: failure.message })
}

function scheduleRetry(turn: Turn, place: Place, failure: Failure, when: RetryScheduled): void {
  turn.emitAt(place, "step_retry_scheduled", {
    error: failure.message,
    failure_code: failure.code,
    attempt: turn.stepState(place).attempt,
    duration_ms: turn.duration(place),
    ...(failure.timeout && { timeout: true as const }),
    ...when,
  })
}

/** Spread upwards, so that not all who were sent away at one moment come back at one moment. */
function whenAgain(now: number, attempt: number, jitter: number, { retryAfterMs = 0 }: Failure): RetryScheduled {
  const delay = retryDelay(attempt, jitter)
  if (!(retryAfterMs > 0)) return { retry_at: now + delay }
  const after = Math.ceil(Math.min(retryAfterMs, RETRY_AFTER_MAX_MS))
  return { retry_at: now + Math.max(delay, Math.round(after * (1 + 0.2 * jitter))), retry_after_ms: after }
}

/** 1 s · 2^n ± 20 %, at most 30 s (contract G-9). */
export function retryDelay(attempt: number, jitter: number): number {
  const base = Math.min(RETRY_BASE_MS * 2 ** (attempt - 1), RETRY_MAX_MS)
  return Math.min(Math.round(base * (0.8 + 0.4 * jitter)), RETRY_MAX_MS)
}
