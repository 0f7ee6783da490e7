import type { Json, JsonObject } from "../kernel/json.ts"
import { STEP_INPUT_MAX_CHARS, STEP_TIMEOUT_MAX_S } from "../kernel/limits.ts"
import type { SkipReason } from "./events.ts"
import type { Step } from "./graph.ts"
import { lookupFor, overlayOf } from "./scope.ts"
import { isEnded } from "./state.ts"
import { defineOwn, OMIT, resolveTemplates, SizeBudget, TemplateError } from "./template.ts"
import { isTruthy } from "./truth.ts"
import type { Turn } from "./turn.ts"

/** Starts every step whose dependencies have ended: at the start of a run, and after a pause. */
export function startReady(turn: Turn): void {
  for (const index of turn.state.plan.topological) if (isReady(turn, index)) begin(turn, index)
}

/** Starts what a step's end made ready, and what the steps skipped on the way make ready in turn. */
export function release(turn: Turn, ended: number): void {
  const queue = [ended]
  for (let at = 0; at < queue.length; at++) {
    for (const dependent of turn.step(queue[at]!).dependents) {
      if (!isReady(turn, dependent)) continue
      begin(turn, dependent)
      if (isEnded(turn.stepState(dependent).status)) queue.push(dependent)
    }
  }
}

function isReady(turn: Turn, index: number): boolean {
  if (turn.stepState(index).status !== "pending" || !schedules(turn)) return false
  return turn.step(index).dependsOn.every(d => isEnded(turn.stepState(d).status))
}

/** An operator's pause and draining start nothing new; waiting for people does not hold the other branches. */
function schedules(turn: Turn): boolean {
  const { status, pauseReason, failedStepId } = turn.state
  if (failedStepId !== null) return false
  return status === "running" || (status === "paused" && pauseReason === "human_task")
}

function begin(turn: Turn, index: number): void {
  const step = turn.step(index)
  try {
    const skip = skipReason(turn, step)
    if (skip) turn.emit({ type: "step_completed", stepId: step.id, data: { skipped: true, reason: skip } })
    else start(turn, step)
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error
    leaveWaiting(turn, step)
    turn.emit({ type: "step_started", stepId: step.id, data: { attempt: 1 } })
    const data = { error: error.message, failure_code: "TEMPLATE_UNRESOLVED" as const, attempt: 1, duration_ms: 0 }
    turn.emit({ type: "step_failed", stepId: step.id, data })
  }
}

/** Throws `TemplateError` for a condition that cannot be read or is too large. */
function skipReason(turn: Turn, step: Step): SkipReason | null {
  if (step.condition === null && step.dependsOn.some(d => blocks(turn, d))) return "blocked"
  if (!step.enabled) return "step_disabled"
  if (turn.state.facts.excludedStepIds.includes(step.id)) return "excluded"
  if (step.condition === null) return null
  // A missing value is false (contract G-40), so it is looked up as null.
  const lookup = lookupFor(turn.state, step)
  const value = resolveTemplates(step.condition, path => lookup(path) ?? null, new SizeBudget(STEP_INPUT_MAX_CHARS))
  return isTruthy(value === OMIT ? undefined : value) ? null : "condition_false"
}

/** After a rejection, dependents that do not decide for themselves are blocked, and theirs in turn (contract G-17). */
function blocks(turn: Turn, index: number): boolean {
  const step = turn.stepState(index)
  return step.rejected || step.skipReason === "blocked"
}

function start(turn: Turn, step: Step): void {
  const resolved = resolveFields(turn, step)
  leaveWaiting(turn, step)
  turn.emit({ type: "step_started", stepId: step.id, data: { attempt: 1, ...(resolved && { input: resolved }) } })
  if (step.type.runs === "person") createTask(turn, step)
}

/** A run that waited for people only moves again when a step outside starts. */
function leaveWaiting(turn: Turn, step: Step): void {
  if (turn.state.status === "paused" && step.type.runs !== "person") turn.changeStatus("running", {})
}

/**
 * The step's own fields that differ from run to run: templates resolved, the caller's overlay over them (contract §4.2).
 * Null when there are none. What is the same in every run is in the version, and need not be recorded.
 */
function resolveFields(turn: Turn, step: Step): JsonObject | null {
  const overlay = overlayOf(turn.state, step)
  if (step.templates.length === 0 && !overlay) return null
  const lookup = lookupFor(turn.state, step)
  const budget = new SizeBudget(STEP_INPUT_MAX_CHARS)
  const fields: Record<string, Json> = {}
  for (const [name, compiled] of step.templates) {
    // What the overlay replaces need not resolve.
    if (overlay && Object.hasOwn(overlay, name)) continue
    const value = resolveTemplates(compiled, lookup, budget)
    if (value !== OMIT) fields[name] = value
  }
  for (const [name, value] of Object.entries(overlay ?? {}))
    if (Object.hasOwn(step.type.fields, name)) defineOwn(fields, name, value)
  return fields
}

function createTask(turn: Turn, step: Step): void {
  const input = turn.stepState(step.index).input ?? {}
  const limit = step.timeoutMs === null ? null : Math.min(step.timeoutMs, STEP_TIMEOUT_MAX_S * 1000)
  turn.emit({
    type: "human_task_created",
    stepId: step.id,
    data: {
      task_id: step.id,
      task_type: typeof input.task_type === "string" ? input.task_type : "approval",
      task_payload: input.task_payload ?? {},
      expires_at: limit === null ? null : turn.now + limit,
    },
  })
}
