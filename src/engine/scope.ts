import { rfc3339 } from "../kernel/clock.ts"
import type { Json, JsonObject } from "../kernel/json.ts"
import { STEP_ID_MAX_CHARS } from "../kernel/limits.ts"
import { bodyAt } from "./bodies.ts"
import { outputsOf } from "./loop-result.ts"
import { type Place, planAt, statesAt, stepAt, type Within } from "./place.ts"
import { own, type RunState, type StepState } from "./state.ts"
import { defineOwn, type Lookup, walk } from "./template.ts"

/** What a step can name: `input`, `steps`, `run`, and in loops `foreach`, `item`, `index`, `body`, `while` (contract §3.5.1). */
export function lookupFor(state: RunState, place: Place): Lookup {
  const input = inputOf(state, place)
  return path => {
    switch (path[0]) {
      case "input":
        return walk(input, path, 1)
      case "steps":
        return stepValue(state, place.within, path)
      case "run":
        return walk(runFacts(state), path, 1)
      case "body":
        return tolerant(bodyOutputs(state, place.within), path, 1)
      case "while":
        return path[1] === "prev"
          ? tolerant(previousOutputs(state, place.within), path, 2)
          : walk(loopScope(state, place.within), path, 0)
      default:
        return walk(loopScope(state, place.within), path, 0)
    }
  }
}

/** The run's input with this step's overlay over it; inner steps see their loop's. */
export function inputOf(state: RunState, place: Place): JsonObject {
  const overlay = own(state.overlays, rootId(state, place))
  return overlay ? { ...state.facts.input, ...overlay } : state.facts.input
}

/** What the caller sent for this step alone, in `trigger_steps`. */
export function overlayOf(state: RunState, place: Place): JsonObject | null {
  return place.within ? null : (own(state.overlays, stepAt(state, place).id) ?? null)
}

/** The scope handed to scripts: the same places as templates see, and `loop` for a while. */
export function scriptScope(state: RunState, place: Place): { readonly [name: string]: Json } {
  const steps: Record<string, Json> = {}
  for (const [i, s] of state.steps.entries()) {
    if (hasResult(s)) defineOwn(steps, state.plan.steps[i]!.id, { result: s.result })
  }
  const { within } = place
  if (within) for (const [id, result] of Object.entries(bodyOutputs(state, within))) defineOwn(steps, id, { result })
  const scope = { input: inputOf(state, place), steps, run: runFacts(state) }
  if (!within) return scope
  const loop = loopScope(state, within)
  return { ...scope, ...loop, body: bodyOutputs(state, within), ...(loop.while !== undefined && { loop: loop.while }) }
}

/** `foreach`, `item`, `index` of an item (from 0), or `while.iteration` (from 1) and `while.prev`. */
function loopScope(state: RunState, within: Within): JsonObject {
  if (!within) return {}
  const { parent, item } = within
  if (state.plan.steps[parent]!.loop?.kind === "while")
    return { while: { iteration: item + 1, prev: previousOutputs(state, within) } }
  const value = state.steps[parent]!.loop?.items[item] ?? null
  return { foreach: { item: value, index: item }, item: value, index: item }
}

function bodyOutputs(state: RunState, within: Within): JsonObject {
  const loop = within && state.steps[within.parent]!.loop
  const body = loop && bodyAt(loop, within.item)
  return body ? outputsOf(planAt(state, within), body) : {}
}

/** Of a while's iteration before this one; none before the first. */
function previousOutputs(state: RunState, within: Within): JsonObject {
  return within && within.item > 0 ? bodyOutputs(state, { ...within, item: within.item - 1 }) : {}
}

/** Outputs by inner id, from there in the path. `x.result.f` means `x.f` where x has no field `result` (contract C-7, C-26). */
function tolerant(outputs: JsonObject, path: readonly string[], from: number): Json | undefined {
  const found = walk(outputs, path, from)
  return found === undefined && path[from + 1] === "result" ? walk(outputs, path.toSpliced(from + 1, 1), from) : found
}

function runFacts(state: RunState): JsonObject {
  const { facts, identity } = state
  const { external_user_id } = identity
  return {
    ...identity,
    // Both names are in the contract, and a start gives only one.
    ...(external_user_id !== undefined && { external_id: external_user_id }),
    run_id: facts.runId,
    started_at: rfc3339(facts.startedAt),
    trigger_type: facts.triggerType,
    user_id: facts.userId,
  }
}

/**
 * `steps.<id>.result.…` or `steps.<id>.input.…`; inside a loop its own steps come first. An id may hold dots: the longest
 * known one wins. The search is bounded, for a path may be as long as a template.
 */
function stepValue(state: RunState, within: Within, path: readonly string[]): Json | undefined {
  const longest = Math.min(path.length - 1, STEP_ID_MAX_CHARS)
  for (let end = longest; end >= 2; end--) {
    const field = path[end]
    if (field !== "result" && field !== "input") continue
    const id = path.slice(1, end).join(".")
    const step = (within && find(state, within, id)) ?? find(state, null, id)
    if (!step) continue
    if (field === "result") return hasResult(step) ? walk(step.result, path, end + 1) : undefined
    return step.input === null ? undefined : walk(step.input, path, end + 1)
  }
  return undefined
}

function find(state: RunState, within: Within, id: string): StepState | undefined {
  const index = planAt(state, within).indexOf.get(id)
  return index === undefined ? undefined : statesAt(state, within)[index]
}

function rootId(state: RunState, { within, index }: Place): string {
  return state.plan.steps[within ? within.parent : index]!.id
}

const hasResult = (s: StepState): s is StepState & { readonly result: Json } => s.status === "completed" && s.result !== undefined
