import type { RunEvent } from "../engine/events.ts"
import { type Place, placeOf, stepAt } from "../engine/place.ts"
import { isFinal, pendingTasks, type RunState, wakeAt } from "../engine/state.ts"
import type { RunHeader, StampedEvent, TaskChange } from "./ports.ts"

export function stamp(events: readonly RunEvent[], seq: number, at: number): readonly StampedEvent[] {
  return events.map((event, i) => ({ seq: seq + 1 + i, at, event }))
}

/** Everything that changes on disk with these events: the events, the run's row, the rows of its tasks. */
export function changesOf(before: RunState, after: RunState, events: readonly StampedEvent[], node: Node) {
  return { events, header: headerOf(after, node), tasks: taskChanges(before, after, events), was: before.status }
}

export interface Node {
  /** Names this start of the process as owner of the runs it moves. */
  readonly bootId: string
  readonly stallMs: number
}

/** What ended with its start has an asker who hears of it: a parent looks at the child that it has started. */
export function ofNobody(header: RunHeader): RunHeader {
  return { ...header, ownerBootId: null }
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

function headerOf(state: RunState, { bootId, stallMs }: Node): RunHeader {
  // A child that ends while no process is there has nobody to tell: the next boot has to look. And who ends a child may end
  // itself before the parent knows: somebody has to look after it until then.
  const moves = isFinal(state.status)
    ? state.facts.parent !== null
    : state.status !== "paused" || state.moving > 0 || state.children > 0
  return {
    status: state.status,
    pauseReason: state.pauseReason,
    completedAt: state.completedAt,
    failureCode: state.failureCode,
    failedStepId: state.failedStepId,
    error: state.error,
    wakeAt: wakeAt(state, stallMs),
    ownerBootId: moves ? bootId : null,
  }
}

/** Tasks that are there after and were not before, and the other way round; only where an event can have changed them. */
function taskChanges(before: RunState, after: RunState, events: readonly StampedEvent[]): readonly TaskChange[] {
  if (before.waiting === 0 && !events.some(e => e.event.type === "human_task_created")) return []
  const known = new Map(pendingTasks(before).map(({ task, place }) => [task.taskId, placed(before, place)]))
  const left = new Set(pendingTasks(after).map(t => t.task.taskId))
  const changes: TaskChange[] = []
  for (const { event, at } of events) {
    if (event.type !== "human_task_created") continue
    const { task_id: taskId, task_type: taskType, task_payload: payload, expires_at: expiresAt } = event.data
    // Of an item under review it is the loop, whose id with an item names no place.
    const place = placeOf(after.plan, event.stepId, event.data.index ?? null)
    const { name } = stepAt(after, place ?? { within: null, index: after.plan.indexOf.get(event.stepId)! })
    changes.push({ type: "created", taskId, stepId: event.stepId, stepName: name, taskType, payload, createdAt: at, expiresAt })
    known.set(taskId, { stepId: event.stepId, index: event.data.index })
  }
  for (const [taskId, where] of known) if (!left.has(taskId)) changes.push(endOf(taskId, where, after, events))
  return changes
}

/** A step as events name it. */
interface Placed {
  readonly stepId: string
  readonly index: number | undefined
}

function placed(state: RunState, place: Place): Placed {
  return { stepId: stepAt(state, place).path, index: place.within?.item }
}

function endOf(taskId: string, { stepId, index }: Placed, after: RunState, events: readonly StampedEvent[]): TaskChange {
  for (const { event, at } of events) {
    if (event.type === "human_task_completed" && event.data.task_id === taskId) {
      return { type: "ended", taskId, status: "completed", endedAt: at, endedBy: event.data.completed_by }
    }
  }
  const expired = events.some(
    ({ event }) =>
      (event.type === "step_failed" || event.type === "step_retry_scheduled") &&
      event.data.failure_code === "HUMAN_TASK_FAILED" &&
      event.stepId === stepId &&
      event.data.index === index,
  )
  return { type: "ended", taskId, status: expired ? "expired" : "cancelled", endedAt: after.lastEventAt, endedBy: null }
}
