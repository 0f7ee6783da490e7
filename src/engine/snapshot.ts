import { isJsonObject, type Json } from "../kernel/json.ts"
import type { Plan } from "./graph.ts"
import { type BodyState, type LoopState, PENDING, type RunFacts, type RunState, type StepState } from "./state.ts"

/**
 * Raise it with every change of the state's shape or of what a fold makes of the same events: older snapshots are then as good
 * as none. `test/engine/snapshot.test.ts` holds it against both.
 */
export const SNAPSHOT_FORMAT = 4

type Written<T> = { readonly [K in keyof T]?: unknown }

/** The state as JSON, without what its run and its version say already. Steps are written as far as they are not pending. */
export function writeSnapshot({ facts: _facts, plan: _plan, steps, ...rest }: RunState): string {
  return JSON.stringify({ ...rest, steps: steps.map(writtenStep) })
}

/** Null when the text is not what `writeSnapshot` wrote for this plan. */
export function readSnapshot(text: string, facts: RunFacts, plan: Plan): RunState | null {
  const written = parsed(text)
  if (!isJsonObject(written) || !Array.isArray(written.steps) || written.steps.length !== plan.steps.length) return null
  if (typeof written.seq !== "number" || typeof written.status !== "string") return null
  const steps = (written.steps as unknown as readonly Written<StepState>[]).map(readStep)
  // In this format: whatever else is in it was written from a state.
  return { ...(written as unknown as Omit<RunState, "facts" | "plan" | "steps">), facts, plan, steps }
}

function writtenStep(step: StepState): Written<StepState> {
  const changed = Object.entries(step).filter(([name, value]) => value !== PENDING[name as keyof StepState])
  return { ...Object.fromEntries(changed), ...(step.loop && { loop: writtenLoop(step.loop) }) }
}

function writtenLoop({ past, live, ...rest }: LoopState): Written<LoopState> {
  return { ...rest, past: past.map(writtenBody), live: live.map(writtenBody) }
}

function writtenBody({ steps, ...rest }: BodyState): Written<BodyState> {
  return { ...rest, steps: steps.map(writtenStep) }
}

function readStep(written: Written<StepState>): StepState {
  const step = { ...PENDING, ...written } as StepState
  return step.loop ? { ...step, loop: readLoop(step.loop) } : step
}

function readLoop({ past, live, ...rest }: LoopState): LoopState {
  return { ...rest, past: past.map(readBody), live: live.map(readBody) }
}

/** JSON has no word for undefined. */
function readBody({ steps, replaced, ...rest }: BodyState): BodyState {
  return { ...rest, replaced, steps: steps.map(readStep) }
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return null
  }
}
