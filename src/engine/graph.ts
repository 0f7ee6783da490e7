import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import type { StepType, StepTypes } from "./step-type.ts"
import { type Compiled, compileTemplates } from "./template.ts"

/** One step of a published graph, read and ready to run. */
export interface Step {
  readonly index: number
  readonly id: string
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
  readonly condition: Compiled | null
  /** The type's own fields that hold templates, compiled, by name. */
  readonly templates: readonly (readonly [string, Compiled])[]
  /** Its other fields, the same in every run. */
  readonly literals: JsonObject
}

/** A graph compiled once for all runs of its version. Steps are in the order of the document. */
export interface Plan {
  readonly steps: readonly Step[]
  readonly indexOf: ReadonlyMap<string, number>
  /** Every step after all that it depends on. */
  readonly topological: readonly number[]
}

/** Compiles a graph that passed `checkStructure`. */
export function compilePlan(graph: JsonObject, types: StepTypes): Plan {
  const documents = stepDocuments(graph)
  const indexOf = new Map(documents.map((d, i) => [String(d.id), i]))
  const dependsOn = documents.map(d => dependenciesOf(d).map(id => indexOf.get(id)!))
  const dependents: number[][] = documents.map(() => [])
  for (const [i, deps] of dependsOn.entries()) for (const d of deps) dependents[d]!.push(i)
  const steps = documents.map((d, i) => compileStep(d, i, types.get(String(d.type))!, dependsOn[i]!, dependents[i]!))
  return { steps, indexOf, topological: topologicalOrder(dependsOn, dependents).order }
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

function compileStep(
  d: JsonObject,
  index: number,
  type: StepType,
  dependsOn: readonly number[],
  dependents: readonly number[],
): Step {
  return {
    index,
    id: String(d.id),
    name: typeof d.name === "string" && d.name !== "" ? d.name : String(d.id),
    type,
    dependsOn,
    dependents,
    enabled: d.enabled !== false,
    retryCount: typeof d.retry_count === "number" ? d.retry_count : 0,
    timeoutMs: timeoutOf(d.timeout_s, type),
    condition: d.condition === undefined || d.condition === null || d.condition === "" ? null : compileTemplates(d.condition),
    ...compileFields(d, type),
  }
}

function compileFields(d: JsonObject, type: StepType): Pick<Step, "templates" | "literals"> {
  const templates: (readonly [string, Compiled])[] = []
  const literals: Record<string, Json> = {}
  for (const [name, field] of Object.entries(type.fields)) {
    const value = d[name]
    if (value === undefined) continue
    const compiled: Compiled = field.templated ? compileTemplates(value) : { kind: "literal", value }
    if (compiled.kind === "literal") literals[name] = value
    else templates.push([name, compiled])
  }
  return { templates, literals }
}

function timeoutOf(timeoutS: Json | undefined, type: StepType): number | null {
  const wanted = typeof timeoutS === "number" ? timeoutS * 1000 : type.timeoutDefaultMs
  if (wanted === null || type.timeoutMaxMs === undefined) return wanted
  return Math.min(wanted, type.timeoutMaxMs)
}
