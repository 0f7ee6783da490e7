import type { JsonObject } from "../kernel/json.ts"
import { RETRY_BASE_MS, RETRY_MAX_MS } from "../kernel/limits.ts"
import type { RunEvent } from "./events.ts"
import type { RunInput } from "./inputs.ts"
import { release, startReady } from "./schedule.ts"
import { isEnded, isFinal, type RunState } from "./state.ts"
import { Turn } from "./turn.ts"

export interface Decision {
  /** In order; none when the input is late, repeated, or does not fit the run's status. */
  readonly events: readonly RunEvent[]
  /** The state after them. */
  readonly state: RunState
}

/** What one input means for a run. Pure: `now` is an argument; a late or repeated input decides nothing. */
export function decide(state: RunState, input: RunInput, now: number): Decision {
  const turn = new Turn(state, now)
  if (!isFinal(state.status)) {
    apply(turn, input)
    if (turn.events.length > 0) settle(turn)
  }
  return { events: turn.events, state: turn.state }
}

function apply(turn: Turn, input: RunInput): void {
  switch (input.type) {
    case "Start":
      started(turn)
      break
    case "StepSucceeded":
      succeeded(turn, input)
      break
    case "StepErrored":
      errored(turn, input)
      break
    case "TaskCompleted":
      taskCompleted(turn, input)
      break
    case "Pause":
      pause(turn, input.by)
      break
    case "Resume":
      resume(turn, input.by)
      break
    case "Stop":
      if (input.mode === "immediate") stopNow(turn, input.by)
      else drain(turn, input)
      break
    case "ClockReached":
      clockReached(turn)
      break
  }
}

function started(turn: Turn): void {
  if (turn.state.seq > 0) return
  const { triggerType, version } = turn.state.facts
  turn.emit({ type: "run_started", data: { trigger_type: triggerType, version } })
  startReady(turn)
}

function succeeded(turn: Turn, input: Extract<RunInput, { type: "StepSucceeded" }>): void {
  const index = underWay(turn, input.stepId, input.attempt)
  if (index === null) return
  turn.emit({
    type: "step_completed",
    stepId: input.stepId,
    data: {
      result: input.result,
      duration_ms: turn.duration(index),
      attempt: input.attempt,
      ...(input.truncated && { truncated: true }),
    },
  })
  release(turn, index)
}

function errored(turn: Turn, input: Extract<RunInput, { type: "StepErrored" }>): void {
  const index = underWay(turn, input.stepId, input.attempt)
  if (index === null) return
  const { failure, attempt } = input
  const data = {
    error: failure.message,
    failure_code: failure.code,
    attempt,
    duration_ms: turn.duration(index),
    ...(failure.timeout && { timeout: true as const }),
  }
  const again = failure.retryable && attempt <= turn.step(index).retryCount && turn.state.status !== "draining"
  if (again) {
    const retry_at = turn.now + retryDelay(attempt, input.jitter)
    turn.emit({ type: "step_retry_scheduled", stepId: input.stepId, data: { ...data, retry_at } })
  } else {
    turn.emit({ type: "step_failed", stepId: input.stepId, data })
  }
}

/** The index of a step whose attempt is under way; null when the answer is late or belongs to an older attempt. */
function underWay(turn: Turn, stepId: string, attempt: number): number | null {
  const index = turn.state.plan.indexOf.get(stepId)
  if (index === undefined) return null
  const step = turn.stepState(index)
  return step.status === "running" && step.attempt === attempt && step.retryAt === null ? index : null
}

/** 1 s · 2^n ± 20 %, at most 30 s (contract G-9). */
export function retryDelay(attempt: number, jitter: number): number {
  const base = Math.min(RETRY_BASE_MS * 2 ** (attempt - 1), RETRY_MAX_MS)
  return Math.min(Math.round(base * (0.8 + 0.4 * jitter)), RETRY_MAX_MS)
}

function taskCompleted(turn: Turn, input: Extract<RunInput, { type: "TaskCompleted" }>): void {
  const index = turn.state.steps.findIndex(s => s.task?.taskId === input.taskId)
  if (index < 0) return
  const stepId = turn.step(index).id
  turn.emit({
    type: "human_task_completed",
    stepId,
    data: { task_id: input.taskId, approved: input.approved, completed_by: input.by },
  })
  // `approved` is the caller's word even if its `result` holds one, too (contract §4.8).
  const result: JsonObject = { ...input.result, approved: input.approved }
  turn.emit({ type: "step_completed", stepId, data: { result, duration_ms: turn.duration(index), attempt: 1 } })
  release(turn, index)
}

function pause(turn: Turn, by: string): void {
  const { status, pauseReason } = turn.state
  if (status === "running" || (status === "paused" && pauseReason === "human_task")) {
    turn.changeStatus("paused", { pause_reason: "operator", by })
  }
}

function resume(turn: Turn, by: string): void {
  if (turn.state.status !== "paused" || turn.state.pauseReason !== "operator") return
  turn.changeStatus("running", { by })
  // Retries first: should a ready step fail at once, nothing may start behind its failure.
  startDueRetries(turn)
  startReady(turn)
}

function stopNow(turn: Turn, by: string): void {
  cancelUnderWay(turn, "run_stopped", "RUN_STOPPED")
  turn.changeStatus("stopped", { failure_code: "RUN_STOPPED", by })
}

/** Lets what is under way end and starts nothing else; what only people can end is given up at once. */
function drain(turn: Turn, input: Extract<RunInput, { type: "Stop" }>): void {
  if (turn.state.status === "draining") return
  turn.changeStatus("draining", { by: input.by, drain_deadline: turn.now + input.drainMs })
  for (const [index, step] of turn.state.steps.entries()) {
    if (step.status === "waiting" || step.retryAt !== null) cancel(turn, index, "run_stopped", "RUN_STOPPED")
  }
}

function clockReached(turn: Turn): void {
  const { drainDeadline, status } = turn.state
  if (drainDeadline !== null && drainDeadline <= turn.now) {
    cancelUnderWay(turn, "drain_timeout", "DRAIN_TIMEOUT")
    turn.changeStatus("stopped", { failure_code: "DRAIN_TIMEOUT" })
    return
  }
  if (expireTask(turn)) return
  if (status === "running") startDueRetries(turn)
}

/** The first task that nobody completed in time fails its step; that ends the run, so one is enough. */
function expireTask(turn: Turn): boolean {
  const index = turn.state.steps.findIndex(s => s.task !== null && s.task.expiresAt !== null && s.task.expiresAt <= turn.now)
  if (index < 0) return false
  const error = "nobody completed the human task before it expired"
  const data = {
    error,
    failure_code: "HUMAN_TASK_FAILED" as const,
    attempt: 1,
    duration_ms: turn.duration(index),
    timeout: true as const,
  }
  turn.emit({ type: "step_failed", stepId: turn.step(index).id, data })
  return true
}

function startDueRetries(turn: Turn): void {
  for (const [index, step] of turn.state.steps.entries()) {
    if (step.retryAt === null || step.retryAt > turn.now) continue
    turn.emit({ type: "step_started", stepId: turn.step(index).id, data: { attempt: step.attempt + 1 } })
  }
}

/** After every decision: a failed step ends the run; nothing left completes it; only people left pauses it (S-11). */
function settle(turn: Turn): void {
  const { status, failedStepId, open, moving, waiting } = turn.state
  if (isFinal(status)) return
  if (status === "draining") {
    if (moving === 0) turn.changeStatus("stopped", { failure_code: "RUN_STOPPED" })
  } else if (failedStepId !== null) {
    failRun(turn, failedStepId)
  } else if (open === 0) {
    turn.changeStatus("completed", {})
  } else if (status === "running" && moving === 0 && waiting > 0) {
    turn.changeStatus("paused", { pause_reason: "human_task" })
  }
}

/** Fail-fast, in the order of contract G-14. */
function failRun(turn: Turn, failedStepId: string): void {
  const { failureCode, error } = turn.state
  cancelUnderWay(turn, "run_failed", undefined, failedStepId)
  for (const index of turn.state.plan.topological) {
    if (turn.stepState(index).status !== "pending") continue
    const data = { skipped: true as const, reason: "blocked" as const, caused_by_step_id: failedStepId }
    turn.emit({ type: "step_completed", stepId: turn.step(index).id, data })
  }
  turn.changeStatus("failed", {
    failure_code: failureCode ?? "INTERNAL_ERROR",
    failed_step_id: failedStepId,
    error: error ?? "the step failed",
  })
}

type CancelReason = "run_failed" | "run_stopped" | "drain_timeout"

function cancelUnderWay(turn: Turn, reason: CancelReason, code?: "RUN_STOPPED" | "DRAIN_TIMEOUT", causedBy?: string): void {
  for (const [index, step] of turn.state.steps.entries()) {
    if (step.status !== "pending" && !isEnded(step.status)) cancel(turn, index, reason, code, causedBy)
  }
}

function cancel(
  turn: Turn,
  index: number,
  reason: CancelReason,
  code?: "RUN_STOPPED" | "DRAIN_TIMEOUT",
  causedBy?: string,
): void {
  turn.emit({
    type: "step_cancelled",
    stepId: turn.step(index).id,
    data: {
      cancelled: true,
      reason,
      ...(causedBy !== undefined && { caused_by_step_id: causedBy }),
      ...(code && { failure_code: code }),
    },
  })
}
