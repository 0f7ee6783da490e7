import type { Json } from "../kernel/json.ts"
import type { RunState } from "./state.ts"

/** What a run came to: the result of the step its parent named, or those of all steps that nothing waits for, by id. */
export function outputOf({ facts, plan, steps }: RunState): Json {
  const resultOf = (index: number) => (steps[index]!.status === "completed" ? (steps[index]!.result ?? null) : null)
  const named = facts.parent?.outputFrom ?? null
  if (named !== null) {
    const index = plan.indexOf.get(named)
    return index === undefined ? null : resultOf(index)
  }
  return Object.fromEntries(plan.steps.filter(s => s.dependents.length === 0).map(s => [s.id, resultOf(s.index)]))
}
