import { compilePlan, type Plan } from "../../src/engine/graph.ts"
import { isJsonObject, type Json, type JsonObject } from "../../src/kernel/json.ts"
import { graphOf, types } from "../engine/machine.ts"
import { type Random, randomSteps } from "../engine/random.ts"

/** How deep runs start one another here. */
const DEPTH = 2

export interface Workflow {
  readonly graph: JsonObject
  readonly plan: Plan
}

/** Random workflows by id: `t0` … are started from outside, `d1` by their steps, `d2` by the steps of that. */
export function randomWorkflows(random: Random): ReadonlyMap<string, Workflow> {
  const ids = [
    ...Array.from({ length: 1 + random.below(2) }, (_, i) => [`t${i}`, 0] as const),
    ["d1", 1] as const,
    ["d2", 2] as const,
  ]
  return new Map(
    ids.map(([id, depth]) => {
      const graph = calling(random, graphOf(randomSteps(random)), depth) as JsonObject
      return [id, { graph, plan: compilePlan(graph, types) }]
    }),
  )
}

/** The same graph with steps that call what is there to be called; the deepest ones work instead. */
function calling(random: Random, value: Json, depth: number): Json {
  if (Array.isArray(value)) return value.map(v => calling(random, v, depth))
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).map(([k, v]) => [k, calling(random, v, depth)] as const)
  const step: JsonObject = Object.fromEntries(entries)
  if (step.type !== "workflow_call") return step
  const { workflow_id: _, input: __, ...rest } = step
  if (depth >= DEPTH) return { ...rest, type: "mcp_call" }
  return { ...rest, workflow_id: `d${depth + 1}`, ...(random.chance(0.15) && { wait: false }) }
}
