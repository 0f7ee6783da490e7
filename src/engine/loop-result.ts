import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { allBodies } from "./bodies.ts"
import type { Plan } from "./graph.ts"
import type { LoopSpec } from "./loop-spec.ts"
import type { BodyState, LoopState } from "./state.ts"
import { defineOwn } from "./template.ts"

/** null, [] and {} are an empty list; a scalar or a map is a list of one (contract §3.4). */
export function loopItems(value: Json | undefined): readonly Json[] {
  if (value === undefined || value === null) return []
  if (Array.isArray(value)) return value
  if (isJsonObject(value) && Object.keys(value).length === 0) return []
  return [value]
}

/** What a loop gives to the steps behind it, but for a while's `stopped_reason` (contract §3.4). In the order of items. */
export function loopResult(spec: LoopSpec, loop: LoopState): JsonObject {
  return spec.kind === "for_each"
    ? forEachResult(spec.body, spec.maxParallel, loop)
    : whileResult(spec.body, spec.maxIterations, loop)
}

/** What stands in the event when the whole is too large for it. */
export function cutLoopResult({ results, iterations, last, ...rest }: JsonObject): JsonObject {
  return { ...rest, truncated: true }
}

/** The whole again, from the loop's bodies and what stands in the event. */
export function wholeLoopResult(whole: JsonObject, { truncated, ...kept }: JsonObject): JsonObject {
  return { ...whole, ...kept }
}

function forEachResult(body: Plan, maxParallel: number, loop: LoopState): JsonObject {
  const bodies = allBodies(loop)
  const results = bodies.map((b, index): JsonObject => {
    if (b.status !== "completed") return { index, error: b.error ?? "failed" }
    return { index, result: lastResult(body, b), body: outputsOf(body, b) }
  })
  const failed = bodies.filter(b => b.status === "failed").length
  return {
    count: loop.items.length,
    max_parallel: maxParallel,
    results,
    succeeded_count: loop.items.length - failed,
    failed_count: failed,
    partial_success: failed > 0 && failed < loop.items.length,
  }
}

function whileResult(body: Plan, maxIterations: number, loop: LoopState): JsonObject {
  const iterations = allBodies(loop).map(b => outputsOf(body, b))
  return {
    iteration_count: iterations.length,
    max_iterations: maxIterations,
    last: iterations.at(-1) ?? {},
    iterations,
  }
}

/** Outputs by inner id; a skipped step has none. */
export function outputsOf(plan: Plan, body: BodyState): JsonObject {
  const outputs: Record<string, Json> = {}
  for (const [i, s] of body.steps.entries()) {
    if (s.status === "completed" && s.result !== undefined) defineOwn(outputs, plan.steps[i]!.id, s.result)
  }
  return outputs
}

/** The result of the last inner step that was not skipped, or what a reviewer put in its place. */
function lastResult(plan: Plan, body: BodyState): Json {
  if (body.replaced !== undefined) return body.replaced
  const last = plan.topological.findLast(i => body.steps[i]!.status === "completed")
  return last === undefined ? null : (body.steps[last]!.result ?? null)
}
