import { isFinal, type RunState, type StepState } from "./state.ts"

/** An effect that a committed state orders. */
export type Command =
  | { readonly type: "execute"; readonly index: number; readonly attempt: number }
  | { readonly type: "cancel"; readonly index: number; readonly attempt: number }

/**
 * What the way from one state to another orders. Derived, never stored: recovery is `commands(null, state)`, which is
 * everything that is open.
 */
export function commands(before: RunState | null, after: RunState): readonly Command[] {
  const result: Command[] = []
  for (const [index, now] of after.steps.entries()) {
    const was = before?.steps[index]
    if (was === now) continue
    const had = was ? executing(before, was) : null
    const has = executing(after, now)
    if (had !== null && had !== has) result.push({ type: "cancel", index, attempt: had })
    if (has !== null && had !== has) result.push({ type: "execute", index, attempt: has })
  }
  return result
}

/** The attempt that is under way outside; null when none is. */
function executing(run: RunState | null, step: StepState): number | null {
  if (run && isFinal(run.status)) return null
  return step.status === "running" && step.retryAt === null ? step.attempt : null
}
