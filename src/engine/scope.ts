import { rfc3339 } from "../kernel/clock.ts"
import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { STEP_ID_MAX_CHARS } from "../kernel/limits.ts"
import type { Step } from "./graph.ts"
import type { RunState } from "./state.ts"
import { defineOwn, type Lookup, walk } from "./template.ts"

/** What a step can name: `input`, `steps`, `run` (contract §3.5.1). */
export function lookupFor(state: RunState, step: Step): Lookup {
  const input = inputOf(state, step)
  return path => {
    switch (path[0]) {
      case "input":
        return walk(input, path, 1)
      case "steps":
        return stepValue(state, path)
      case "run":
        return walk(runFacts(state), path, 1)
      default:
        return undefined
    }
  }
}

/** The run's input with this step's overlay over it. */
export function inputOf(state: RunState, step: Step): JsonObject {
  const overlay = overlayOf(state, step)
  return overlay ? { ...state.facts.input, ...overlay } : state.facts.input
}

/** What the caller sent for this step alone, in `trigger_steps`. */
export function overlayOf(state: RunState, step: Step): JsonObject | null {
  const overlays = state.facts.input._steps
  if (!isJsonObject(overlays) || !Object.hasOwn(overlays, step.id)) return null
  const overlay = overlays[step.id]
  return isJsonObject(overlay) ? overlay : null
}

/** The scope handed to scripts: the same places as templates see. */
export function scriptScope(state: RunState, step: Step): { readonly [name: string]: Json } {
  const steps: Record<string, Json> = {}
  for (const [i, s] of state.steps.entries()) {
    if (s.status === "completed" && s.result !== undefined) defineOwn(steps, state.plan.steps[i]!.id, { result: s.result })
  }
  return { input: inputOf(state, step), steps, run: runFacts(state) }
}

function runFacts(state: RunState): JsonObject {
  const { facts } = state
  return { run_id: facts.runId, started_at: rfc3339(facts.startedAt), trigger_type: facts.triggerType, user_id: facts.userId }
}

/** `steps.<id>.result.…` or `steps.<id>.input.…`. An id may hold dots: the longest known one wins. */
function stepValue(state: RunState, path: readonly string[]): Json | undefined {
  // An id has no more segments than characters; a path may have a million.
  for (let end = Math.min(path.length - 1, STEP_ID_MAX_CHARS); end >= 2; end--) {
    const index = state.plan.indexOf.get(path.slice(1, end).join("."))
    if (index === undefined) continue
    const step = state.steps[index]!
    if (path[end] === "result") return step.status === "completed" ? walk(step.result, path, end + 1) : undefined
    if (path[end] === "input") return step.input === null ? undefined : walk(step.input, path, end + 1)
  }
  return undefined
}
