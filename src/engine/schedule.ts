import type { Json, JsonObject } from "../kernel/json.ts"
import { STEP_INPUT_MAX_CHARS, STEP_TIMEOUT_MAX_S } from "../kernel/limits.ts"
import { bodyAt } from "./bodies.ts"
import { isInScope } from "./episode.ts"
import type { SkipReason } from "./events.ts"
import type { Failure } from "./failure.ts"
import type { Step } from "./graph.ts"
import { type Place, planAt, statesAt, type Within } from "./place.ts"
import { lookupFor, overlayOf } from "./scope.ts"
import { isEnded } from "./state.ts"
import { type Compiled, defineOwn, MissingValue, OMIT, resolveTemplates, SizeBudget, TemplateError } from "./template.ts"
import { isTruthy } from "./truth.ts"
import type { Turn } from "./turn.ts"
import { whyMissing } from "./why-missing.ts"

/** What happens to a step beyond its own start; loop.ts and decide.ts give it, so that this file knows no loops. */
export interface Hooks {
  /** A loop's attempt has begun: start what it repeats. */
  startLoop(turn: Turn, place: Place): void
  /** A step could not start. */
  fail(turn: Turn, place: Place, failure: Failure): void
}

/** Starts every step of a graph or body whose dependencies have ended. */
export function startReady(turn: Turn, within: Within, hooks: Hooks): void {
  for (const index of planAt(turn.state, within).topological) {
    const place = { within, index }
    if (isReady(turn, place)) begin(turn, place, hooks)
  }
}

/** Starts what a step's end made ready, and what the steps skipped on the way make ready in turn. */
export function release(turn: Turn, ended: Place, hooks: Hooks): void {
  const queue = [ended.index]
  for (let at = 0; at < queue.length; at++) {
    for (const index of turn.step({ within: ended.within, index: queue[at]! }).dependents) {
      const place = { within: ended.within, index }
      if (!isReady(turn, place)) continue
      begin(turn, place, hooks)
      if (isEnded(turn.stepState(place).status)) queue.push(index)
    }
  }
}

function isReady(turn: Turn, place: Place): boolean {
  if (turn.stepState(place).status !== "pending" || !schedules(turn) || !isBodyRunning(turn, place.within)) return false
  const states = statesAt(turn.state, place.within)
  const step = turn.step(place)
  if (!step.dependsOn.every(d => isEnded(states[d]?.status ?? "pending"))) return false
  return place.within !== null || isInScope(turn.state, place.index)
}

/** An operator's pause and draining start nothing new; waiting for people does not hold the other branches. */
export function schedules(turn: Turn): boolean {
  const { status, pauseReason, failedStepId } = turn.state
  if (failedStepId !== null) return false
  return status === "running" || (status === "paused" && pauseReason !== "operator")
}

/** In a body that failed, or waits for a review, nothing starts; one that has not started has no state yet. */
function isBodyRunning(turn: Turn, within: Within): boolean {
  if (!within) return true
  const parent = turn.state.steps[within.parent]!
  if (parent.status !== "running" || !parent.loop) return false
  const body = bodyAt(parent.loop, within.item)
  return !body || (body.status === "running" && !body.steps.some(s => s.status === "failed"))
}

function begin(turn: Turn, place: Place, hooks: Hooks): void {
  try {
    const skip = skipReason(turn, place)
    if (skip) turn.emitAt(place, "step_completed", { skipped: true, reason: skip })
    else startAttempt(turn, place, 1, resolveFields(turn, place), hooks)
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    leaveWaiting(turn, turn.step(place))
    turn.emitAt(place, "step_started", { attempt: 1 })
    hooks.fail(turn, place, { code: "TEMPLATE_UNRESOLVED", message: sentence(turn, place, error), retryable: false })
  }
}

function sentence(turn: Turn, place: Place, error: TemplateError): string {
  const why = error instanceof MissingValue ? whyMissing(turn.state, place, error.path) : null
  return why === null ? error.message : `${error.message} (${why})`
}

/** Begins an attempt of any kind of step. `input`: the resolved fields, on the first attempt. */
export function startAttempt(turn: Turn, place: Place, attempt: number, input: JsonObject | null, hooks: Hooks): void {
  const step = turn.step(place)
  leaveWaiting(turn, step)
  turn.emitAt(place, "step_started", { attempt, ...(input && { input }) })
  if (step.type.runs === "person") createTask(turn, place)
  else if (step.loop) hooks.startLoop(turn, place)
}

/** Throws `TemplateError` for a condition that cannot be read or is too large. */
function skipReason(turn: Turn, place: Place): SkipReason | null {
  const step = turn.step(place)
  const decides = step.condition !== null || step.skipWhen !== null
  if (!decides && step.dependsOn.some(index => blocks(turn, { within: place.within, index }))) return "blocked"
  if (!step.enabled) return "step_disabled"
  if (!place.within && turn.state.facts.excludedStepIds.includes(step.id)) return "excluded"
  if (step.condition !== null && !isTrue(turn, place, step.condition)) return "condition_false"
  if (step.skipWhen !== null && isTrue(turn, place, step.skipWhen)) return "skip_when"
  return null
}

/** A missing value is false (contract G-40), so it is looked up as null. */
export function isTrue(turn: Turn, place: Place, condition: Compiled): boolean {
  const lookup = lookupFor(turn.state, place)
  const value = resolveTemplates(condition, path => lookup(path) ?? null, new SizeBudget(STEP_INPUT_MAX_CHARS))
  return isTruthy(value === OMIT ? undefined : value)
}

/** After a rejection, dependents that do not decide for themselves are blocked, and theirs in turn (contract G-17). */
function blocks(turn: Turn, place: Place): boolean {
  const step = turn.stepState(place)
  return step.rejected || step.skipReason === "blocked"
}

/** A run that waited for people only moves again when a step outside starts. */
function leaveWaiting(turn: Turn, step: Step): void {
  if (turn.state.status === "paused" && step.type.runs === "outside") turn.changeStatus("running", {})
}

/**
 * The step's own fields that differ from run to run: templates resolved, the caller's overlay over them (contract §4.2).
 * Null when there are none. What is the same in every run is in the version, and need not be recorded.
 */
function resolveFields(turn: Turn, place: Place): JsonObject | null {
  const step = turn.step(place)
  const overlay = overlayOf(turn.state, place)
  if (step.templates.length === 0 && !overlay) return null
  const lookup = lookupFor(turn.state, place)
  const budget = new SizeBudget(STEP_INPUT_MAX_CHARS)
  const fields: Record<string, Json> = {}
  for (const [name, compiled] of step.templates) {
    // What the overlay replaces need not resolve.
    if (overlay && Object.hasOwn(overlay, name)) continue
    const value = resolveTemplates(compiled, lookup, budget)
    if (value !== OMIT) fields[name] = value
  }
  for (const [name, value] of Object.entries(overlay ?? {}))
    if (Object.hasOwn(step.type.fields, name) && !step.type.fields[name]?.notInput) defineOwn(fields, name, value)
  return fields
}

function createTask(turn: Turn, place: Place): void {
  const step = turn.step(place)
  const { input, round } = turn.stepState(place)
  const limit = step.timeoutMs === null ? null : Math.min(step.timeoutMs, STEP_TIMEOUT_MAX_S * 1000)
  turn.emitAt(place, "human_task_created", {
    task_id: round === 0 ? step.id : `${step.id}:${round + 1}`,
    task_type: typeof input?.task_type === "string" ? input.task_type : "approval",
    task_payload: input?.task_payload ?? {},
    expires_at: limit === null ? null : turn.now + limit,
  })
}
