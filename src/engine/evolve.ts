import { assert } from "../kernel/errors.ts"
import { isJsonObject, type Json } from "../kernel/json.ts"
import { bodyAt, withBodyAt } from "./bodies.ts"
import { closeEpisode, entered } from "./episode.ts"
import type { InLoop, RunEvent, StateChange, StepNoteEvent } from "./events.ts"
import type { Step } from "./graph.ts"
import { loopItems, loopResult, wholeLoopResult } from "./loop-result.ts"
import { withNote } from "./note.ts"
import { openPlaces, type Place, placeOf, stepAt } from "./place.ts"
import {
  type BodyState,
  isAnswered,
  isFinal,
  isHeld,
  isMoving,
  type LoopState,
  PENDING,
  type RunState,
  type StepState,
  startNumber,
} from "./state.ts"

/** The state after one more event. `at` is when the event was recorded, ms. */
export function evolve(state: RunState, event: RunEvent, at: number): RunState {
  return { ...applied(state, event, at), seq: state.seq + 1, lastEventAt: at }
}

function applied(state: RunState, event: RunEvent, at: number): RunState {
  switch (event.type) {
    case "run_started":
      return { ...state, identity: event.data.identity ?? {}, recording: event.data.recording === true }
    case "state_changed":
      return changedStatus(state, event.data, at)
    case "item_failed":
      return changeBody(state, event.stepId, event.data.index, body => ({
        ...body,
        status: "failed",
        error: event.data.error,
        task: null,
      }))
    case "item_completed":
      return changeBody(state, event.stepId, event.data.index, body => ({
        ...body,
        status: "completed",
        replaced: event.data.result,
        task: null,
      }))
    case "human_task_created":
      return taskCreated(state, event)
    case "human_task_completed":
      return taskCompleted(state, event)
    case "entry_granted":
      return granted(state, event)
    default:
      return stepChanged(state, event, at)
  }
}

type LeafEvent =
  | StepNoteEvent
  | Extract<
      RunEvent,
      {
        type: "step_started" | "step_completed" | "step_failed" | "step_retry_scheduled" | "step_cancelled" | "child_run_started"
      }
    >

function stepChanged(state: RunState, event: LeafEvent, at: number): RunState {
  switch (event.type) {
    case "step_started":
      return change(state, event, (s, step) => started(s, step, event.data, at), at)
    case "step_completed":
      return closeEpisode(
        change(state, event, (s, step) => completed(s, step, event.data, at), at),
        event,
      )
    case "step_failed":
      return failed(state, event, at)
    case "step_retry_scheduled": {
      const { error, failure_code: failureCode, retry_at: retryAt } = event.data
      const after = change(state, event, s => ({
        ...s,
        ...ENDED,
        ...{ status: "running", error, failureCode, retryAt },
        loop: null,
        childRunId: null,
        childDueAt: null,
      }))
      return event.data.held ? held(after, event) : after
    }
    case "step_cancelled": {
      const failureCode = event.data.failure_code ?? null
      return change(state, event, s => ({ ...s, ...OVER, status: "cancelled", failureCode, endedAt: at }))
    }
    case "agent_turn_tool_round":
    case "agent_turn_limit_reached":
    case "agent_turn_ended":
      return change(state, event, s => withNote(s, event))
    case "child_run_started":
      return change(state, event, (s, { timeoutMs }) => ({
        ...s,
        childRunId: event.data.child_run_id,
        childDueAt: timeoutMs === null ? null : at + timeoutMs,
      }))
  }
}

/** What an attempt leaves behind, however it ended. */
const ENDED = { retryAt: null, task: null, answers: PENDING.answers } as const
/** What the step does: until then each attempt reads what those before it recorded. */
const OVER = { ...ENDED, notes: PENDING.notes, noteChars: 0 } as const

function started(s: StepState, step: Step, data: Extract<RunEvent, { type: "step_started" }>["data"], at: number): StepState {
  const input = s.input ?? { ...step.literals, ...data.input }
  return {
    ...s,
    ...{ status: "running", attempt: data.attempt, input, startedAt: s.startedAt ?? at, retryAt: null },
    loop: step.loop ? newLoop(step.loop.kind === "for_each" ? loopItems(input.for_each_items) : [], at) : null,
  }
}

function newLoop(items: readonly Json[], at: number): LoopState {
  return { items, past: [], live: [], ended: 0, active: 0, startedAt: at }
}

function completed(s: StepState, step: Step, data: Extract<RunEvent, { type: "step_completed" }>["data"], at: number): StepState {
  if ("skipped" in data) return { ...s, status: "skipped", skipReason: data.reason, endedAt: at }
  // A loop's result that was too large for its event is put together again from its bodies.
  const cut = data.truncated && step.loop && s.loop && isJsonObject(data.result)
  const result = cut ? wholeLoopResult(loopResult(step.loop, s.loop), data.result) : data.result
  // The error of an earlier attempt is history once one succeeded.
  return { ...s, ...OVER, status: "completed", result, error: null, failureCode: null, endedAt: at }
}

/** The run itself fails with the `state_changed` that follows in the same commit; inside a loop the loop decides. */
function failed(state: RunState, event: Extract<RunEvent, { type: "step_failed" }>, at: number): RunState {
  const { error, failure_code: failureCode } = event.data
  const after = change(state, event, s => ({
    ...s,
    ...OVER,
    status: "failed",
    error,
    failureCode,
    endedAt: at,
  }))
  return event.data.index === undefined ? { ...after, failedStepId: event.stepId, failureCode, error } : after
}

/** A step that ended is made ready to run again. */
function granted(state: RunState, event: Extract<RunEvent, { type: "entry_granted" }>): RunState {
  const after = entered(state, event)
  if (!event.data.again) return after
  return change(after, { stepId: event.stepId, data: {} }, s => ({ ...PENDING, round: s.round + 1 }))
}

function taskCreated(state: RunState, event: Extract<RunEvent, { type: "human_task_created" }>): RunState {
  const { task_id: taskId, task_type: taskType, task_payload: payload, expires_at: expiresAt, index } = event.data
  const task = { taskId, taskType, payload, expiresAt }
  if (isReview(state, event)) return changeBody(state, event.stepId, index, body => ({ ...body, status: "review", task }))
  return change(state, event, s => ({ ...s, status: "waiting", task }))
}

/** A human task ends with the event behind; a step that asked goes on as soon as the operator lets it. */
function taskCompleted(state: RunState, event: Extract<RunEvent, { type: "human_task_completed" }>): RunState {
  const { approved, result = {}, index } = event.data
  if (isReview(state, event)) return changeBody(state, event.stepId, index, body => judged(body, approved))
  return change(state, event, (s, step) =>
    step.type.runs === "person"
      ? { ...s, task: null, rejected: !approved }
      : {
          ...s,
          task: null,
          status: isHeld(state) ? "waiting" : "running",
          answers: [...s.answers, { approved, result, asked: s.task?.payload ?? null, taskType: s.task?.taskType ?? "" }],
        },
  )
}

/** Of an item its loop's own step speaks; a step inside speaks for itself, by its path. */
function isReview(state: RunState, { stepId, data }: { readonly stepId: string; readonly data: InLoop }): boolean {
  return data.index !== undefined && state.plan.indexOf.has(stepId)
}

/** What was answered under an operator's pause goes on with its end. */
function released(state: RunState): RunState {
  return openPlaces(state, isAnswered).reduce((s, place) => {
    const index = place.within ? { index: place.within.item } : {}
    return change(s, { stepId: stepAt(s, place).path, data: index }, step => ({ ...step, status: "running" }))
  }, state)
}

/** What an approval makes of the item comes with the next event; a rejection fails the loop. */
function judged(body: BodyState, approved: boolean): BodyState {
  return approved ? { ...body, task: null } : { ...body, task: null, status: "failed", error: "rejected in review" }
}

function changedStatus(before: RunState, data: StateChange, at: number): RunState {
  const state = data.to === "running" && isHeld(before) ? released(before) : before
  return {
    ...state,
    status: data.to,
    pauseReason: data.pause_reason ?? null,
    completedAt: isFinal(data.to) ? at : null,
    failureCode: data.failure_code ?? null,
    failedStepId: data.failed_step_id ?? null,
    error: data.error ?? null,
    drainDeadline: data.drain_deadline ?? null,
  }
}

/** Changes one step of the graph or of a body, and every count that it is part of. */
function change(
  state: RunState,
  event: { readonly stepId: string; readonly data: { readonly index?: number } },
  next: (state: StepState, step: Step) => StepState,
  at = state.lastEventAt,
): RunState {
  const place = placeOf(state.plan, event.stepId, event.data.index ?? null)
  assert(place, `event of step ${event.stepId}, which the plan does not have`)
  if (place.within) return changeInner(state, place, place.within, next, at)
  const before = state.steps[place.index]!
  const after = next(before, stepAt(state, place))
  const counts = counted(state, before, after)
  return {
    ...counts,
    waiting: counts.waiting + reviewsIn(after) - reviewsIn(before),
    steps: state.steps.with(place.index, after),
    open: state.open + Number(isOpen(after)) - Number(isOpen(before)),
  }
}

function changeInner(
  state: RunState,
  place: Place,
  { parent, item }: NonNullable<Place["within"]>,
  next: (state: StepState, step: Step) => StepState,
  at: number,
): RunState {
  const step = stepAt(state, place)
  const loop = state.steps[parent]!.loop
  assert(loop, "an inner step's loop has started")
  const body = bodyAt(loop, item) ?? newBody(state, parent, at)
  const before = body.steps[place.index]!
  const after = next(before, step)
  const changed: BodyState = {
    ...body,
    // An item that was held back begins anew.
    startedAt: body.startedAt ?? (after.attempt > before.attempt ? at : null),
    steps: body.steps.with(place.index, after),
    open: body.open + Number(isOpen(after)) - Number(isOpen(before)),
  }
  return withBody(counted(state, before, after), parent, loop, item, ended(changed))
}

/** A body whose inner steps have all ended well is completed; one with a failed step is the loop's to judge. */
function ended(body: BodyState): BodyState {
  if (body.status !== "running" || body.open > 0 || body.steps.some(s => s.status === "failed" || s.status === "cancelled"))
    return body
  return { ...body, status: "completed" }
}

function newBody(state: RunState, parent: number, startedAt: number): BodyState {
  const step = state.plan.steps[parent]!
  assert(step.loop, "a body belongs to a loop")
  // An answer to what an older attempt of the loop began must not be taken for this one's.
  const pending = { ...PENDING, round: startNumber(step, state.steps[parent]!) }
  const steps = step.loop.body.steps.map(() => pending)
  return { status: "running", steps, open: steps.length, startedAt, error: null, replaced: undefined, task: null }
}

/** An item that failed under the policy `pause` has no limit until it goes on. */
function held(state: RunState, event: Extract<RunEvent, { type: "step_retry_scheduled" }>): RunState {
  const place = placeOf(state.plan, event.stepId, event.data.index ?? null)
  assert(place?.within, "only an item is held back")
  return changeBody(state, state.plan.steps[place.within.parent]!.id, place.within.item, body => ({ ...body, startedAt: null }))
}

function changeBody(state: RunState, stepId: string, item: number | undefined, next: (body: BodyState) => BodyState): RunState {
  const parent = state.plan.indexOf.get(stepId)
  const loop = parent === undefined ? null : state.steps[parent]!.loop
  const before = item === undefined || !loop ? undefined : bodyAt(loop, item)
  assert(parent !== undefined && loop && item !== undefined && before, `event of an item of ${stepId}, which has not started`)
  const after = next(before)
  const waiting = state.waiting + Number(after.task !== null) - Number(before.task !== null)
  return withBody({ ...state, waiting }, parent, loop, item, after)
}

function withBody(state: RunState, parent: number, loop: LoopState, item: number, body: BodyState): RunState {
  const changed: StepState = { ...state.steps[parent]!, loop: withBodyAt(loop, item, body) }
  return { ...state, steps: state.steps.with(parent, changed) }
}

function counted(state: RunState, before: StepState, after: StepState): RunState {
  const moving = Number(isMoving(after)) - Number(isMoving(before))
  const waiting = Number(after.task !== null) - Number(before.task !== null)
  const children = Number(isParent(after)) - Number(isParent(before))
  if (moving === 0 && waiting === 0 && children === 0) return state
  return { ...state, moving: state.moving + moving, waiting: state.waiting + waiting, children: state.children + children }
}

/** Reviews go with the attempt of the loop that they belong to. */
function reviewsIn(step: StepState): number {
  if (!step.loop || step.status !== "running") return 0
  return step.loop.live.filter(body => body.task !== null).length
}

const isOpen = (s: StepState) => s.status === "pending" || s.status === "running" || s.status === "waiting"
const isParent = (s: StepState) => s.status === "running" && s.childRunId !== null
