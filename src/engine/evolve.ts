import { assert } from "../kernel/errors.ts"
import type { RunEvent, StateChange, StepCompletion } from "./events.ts"
import type { Step } from "./graph.ts"
import { isFinal, type RunState, type StepState } from "./state.ts"

/** The state after one more event. `at` is when the event was recorded, ms. */
export function evolve(state: RunState, event: RunEvent, at: number): RunState {
  switch (event.type) {
    case "run_started":
      return { ...state, seq: state.seq + 1 }
    case "step_started":
      return change(state, event.stepId, (s, step) => ({
        ...s,
        status: "running",
        attempt: event.data.attempt,
        input: s.input ?? { ...step.literals, ...event.data.input },
        startedAt: s.startedAt ?? at,
        retryAt: null,
      }))
    case "step_completed":
      return change(state, event.stepId, s => completed(s, event.data, at))
    case "step_failed":
      return failed(state, event, at)
    case "step_retry_scheduled":
      return change(state, event.stepId, s => ({
        ...s,
        error: event.data.error,
        failureCode: event.data.failure_code,
        retryAt: event.data.retry_at,
      }))
    case "step_cancelled":
      return change(state, event.stepId, s => ({
        ...s,
        status: "cancelled",
        failureCode: event.data.failure_code ?? null,
        endedAt: at,
        retryAt: null,
        task: null,
      }))
    case "human_task_created":
      return change(state, event.stepId, s => ({
        ...s,
        status: "waiting",
        task: {
          taskId: event.data.task_id,
          taskType: event.data.task_type,
          payload: event.data.task_payload,
          expiresAt: event.data.expires_at,
        },
      }))
    case "human_task_completed":
      return change(state, event.stepId, s => ({ ...s, task: null, rejected: !event.data.approved }))
    case "state_changed":
      return changedStatus(state, event.data, at)
  }
}

function completed(step: StepState, data: StepCompletion, at: number): StepState {
  if ("skipped" in data) return { ...step, status: "skipped", skipReason: data.reason, endedAt: at }
  // The error of an earlier attempt is history once one succeeded.
  return {
    ...step,
    status: "completed",
    result: data.result,
    error: null,
    failureCode: null,
    endedAt: at,
    retryAt: null,
    task: null,
  }
}

/** The run itself fails with the `state_changed` that follows in the same commit. */
function failed(state: RunState, event: Extract<RunEvent, { type: "step_failed" }>, at: number): RunState {
  const { error, failure_code: failureCode } = event.data
  const after = change(state, event.stepId, s => ({
    ...s,
    status: "failed",
    error,
    failureCode,
    endedAt: at,
    retryAt: null,
    task: null,
  }))
  return { ...after, failedStepId: event.stepId, failureCode, error }
}

function changedStatus(state: RunState, data: StateChange, at: number): RunState {
  return {
    ...state,
    seq: state.seq + 1,
    status: data.to,
    pauseReason: data.pause_reason ?? null,
    completedAt: isFinal(data.to) ? at : null,
    failureCode: data.failure_code ?? null,
    failedStepId: data.failed_step_id ?? null,
    error: data.error ?? null,
    drainDeadline: data.drain_deadline ?? null,
  }
}

function change(state: RunState, stepId: string, next: (state: StepState, step: Step) => StepState): RunState {
  const index = state.plan.indexOf.get(stepId)
  assert(index !== undefined, `event of step ${stepId}, which the plan does not have`)
  const before = state.steps[index]!
  const after = next(before, state.plan.steps[index]!)
  return {
    ...state,
    seq: state.seq + 1,
    steps: state.steps.with(index, after),
    open: state.open + count(after, isOpen) - count(before, isOpen),
    moving: state.moving + count(after, isMoving) - count(before, isMoving),
    waiting: state.waiting + count(after, isWaiting) - count(before, isWaiting),
  }
}

const count = (step: StepState, is: (step: StepState) => boolean) => (is(step) ? 1 : 0)
const isMoving = (s: StepState) => s.status === "running"
const isWaiting = (s: StepState) => s.status === "waiting"
const isOpen = (s: StepState) => s.status === "pending" || isMoving(s) || isWaiting(s)
