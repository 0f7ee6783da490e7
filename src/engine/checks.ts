import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import type { Plan, Step } from "./graph.ts"
import type { Issue } from "./issues.ts"
import { bodyDocuments } from "./loop-spec.ts"
import type { Field } from "./step-type.ts"

/** One step of a graph or of a loop's body, with its place in the document. */
export interface Located {
  readonly step: Step
  readonly document: JsonObject
  /** e.g. `$.steps[2].for_each_body_steps[0]`. */
  readonly path: string
  /** The loop around it. */
  readonly parent: Located | null
}

/** Every step of the document in its order, a loop before its inner steps. */
export function locate(plan: Plan, graph: JsonObject): readonly Located[] {
  return plan.steps.flatMap(step => {
    const at: Located = { step, document: documentOf(graph, step.index), path: `$.steps[${step.index}]`, parent: null }
    const { loop } = step
    if (!loop) return [at]
    const inner = innerDocuments(at.document, at.path).map((body, i) => ({ ...body, step: loop.body.steps[i]!, parent: at }))
    return [at, ...inner]
  })
}

/** The inner steps of a loop, each with its place; what is no object is left out. */
export function innerDocuments(
  loop: JsonObject,
  path: string,
): readonly { readonly document: JsonObject; readonly path: string }[] {
  const field = loop.type === "while" ? "while_body_steps" : "for_each_body_steps"
  const list = loop[field]
  if (!Array.isArray(list)) return bodyDocuments(loop).map(document => ({ document, path: `${path}.for_each_body` }))
  return list.flatMap((document: Json, i) => (isJsonObject(document) ? [{ document, path: `${path}.${field}[${i}]` }] : []))
}

/** A finding at a place inside a step, such as `.tool_args.sql`. The sentence is about the step. */
export function issueAt(
  at: Located,
  place: string,
  code: string,
  sentence: string,
  more: { readonly severity?: Issue["severity"]; readonly suggestion?: string | undefined } = {},
): Issue {
  const { severity = "error", suggestion } = more
  const { path: step_id } = at.step
  const message = `${step_id}: ${sentence}`
  return { severity, code, step_id, message, json_path: at.path + place, ...(suggestion !== undefined && { suggestion }) }
}

/** The fields that a step must have (contract G-11). Their types are `checkFields`' question. */
export function checkConfig(steps: readonly Located[]): readonly Issue[] {
  return steps.flatMap(at => {
    const { type } = at.step
    const fields = Object.entries(type.fields).flatMap(([name, field]) => requiredField(at, name, field))
    const groups = (type.oneOf ?? []).flatMap(group => {
      // How a tool is bound is the question of mcp_bindings.
      if (type.type === "mcp_call" || group.some(name => isSet(at.document[name]))) return []
      const sentence = `a ${type.type} step needs ${group.join(" or ")}; add one of them`
      return [issueAt(at, `.${group[0]}`, "step_config_missing_field", sentence)]
    })
    return [...fields, ...groups]
  })
}

function requiredField(at: Located, name: string, field: Field): readonly Issue[] {
  const value = at.document[name]
  if (!isSet(value)) {
    if (!field.required) return []
    return [
      issueAt(at, `.${name}`, "step_config_missing_field", `a ${at.step.type.type} step needs ${name}: ${field.description}`),
    ]
  }
  if (isTooLarge(field, value)) {
    const code = name === "script" || name.endsWith("_script") ? "script_too_large" : "graph_schema_validation"
    return [issueAt(at, `.${name}`, code, `${name} is larger than ${field.maxBytes} bytes; shorten it`)]
  }
  return []
}

export function isTooLarge(field: Field, value: Json | undefined): boolean {
  if (field.maxBytes === undefined || typeof value !== "string") return false
  return value.length > field.maxBytes || new TextEncoder().encode(value).length > field.maxBytes
}

/** All steps that have surely ended when a step starts, by index. */
export function ancestorsOf(plan: Plan): readonly ReadonlySet<number>[] {
  const result: Set<number>[] = plan.steps.map(() => new Set())
  for (const index of plan.topological) {
    for (const d of plan.steps[index]!.dependsOn) {
      result[index]!.add(d)
      for (const a of result[d]!) result[index]!.add(a)
    }
  }
  return result
}

export function checkDisabled(steps: readonly Located[]): readonly Issue[] {
  return steps.flatMap(at => {
    if (at.step.enabled) return []
    return [issueAt(at, ".enabled", "step_disabled", "the step is disabled and will be skipped", { severity: "warning" })]
  })
}

/** An episode that no step can close leaves its run running for ever (contract §4.6). */
export function checkEpisode(plan: Plan, steps: readonly Located[]): readonly Issue[] {
  const gate = steps.find(at => at.step.gated && !at.parent)
  if (!plan.episodic || !gate) return []
  const closes = ({ step }: Located) => step.enabled && (step.terminal || step.type.type === "agent_call")
  if (steps.some(at => !at.parent && closes(at))) return []
  const sentence = "steps wait for entry (no_auto_start), and none can close the episode, so the run would never end"
  const suggestion = 'set "terminal": true on the step whose end is the end of the episode'
  return [issueAt(gate, ".no_auto_start", "episode_c3_spine_without_close", sentence, { suggestion })]
}

export function documentOf(graph: JsonObject, index: number): JsonObject {
  const document = Array.isArray(graph.steps) ? graph.steps[index] : undefined
  return isJsonObject(document) ? document : {}
}

/** An editor's empty field means none. */
export function isSet(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== ""
}
