import { isJsonObject, type Json, type JsonObject, textOf } from "../kernel/json.ts"
import { FOR_EACH_PARALLEL_DEFAULT, FOR_EACH_PARALLEL_MAX } from "../kernel/limits.ts"
import { dependenciesOf, type Plan, planOf, templateOf } from "./graph.ts"
import type { StepTypes } from "./step-type.ts"
import type { Compiled } from "./template.ts"

export type ErrorPolicy = "fail_fast" | "continue_on_error" | "pause" | "human_review"

/** What a loop repeats, and when it stops (contract §3.4). */
export type LoopSpec = ForEachSpec | WhileSpec

export interface ForEachSpec {
  readonly kind: "for_each"
  readonly body: Plan
  readonly maxParallel: number
  /** Limit of one item in ms; null: none. */
  readonly itemTimeoutMs: number | null
  readonly errorPolicy: ErrorPolicy
}

export interface WhileSpec {
  readonly kind: "while"
  readonly body: Plan
  /** `until` stops when the test is true, `while` when it is false. */
  readonly mode: "until" | "while"
  readonly maxIterations: number
  readonly itemTimeoutMs: number | null
  /** Used when there is no test script. */
  readonly condition: Compiled | null
  /** Index in the body of the Lua step that is the test; null: `condition`. */
  readonly test: number | null
}

/** Id of the step that a `while_eval_script` becomes: the last one of the body. */
export const TEST_STEP_ID = "test"
/** Id of a single nested step that has none. */
const SINGLE_STEP_ID = "item"

export const POLICIES: readonly Json[] = ["fail_fast", "continue_on_error", "pause", "human_review"] satisfies ErrorPolicy[]

/** Reads a loop's fields. Both body forms become a list of steps (contract C-6). */
export function loopOf(d: JsonObject, types: StepTypes): LoopSpec {
  const documents = [...bodyDocuments(d)]
  const dependencies = bodyDependencies(documents)
  if (d.type !== "while") {
    return {
      kind: "for_each",
      body: planOf(documents, dependencies, types, `${textOf(d.id)}#body#`),
      maxParallel: parallel(d.for_each_max_parallel),
      itemTimeoutMs: secondsOf(d.for_each_item_timeout_s),
      errorPolicy: POLICIES.includes(d.for_each_error_policy ?? null) ? (d.for_each_error_policy as ErrorPolicy) : "fail_fast",
    }
  }
  const scripted = hasTestScript(d)
  const ids = documents.map(b => textOf(b.id))
  if (scripted) documents.push({ id: TEST_STEP_ID, type: "lua_script", name: "Test", script: d.while_eval_script ?? "" })
  return {
    kind: "while",
    body: planOf(documents, scripted ? [...dependencies, ids] : dependencies, types, `${textOf(d.id)}#body#`),
    mode: d.while_mode === "while" ? "while" : "until",
    maxIterations: typeof d.while_max_iterations === "number" ? d.while_max_iterations : 1,
    itemTimeoutMs: secondsOf(d.while_iteration_timeout_s),
    condition: templateOf(d.while_condition),
    test: scripted ? documents.length - 1 : null,
  }
}

/** The inner steps as the document has them: the list, or else the single nested step, which needs no id. */
export function bodyDocuments(d: JsonObject): readonly JsonObject[] {
  const list = d.type === "while" ? d.while_body_steps : d.for_each_body_steps
  if (Array.isArray(list) && list.length > 0) return list.filter(isJsonObject)
  if (d.type === "while" || !isJsonObject(d.for_each_body)) return []
  const { id } = d.for_each_body
  return [{ ...d.for_each_body, id: id === undefined || id === null || id === "" ? SINGLE_STEP_ID : id }]
}

/** As declared; when no inner step declares any, they run one after another. */
export function bodyDependencies(documents: readonly JsonObject[]): readonly (readonly string[])[] {
  const declared = documents.map(dependenciesOf)
  if (declared.some(ids => ids.length > 0)) return declared
  return documents.map((_, i) => (i === 0 ? [] : [textOf(documents[i - 1]!.id)]))
}

/** A script of nothing is none, as an editor's empty field. */
export function hasTestScript(d: JsonObject): boolean {
  return typeof d.while_eval_script === "string" && d.while_eval_script !== ""
}

function parallel(value: Json | undefined): number {
  return typeof value === "number" ? Math.min(Math.max(1, Math.floor(value)), FOR_EACH_PARALLEL_MAX) : FOR_EACH_PARALLEL_DEFAULT
}

function secondsOf(value: Json | undefined): number | null {
  return typeof value === "number" ? value * 1000 : null
}
