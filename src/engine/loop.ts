import { assert } from "../kernel/errors.ts"
import { isJsonObject, type Json } from "../kernel/json.ts"
import { FOR_EACH_MAX_ITEMS, STEP_RESULT_MAX_BYTES } from "../kernel/limits.ts"
import { bodyAt, liveBodies, startedItems } from "./bodies.ts"
import { failAttempt, hold, pausesRun } from "./fail.ts"
import type { Failure } from "./failure.ts"
import { cutLoopResult, loopResult } from "./loop-result.ts"
import type { ForEachSpec, LoopSpec, WhileSpec } from "./loop-spec.ts"
import { innerPlaces, type Place, statesAt, type Within } from "./place.ts"
import { type Hooks, isTrue, schedules, startReady } from "./schedule.ts"
import { isFailing, isUnderWay, itemDue, type LoopState, startNumber } from "./state.ts"
import { TemplateError } from "./template.ts"
import type { Turn } from "./turn.ts"

/** What a loop needs beyond the scheduler's hooks. */
export interface LoopHooks extends Hooks {
  /** The loop itself completed: go on with what waits for it. */
  completed(turn: Turn, place: Place): void
}

type Item = NonNullable<Within>

/** The first attempt of a loop, or a new one from the start. */
export function startLoop(turn: Turn, place: Place, hooks: LoopHooks): void {
  const items = openLoop(turn, place).state?.items ?? []
  if (items.length > FOR_EACH_MAX_ITEMS) {
    const message = `the list has ${items.length} items; a loop takes at most ${FOR_EACH_MAX_ITEMS}`
    failLoop(turn, place, { code: "FOR_EACH_FAILED", message, retryable: false }, hooks)
    return
  }
  advanceLoop(turn, place, hooks)
}

/** Starts the next items or iteration, or completes the loop. After anything that ended inside it. */
export function advanceLoop(turn: Turn, place: Place, hooks: LoopHooks): void {
  const { spec } = openLoop(turn, place)
  if (isFailing(turn.state)) return
  if (spec.kind === "for_each") advanceForEach(turn, place, spec, hooks)
  else advanceWhile(turn, place, spec, hooks)
}

function advanceForEach(turn: Turn, place: Place, spec: ForEachSpec, hooks: LoopHooks): void {
  for (;;) {
    const { state } = openLoop(turn, place)
    if (!state) return
    if (startedItems(state) === state.items.length) {
      if (state.ended === state.items.length) complete(turn, place, {}, hooks)
      return
    }
    if (state.active >= spec.maxParallel || !schedules(turn)) return
    startReady(turn, { parent: place.index, item: startedItems(state) }, hooks)
  }
}

/** The body runs first, then the test (contract §3.4). Hitting the cap is not a failure. */
function advanceWhile(turn: Turn, place: Place, spec: WhileSpec, hooks: LoopHooks): void {
  for (;;) {
    const { state } = openLoop(turn, place)
    if (!state) return
    const iterations = startedItems(state)
    const last = bodyAt(state, iterations - 1)
    if (last && last.status !== "completed") return
    if (last) {
      const stop = shouldStop(turn, { parent: place.index, item: iterations - 1 }, spec)
      if (stop instanceof TemplateError) {
        failLoop(turn, place, { code: "TEMPLATE_UNRESOLVED", message: stop.message, retryable: false }, hooks)
        return
      }
      if (stop || iterations >= spec.maxIterations) {
        complete(turn, place, { stopped_reason: stop ? "condition_met" : "max_iterations" }, hooks)
        return
      }
    }
    if (!schedules(turn)) return
    startReady(turn, { parent: place.index, item: iterations }, hooks)
  }
}

function shouldStop(turn: Turn, within: Item, spec: WhileSpec): boolean | TemplateError {
  const wanted = spec.mode === "until"
  if (spec.test !== null) {
    const { result } = turn.stepState({ within, index: spec.test })
    return (isJsonObject(result) && result.pass === true) === wanted
  }
  if (spec.condition === null) return wanted
  try {
    return isTrue(turn, { within, index: 0 }, spec.condition) === wanted
  } catch (error) {
    if (error instanceof TemplateError) return error
    throw error
  }
}

function complete(turn: Turn, place: Place, more: { readonly stopped_reason?: string }, hooks: LoopHooks): void {
  const { spec, state } = openLoop(turn, place)
  if (!state) return
  const whole = { ...loopResult(spec, state), ...more }
  const fits = new TextEncoder().encode(JSON.stringify(whole)).length <= STEP_RESULT_MAX_BYTES
  const result: Json = fits ? whole : cutLoopResult(whole)
  const { attempt } = turn.stepState(place)
  turn.emitAt(place, "step_completed", {
    result,
    duration_ms: turn.duration(place),
    attempt,
    ...(!fits && { truncated: true as const }),
  })
  hooks.completed(turn, place)
}

/** An inner step failed for good: what becomes of its item, and of the loop. */
export function innerFailed(turn: Turn, inner: Place & { readonly within: Item }, failure: Failure, hooks: LoopHooks): void {
  const { within } = inner
  const place: Place = { within: null, index: within.parent }
  const { spec, state } = openLoop(turn, place)
  if (!state) return
  const policy = spec.kind === "for_each" ? spec.errorPolicy : "fail_fast"
  // Nobody is waited for any more: the item stays as it is, and its loop ends with the run.
  if (turn.state.status === "draining" && (policy === "pause" || policy === "human_review")) return
  cancelBody(turn, within)
  // Under `pause` an item that can be tried again is held back before it gets here (fail.ts).
  if (policy === "fail_fast" || policy === "pause") {
    failLoop(turn, place, outerFailure(spec, within.item, failure), hooks)
    return
  }
  if (policy === "human_review") askReviewer(turn, place, within.item, failure)
  else turn.emit({ type: "item_failed", stepId: turn.step(place).path, data: itemError(within.item, failure) })
  advanceLoop(turn, place, hooks)
}

/** `item_failed` names the loop's own step, so its item goes into the data here. */
function itemError(item: number, failure: Failure) {
  return { error: failure.message, failure_code: failure.code, index: item }
}

function outerFailure(spec: LoopSpec, item: number, failure: Failure): Failure {
  const where = spec.kind === "for_each" ? `item ${item}` : `iteration ${item + 1}`
  const code = spec.kind === "for_each" ? "FOR_EACH_FAILED" : failure.code
  return {
    code,
    message: `${where}: ${failure.message}`,
    retryable: failure.retryable,
    ...(failure.timeout && { timeout: true }),
  }
}

function askReviewer(turn: Turn, place: Place, item: number, failure: Failure): void {
  const step = turn.step(place)
  const { state } = openLoop(turn, place)
  const start = startNumber(step, turn.stepState(place))
  turn.emit({
    type: "human_task_created",
    stepId: step.path,
    data: {
      task_id: `${step.id}:${start > 0 ? `${start + 1}:` : ""}${item}`,
      task_type: "item_review",
      task_payload: {
        title: `${step.name}: item ${item} failed`,
        error: failure.message,
        failure_code: failure.code,
        item: state?.items[item] ?? null,
        index: item,
      },
      expires_at: null,
      index: item,
    },
  })
}

/** A person judged a failed item: approved goes on, with a result of theirs if they gave one; rejected fails the loop. */
export function reviewed(turn: Turn, place: Place, item: number, verdict: Verdict, hooks: LoopHooks): void {
  const stepId = turn.step(place).path
  const data = { task_id: verdict.taskId, approved: verdict.approved, completed_by: verdict.by, index: item }
  const error = `item ${item} failed and was rejected in review`
  turn.emit({ type: "human_task_completed", stepId, data })
  if (!verdict.approved) {
    failLoop(turn, place, { code: "FOR_EACH_FAILED", message: error, retryable: false }, hooks)
    return
  }
  if (Object.keys(verdict.result).length > 0)
    turn.emit({ type: "item_completed", stepId, data: { result: verdict.result, index: item } })
  else
    turn.emit({
      type: "item_failed",
      stepId,
      data: { error: "failed; accepted in review", failure_code: "FOR_EACH_FAILED", index: item },
    })
  advanceLoop(turn, place, hooks)
}

export interface Verdict {
  readonly taskId: string
  readonly approved: boolean
  readonly result: { readonly [key: string]: Json }
  readonly by: string
}

/** Ends what is under way inside, then the loop's attempt. */
export function failLoop(turn: Turn, place: Place, failure: Failure, hooks: Hooks): void {
  cancelInside(turn, place)
  failAttempt(turn, place, failure, 0.5, hooks)
}

/** Cancels the inner steps under way, in all bodies. */
function cancelInside(turn: Turn, place: Place): void {
  const caused_by_step_id = turn.step(place).path
  for (const inner of innerPlaces(place.index, turn.stepState(place), isUnderWay)) {
    turn.emitAt(inner, "step_cancelled", { cancelled: true, reason: "loop_failed", caused_by_step_id })
  }
}

function cancelBody(turn: Turn, within: Item): void {
  for (const [index, s] of statesAt(turn.state, within).entries()) {
    if (isUnderWay(s)) turn.emitAt({ within, index }, "step_cancelled", { cancelled: true, reason: "item_failed" })
  }
}

/** Items and iterations that took longer than they may fail like a failed inner step. */
export function expireItems(turn: Turn, place: Place, hooks: LoopHooks): void {
  for (const [item] of liveBodies(turn.stepState(place).loop)) {
    // Looked at anew: the end of another item may have ended the loop, or the run.
    const { state } = openLoop(turn, place)
    const body = state && bodyAt(state, item)
    if (body?.status !== "running" || isFailing(turn.state)) continue
    const due = itemDue(turn.step(place), body)
    if (due !== null && due <= turn.now) expireItem(turn, { parent: place.index, item }, hooks)
  }
}

function expireItem(turn: Turn, within: Item, hooks: LoopHooks): void {
  const limitS = (turn.state.plan.steps[within.parent]!.loop?.itemTimeoutMs ?? 0) / 1000
  const failure: Failure = { code: "STEP_TIMEOUT", message: `took longer than ${limitS} s`, retryable: true, timeout: true }
  const places = statesAt(turn.state, within).flatMap((s, index) => (isUnderWay(s) ? [{ within, index }] : []))
  if (pausesRun(turn, within)) for (const inner of places) hold(turn, inner, failure)
  else hooks.fail(turn, places[0]!, failure)
}

/** A loop whose attempt is under way; `state` is null once it ended or failed. */
function openLoop(turn: Turn, place: Place): { readonly spec: LoopSpec; readonly state: LoopState | null } {
  const spec = turn.step(place).loop
  const s = turn.stepState(place)
  assert(spec, `${turn.step(place).path} is a loop`)
  return { spec, state: s.status === "running" && s.retryAt === null ? s.loop : null }
}
