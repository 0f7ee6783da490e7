import { assert } from "../kernel/errors.ts"
import { bodyAt, liveBodies } from "./bodies.ts"
import type { Plan, Step } from "./graph.ts"
import type { RunState, StepState } from "./state.ts"

/** Which body of which loop; null for the graph itself. */
export type Within = { readonly parent: number; readonly item: number } | null

/** One step of a run: of the graph, or for one item of a loop. */
export interface Place {
  readonly within: Within
  readonly index: number
}

/** Separates a loop's id from its inner step's in a path: `parent#body#inner`. */
const BODY = "#body#"

/** From an event's step id and item. Null when the plan has no such step. */
export function placeOf(plan: Plan, path: string, item: number | null): Place | null {
  const index = plan.indexOf.get(path)
  if (index !== undefined) return item === null ? { within: null, index } : null
  const cut = path.indexOf(BODY)
  const parent = cut < 0 ? undefined : plan.indexOf.get(path.slice(0, cut))
  if (parent === undefined || item === null) return null
  const inner = plan.steps[parent]!.loop?.body.indexOf.get(path.slice(cut + BODY.length))
  return inner === undefined ? null : { within: { parent, item }, index: inner }
}

/** The plan that a place is in: the graph's, or its loop's body. */
export function planAt(state: RunState, within: Within): Plan {
  return planAtRoot(state.plan, within)
}

export function planAtRoot(plan: Plan, within: Within): Plan {
  if (!within) return plan
  const { loop } = plan.steps[within.parent]!
  assert(loop, "a body belongs to a loop")
  return loop.body
}

export function stepAt(state: RunState, place: Place): Step {
  return planAt(state, place.within).steps[place.index]!
}

/** The states beside a place; empty for an item that has not started. */
export function statesAt(state: RunState, within: Within): readonly StepState[] {
  if (!within) return state.steps
  const { loop } = state.steps[within.parent]!
  return (loop && bodyAt(loop, within.item)?.steps) ?? []
}

export function stateAt(state: RunState, place: Place): StepState | undefined {
  return statesAt(state, place.within)[place.index]
}

/** Every place whose step is under way or waits, inner ones before their loop. */
export function openPlaces(state: RunState, of: (step: StepState) => boolean): readonly Place[] {
  return state.steps.flatMap((s, index): readonly Place[] => {
    const inner = s.loop ? innerPlaces(index, s, of) : []
    return of(s) ? [...inner, { within: null, index }] : inner
  })
}

export function innerPlaces(parent: number, step: StepState, of: (step: StepState) => boolean): readonly Place[] {
  return liveBodies(step.loop).flatMap(([item, body]) =>
    body.steps.flatMap((s, index) => (of(s) ? [{ within: { parent, item }, index }] : [])),
  )
}
