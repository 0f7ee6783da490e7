import type { RunEvent } from "../../engine/events.ts"
import { evolve } from "../../engine/evolve.ts"
import type { Plan } from "../../engine/graph.ts"
import type { Attempt, RunInput } from "../../engine/inputs.ts"
import { placeOf, stateAt, stepAt } from "../../engine/place.ts"
import { initialState, type RunFacts, type RunState } from "../../engine/state.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import type { StampedEvent, StepOutcome } from "../../runtime/ports.ts"

/** Which attempt of which step. */
export type AttemptName = Pick<Attempt, "stepId" | "item" | "round" | "attempt">

/** How an attempt ended in the recorded run, and when. */
export interface RecordedEnd {
  readonly seq: number
  readonly at: number
  readonly outcome: StepOutcome
  readonly type: string
  /** The step's fields as they were. */
  readonly config: JsonObject
}

/** What came from outside. */
export interface RecordedInput {
  readonly seq: number
  readonly at: number
  readonly input: RunInput
}

/** A run as its journal has it: what it came to, and everything that came to it from outside. */
export interface RecordedRun {
  readonly facts: RunFacts
  readonly state: RunState
  /** By `attemptKey`. */
  readonly ends: ReadonlyMap<string, RecordedEnd>
  /** Attempts that began, by `attemptKey`; those without an end were called off. */
  readonly begun: ReadonlySet<string>
  readonly inputs: readonly RecordedInput[]
  readonly lastAt: number
}

export function attemptKey({ stepId, item, round, attempt }: AttemptName): string {
  return `${stepId}\n${item ?? ""}\n${round}\n${attempt}`
}

export function readRecordedRun(facts: RunFacts, plan: Plan, events: readonly StampedEvent[]): RecordedRun {
  let state = initialState(facts, plan)
  const ends = new Map<string, RecordedEnd>()
  const begun = new Set<string>()
  const inputs: RecordedInput[] = []
  for (const [i, { seq, at, event }] of events.entries()) {
    const before = state
    state = evolve(state, event, at)
    const input = inputOf(event, at, events[i + 1]?.event)
    if (input) inputs.push({ seq, at, input })
    if (event.type === "step_started") begun.add(attemptKey(nameOf(state, event, event.data.attempt)))
    const ended = endOf(event)
    const place = ended && placeOf(plan, ended.event.stepId, ended.event.data.index ?? null)
    if (!ended || !place) continue
    const end = { seq, at, outcome: ended.outcome, type: stepAt(before, place).type.type }
    ends.set(attemptKey(nameOf(before, ended.event, ended.attempt)), { ...end, config: stateAt(before, place)?.input ?? {} })
  }
  return { facts, state, ends, begun, inputs, lastAt: state.lastEventAt }
}

type StepEvent = Extract<RunEvent, { stepId: string }>

function nameOf(state: RunState, event: StepEvent, attempt: number): AttemptName {
  const item = event.data.index ?? null
  return { stepId: event.stepId, item, round: stepOf(state, event)?.round ?? 0, attempt }
}

function stepOf(state: RunState, event: StepEvent) {
  const place = placeOf(state.plan, event.stepId, event.data.index ?? null)
  return place ? stateAt(state, place) : undefined
}

interface Ended {
  readonly event: StepEvent
  readonly attempt: number
  readonly outcome: StepOutcome
}

function endOf(event: RunEvent): Ended | null {
  switch (event.type) {
    case "step_completed":
      if ("skipped" in event.data) return null
      return { event, attempt: event.data.attempt, outcome: { ok: true, result: event.data.result } }
    case "step_failed":
    case "step_retry_scheduled": {
      const { attempt, error: message, failure_code: code, timeout } = event.data
      const retryable = event.type === "step_retry_scheduled"
      return { event, attempt, outcome: { ok: false, failure: { code, message, retryable, ...(timeout && { timeout }) } } }
    }
    default:
      return null
  }
}

/** What a person, or an operator, told the run; pauses are left out, as nobody waits here. */
function inputOf(event: RunEvent, at: number, next: RunEvent | undefined): RunInput | null {
  switch (event.type) {
    case "human_task_completed": {
      const { task_id: taskId, approved, completed_by: by } = event.data
      return { type: "TaskCompleted", taskId, approved, by, result: event.data.result ?? resultIn(event, next) }
    }
    case "entry_granted":
      if (event.data.by !== "human") return null
      return { type: "Resume", by: "replay", overlays: { [event.stepId]: event.data.payload } }
    case "state_changed": {
      const { to, by, drain_deadline: deadline } = event.data
      if (by === undefined) return null
      if (to === "running") return { type: "Resume", by, overlays: {} }
      if (to !== "stopped" && to !== "draining") return null
      const mode = to === "stopped" ? "immediate" : "graceful"
      return { type: "Stop", mode, drainMs: (deadline ?? at) - at, by }
    }
    default:
      return null
  }
}

/** The event behind says what came with the answer: of a human task its result, of an item's review what replaced it. */
function resultIn(event: Extract<RunEvent, { type: "human_task_completed" }>, next: RunEvent | undefined): JsonObject {
  if (next?.type !== "step_completed" && next?.type !== "item_completed") return {}
  const same = next.stepId === event.stepId && next.data.index === event.data.index
  return same && "result" in next.data && isJsonObject(next.data.result) ? next.data.result : {}
}
