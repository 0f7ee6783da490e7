import type { RunEvent } from "../engine/events.ts"
import { isFinal, type RunState, wakeAt } from "../engine/state.ts"
import type { RunHeader, StampedEvent, TaskChange } from "./ports.ts"

export function stamp(events: readonly RunEvent[], seq: number, at: number): readonly StampedEvent[] {
  return events.map((event, i) => ({ seq: seq + 1 + i, at, event }))
}

/** Everything that changes on disk with these events: the events, the run's row, the rows of its tasks. */
export function changesOf(before: RunState, after: RunState, events: readonly StampedEvent[], bootId: string) {
  return { events, header: headerOf(after, bootId), tasks: taskChanges(before, after, events) }
}

export function sameHeader(a: RunHeader, b: RunHeader): boolean {
  return (
    a.status === b.status &&
    a.pauseReason === b.pauseReason &&
    a.wakeAt === b.wakeAt &&
    a.ownerBootId === b.ownerBootId &&
    a.completedAt === b.completedAt &&
    a.failureCode === b.failureCode &&
    a.failedStepId === b.failedStepId &&
    a.error === b.error
  )
}

function headerOf(state: RunState, bootId: string): RunHeader {
  const moves = !isFinal(state.status) && (state.status !== "paused" || state.moving > 0)
  return {
    status: state.status,
    pauseReason: state.pauseReason,
    completedAt: state.completedAt,
    failureCode: state.failureCode,
    failedStepId: state.failedStepId,
    error: state.error,
    wakeAt: wakeAt(state),
    ownerBootId: moves ? bootId : null,
  }
}

function taskChanges(before: RunState, after: RunState, events: readonly StampedEvent[]): readonly TaskChange[] {
  const opened = new Map<string, string>() // by step id; a task may be made and ended in one batch
  const taskOf = (stepId: string) => opened.get(stepId) ?? before.steps[before.plan.indexOf.get(stepId)!]?.task?.taskId
  return events.flatMap(({ event, at }): readonly TaskChange[] => {
    switch (event.type) {
      case "human_task_created": {
        const step = after.plan.steps[after.plan.indexOf.get(event.stepId)!]!
        const { task_id: taskId, task_type: taskType, task_payload: payload, expires_at: expiresAt } = event.data
        opened.set(step.id, taskId)
        return [{ type: "created", taskId, stepId: step.id, stepName: step.name, taskType, payload, createdAt: at, expiresAt }]
      }
      case "human_task_completed":
        return [{ type: "ended", taskId: event.data.task_id, status: "completed", endedAt: at, endedBy: event.data.completed_by }]
      case "step_failed":
        return ended(taskOf(event.stepId), "expired", at)
      case "step_cancelled":
        return ended(taskOf(event.stepId), "cancelled", at)
      default:
        return []
    }
  })
}

function ended(taskId: string | undefined, status: "expired" | "cancelled", endedAt: number): readonly TaskChange[] {
  return taskId === undefined ? [] : [{ type: "ended", taskId, status, endedAt, endedBy: null }]
}
