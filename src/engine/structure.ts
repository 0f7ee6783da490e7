import { isJsonObject, type Json } from "../kernel/json.ts"
import { GRAPH_MAX_STEPS } from "../kernel/limits.ts"
import { stepDocuments } from "./graph.ts"
import type { Issue } from "./issues.ts"
import { checkLoop } from "./loop-structure.ts"
import { checkStep, checkTogether, issue, schemaIssue } from "./step-shape.ts"
import type { StepTypes } from "./step-type.ts"

/**
 * What every stored graph must fulfil, so that it can be compiled: a list of steps with unique ids, known types and
 * existing dependencies without a cycle, and the same for what its loops repeat (contract G-5). Whether it would also run
 * is the dry run's question.
 */
export function checkStructure(graph: unknown, types: StepTypes): readonly Issue[] {
  if (!isJsonObject(graph)) return [schemaIssue("$", "a graph is an object with a list of steps")]
  if (!Array.isArray(graph.steps)) return [schemaIssue("$.steps", 'a graph needs a list of steps: { "steps": [ … ] }')]
  const steps = graph.steps as readonly Json[]
  if (steps.length === 0) return [issue("graph_empty", "$.steps", "the graph has no steps; add at least one")]
  if (steps.length > GRAPH_MAX_STEPS) return [schemaIssue("$.steps", `a graph has at most ${GRAPH_MAX_STEPS} steps`)]
  const paths = steps.map((_, i) => `$.steps[${i}]`)
  const shape = steps.flatMap((step, i) => [...checkStep(step, paths[i]!, types), ...checkLoop(step, paths[i]!, types)])
  return shape.length > 0 ? shape : checkTogether(stepDocuments(graph), paths, "graph")
}
