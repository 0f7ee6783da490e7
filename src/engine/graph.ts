import { isJsonObject, type Json, type JsonObject, textOf } from "../kernel/json.ts"
import { type LoopSpec, loopOf } from "./loop-spec.ts"
import type { Field, StepType, StepTypes } from "./step-type.ts"
import { type Compiled, compileTemplates } from "./template.ts"

/** What becomes of an attempt that was under way when its process ended. The first is what a step does that says nothing. */
export const ON_CRASH = ["retry", "ask", "fail"] as const
export type OnCrash = (typeof ON_CRASH)[number]

/** One step of a published graph, read and ready to run. */
export interface Step {
  /** Its place in its own plan: the graph's, or its loop's body. */
  readonly index: number
  /** As the document names it. */
  readonly id: string
  /** As events and the API name it: the id, or `parent#body#id` inside a loop (contract §3.4). */
  readonly path: string
  readonly name: string
  readonly type: StepType
  /** Indexes of the steps it waits for. */
  readonly dependsOn: readonly number[]
  /** Indexes of the steps that wait for it. */
  readonly dependents: readonly number[]
  readonly enabled: boolean
  readonly retryCount: number
  /** Limit of one attempt in ms; null: none. */
  readonly timeoutMs: number | null
  readonly onCrash: OnCrash
  readonly condition: Compiled | null
  readonly skipWhen: Compiled | null
  /** Runs only after an entry grant (contract §4.6). */
  readonly gated: boolean
  /** Its completion closes the episode. */
  readonly terminal: boolean
  /** Who may hand input to it, by step id or `human`; empty: anyone. */
  readonly inputAllowlist: readonly string[]
  /** The type's own fields that hold templates, compiled, by name. */
  readonly templates: readonly (readonly [string, Compiled])[]
  /** Its other fields, the same in every run. */
  readonly literals: JsonObject
  /** What repeats, if it is a loop. */
  readonly loop: LoopSpec | null
}

/** A graph, or a loop's body, compiled once for all runs of its version. Steps are in the order of the document. */
export interface Plan {
  readonly steps: readonly Step[]
  readonly indexOf: ReadonlyMap<string, number>
  /** Every step after all that it depends on. */
  readonly topological: readonly number[]
  /** True when a step waits for an entry grant: episode mode (contract §4.6). */
  readonly episodic: boolean
}

/** Whether `by`, a step's id or `human`, may hand input to a step (contract §3.3). */
export function takesInputFrom({ inputAllowlist }: Step, by: string): boolean {
  return inputAllowlist.length === 0 || inputAllowlist.includes(by)
}

/** Compiles a graph that passed `checkStructure`. */
export function compilePlan(graph: JsonObject, types: StepTypes): Plan {
  const documents = stepDocuments(graph)
  return planOf(documents, documents.map(dependenciesOf), types, "")
}

/** Of a graph's steps, or of a body's with its parent's id as prefix. Loops call this for what they repeat. */
export function planOf(
  documents: readonly JsonObject[],
  dependencies: readonly (readonly string[])[],
  types: StepTypes,
  prefix: string,
): Plan {
  const indexOf = new Map(documents.map((d, i) => [textOf(d.id), i]))
  const dependsOn = dependencies.map(ids => ids.map(id => indexOf.get(id)!))
  const dependents: number[][] = documents.map(() => [])
  for (const [i, deps] of dependsOn.entries()) for (const d of deps) dependents[d]!.push(i)
  const steps = documents.map((d, index): Step => {
    const type = types.get(textOf(d.type))!
    const id = textOf(d.id)
    return {
      ...{ index, id, path: prefix + id, type, dependsOn: dependsOn[index]!, dependents: dependents[index]! },
      name: typeof d.name === "string" && d.name !== "" ? d.name : id,
      enabled: d.enabled !== false,
      retryCount: typeof d.retry_count === "number" ? d.retry_count : 0,
      timeoutMs: timeoutOf(d.timeout_s, type),
      onCrash: ON_CRASH.find(one => one === d.on_crash) ?? "retry",
      condition: templateOf(d.condition),
      skipWhen: templateOf(d.skip_when),
      gated: d.no_auto_start === true,
      terminal: d.terminal === true,
      inputAllowlist: Array.isArray(d.input_allowlist) ? d.input_allowlist.filter(id => typeof id === "string") : [],
      ...compileFields(d, type),
      loop: type.runs === "loop" ? loopOf(d, types) : null,
    }
  })
  const { order } = topologicalOrder(dependsOn, dependents)
  return { steps, indexOf, topological: order, episodic: steps.some(s => s.gated) }
}

export function stepDocuments(graph: JsonObject): readonly JsonObject[] {
  return Array.isArray(graph.steps) ? graph.steps.filter(isJsonObject) : []
}

export function dependenciesOf(document: JsonObject): readonly string[] {
  const ids = document.depends_on
  return Array.isArray(ids) ? [...new Set(ids.filter(id => typeof id === "string"))] : []
}

/** Kahn's order; `stuck` are the steps on a cycle or behind one. */
export function topologicalOrder(
  dependsOn: readonly (readonly number[])[],
  dependents: readonly (readonly number[])[],
): { readonly order: readonly number[]; readonly stuck: readonly number[] } {
  const missing = dependsOn.map(d => d.length)
  const order = missing.flatMap((n, i) => (n === 0 ? [i] : []))
  for (let at = 0; at < order.length; at++) {
    for (const d of dependents[order[at]!]!) if (--missing[d]! === 0) order.push(d)
  }
  return { order, stuck: missing.flatMap((n, i) => (n > 0 ? [i] : [])) }
}

function compileFields(d: JsonObject, type: StepType): Pick<Step, "templates" | "literals"> {
  const templates: (readonly [string, Compiled])[] = []
  const literals: Record<string, Json> = {}
  for (const [name, field] of Object.entries(type.fields)) {
    const value = d[name]
    if (value === undefined || field.notInput) continue
    const compiled: Compiled = field.templated ? compileTemplates(asTemplate(value, field)) : { kind: "literal", value }
    if (compiled.kind === "literal") literals[name] = value
    else templates.push([name, compiled])
  }
  return { templates, literals }
}

function asTemplate(value: Json, field: Field): Json {
  return field.path && typeof value === "string" && value !== "" && !value.includes("{{") ? `{{${value}}}` : value
}

/** An editor's empty field means none. */
export function templateOf(value: Json | undefined): Compiled | null {
  return value === undefined || value === null || value === "" ? null : compileTemplates(value)
}

function timeoutOf(timeoutS: Json | undefined, type: StepType): number | null {
  const wanted = typeof timeoutS === "number" ? timeoutS * 1000 : type.timeoutDefaultMs
  if (wanted === null || type.timeoutMaxMs === undefined) return wanted
  return Math.min(wanted, type.timeoutMaxMs)
}
