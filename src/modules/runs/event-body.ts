import type { Plan } from "../../engine/graph.ts"
import { placeOf, planAtRoot } from "../../engine/place.ts"
import { rfc3339 } from "../../kernel/clock.ts"
import type { StepProgress } from "../../runtime/feed.ts"
import type { EventBody } from "./contract.ts"
import { eventId } from "./derived-id.ts"

/** An event as it was recorded. */
export interface RecordedEvent {
  readonly seq: number
  readonly type: string
  readonly stepId: string | null
  readonly data: unknown
  readonly createdAt: number
}

/** An event as the API shows it (contract G-16), in lists and in the stream alike. */
export function eventBody(runId: string, workflowId: string, plan: Plan, e: RecordedEvent): EventBody {
  const step = e.stepId === null ? null : (stepOf(plan, e.stepId, null) ?? stepOf(plan, e.stepId, 0))
  const at = rfc3339(e.createdAt)
  return {
    id: eventId(runId, e.seq),
    seq: e.seq,
    run_id: runId,
    workflow_id: workflowId,
    step_id: e.stepId,
    step_name: step?.name ?? null,
    step_type: step?.type.type ?? null,
    event_type: e.type,
    type: e.type,
    data: readable(e.data),
    created_at: at,
    timestamp: at,
  }
}

/** Progress in the same shape. It is not in the journal: it has no id, and the number is that of the last event before it. */
export function progressBody(plan: Plan, { runId, workflowId, seq, at, stepId, item, data }: StepProgress) {
  const { id: _, ...body } = eventBody(runId, workflowId, plan, { seq, type: "step_progress", stepId, data: {}, createdAt: at })
  return { ...body, data: { ...data, ...(item !== null && { index: item }) } }
}

/** Of the graph, or of a loop's body: there every item has the same steps. */
function stepOf(plan: Plan, path: string, item: number | null) {
  const place = placeOf(plan, path, item)
  return place && planAtRoot(plan, place.within).steps[place.index]
}

/** Moments inside `data` are numbers in the journal, and timestamps like all others in the API. */
function readable(data: unknown): EventBody["data"] {
  const result: Record<string, unknown> = { ...(data as Record<string, unknown>) }
  for (const name of ["retry_at", "expires_at", "drain_deadline"]) {
    const value = result[name]
    if (typeof value === "number") result[name] = rfc3339(value)
  }
  return result
}
