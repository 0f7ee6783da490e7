import { cut } from "../kernel/cut.ts"
import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { STEP_ID_MAX_CHARS } from "../kernel/limits.ts"
import type { Located } from "./checks.ts"
import type { Step } from "./graph.ts"
import { type Place, stepAt } from "./place.ts"
import { References } from "./references.ts"
import { inputOf } from "./scope.ts"
import type { RunState } from "./state.ts"

/** Keys that a sentence names of what is there. */
const KEYS_MAX = 10
const KEY_MAX_CHARS = 40

/**
 * Why a template's path led to nothing in this run, and what to do about it: the words of the dry run where it could have
 * told, else what the place does hold. Names keys, never values. Null when there is no more to say.
 */
export function whyMissing(state: RunState, place: Place, path: readonly string[]): string | null {
  const references = new References(state.plan, { input: inputOf(state, place), inputSchema: null, outputs: {} })
  const problem = references.problemOf(path, { at: located(state, place), isTest: false })
  if (problem) {
    // The dry run speaks of what it was given, a run of what it has.
    const isInput = path[0] === "input" && path.length > 1
    const sentence = isInput ? `the run's input has no ${path.slice(1).join(".").slice(0, KEY_MAX_CHARS)}` : problem.sentence
    return problem.suggestion ? `${sentence}; ${problem.suggestion}` : sentence
  }
  return path[0] === "steps" && place.within === null ? whyNoResult(state, path) : null
}

/** Only the steps are looked at, not their places in a document. */
function located(state: RunState, { within, index }: Place): Located {
  const at = (step: Step, parent: Located | null): Located => ({ step, document: {}, path: "", parent })
  const parent = within && at(stepAt(state, { within: null, index: within.parent }), null)
  return at(stepAt(state, { within, index }), parent)
}

function whyNoResult({ plan, steps }: RunState, path: readonly string[]): string | null {
  for (let end = Math.min(path.length - 1, STEP_ID_MAX_CHARS); end >= 2; end--) {
    const id = path.slice(1, end).join(".")
    const index = path[end] === "result" ? plan.indexOf.get(id) : undefined
    const step = index === undefined ? undefined : steps[index]
    if (!step) continue
    if (step.status === "skipped") return `${id} was skipped (${step.skipReason}), so it has no result`
    return step.result === undefined ? `${id} has no result` : firstGap(`the result of ${id}`, step.result, path.slice(end + 1))
  }
  return null
}

/** The first part of the path that is not there, and what is there in its place. */
function firstGap(name: string, value: Json, rest: readonly string[]): string | null {
  const [key, ...further] = rest
  if (key === undefined) return null
  if (Array.isArray(value)) {
    const element = /^\d+$/.test(key) ? value[Number(key)] : undefined
    return element === undefined
      ? `${name} is a list of ${value.length}; there is no ${key}`
      : firstGap(`${name}.${key}`, element, further)
  }
  if (!isJsonObject(value)) return `${name} is ${value === null ? "null" : `a ${typeof value}`}; nothing is below it`
  return Object.hasOwn(value, key)
    ? firstGap(`${name}.${key}`, value[key]!, further)
    : `${name} has no ${key}; it has ${keysOf(value)}`
}

function keysOf(value: JsonObject): string {
  const keys = Object.keys(value)
  if (keys.length === 0) return "nothing"
  const shown = keys.slice(0, KEYS_MAX).map(key => cut(key, KEY_MAX_CHARS))
  return shown.join(", ") + (keys.length > KEYS_MAX ? ", …" : "")
}
