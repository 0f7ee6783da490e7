import type { Json } from "../kernel/json.ts"
import { liveBodies } from "./bodies.ts"
import { isInScope } from "./episode.ts"
import { type Step, takesInputFrom } from "./graph.ts"
import { type Place, stateAt, stepAt } from "./place.ts"
import { lookupFor } from "./scope.ts"
import { isAnswered, isEnded, isFinal, type RunState, type StepState } from "./state.ts"
import { type Compiled, pathsOf } from "./template.ts"

/** One link of the chain that decided why a step did not run, or not yet. */
export interface Cause {
  readonly kind: "condition" | "dependency" | "disabled" | "excluded" | "failure" | "grant" | "pause" | "rejection" | "stop"
  /** The step that the link is about. */
  readonly stepId: string
  /** A sentence. */
  readonly message: string
  /** What a condition saw, by path; null for what was missing. */
  readonly values?: { readonly [path: string]: Json }
}

export interface Explanation {
  readonly stepId: string
  readonly status: StepState["status"]
  /** A sentence that says it all in short. */
  readonly message: string
  /** From the step itself to the first cause; empty for a step that ran. */
  readonly because: readonly Cause[]
}

/** Why a step of the graph did or did not run (the chain of dependency, condition, grant, exclusion or failure). */
export function explain(state: RunState, index: number): Explanation {
  const place: Place = { within: null, index }
  const step = stepAt(state, place)
  const s = stateAt(state, place)!
  const because = causesOf(state, place, new Set())
  return { stepId: step.id, status: s.status, message: because[0]?.message ?? plainly(step, s), because }
}

function plainly(step: Step, s: StepState): string {
  switch (s.status) {
    case "completed":
      return `${step.id} ran and completed`
    case "failed":
      return `${step.id} ran and failed: ${s.error ?? "no reason given"}`
    case "running":
      return s.retryAt === null
        ? `${step.id} is running, attempt ${s.attempt}${recorded(s)}${waitingItems(s)}`
        : `${step.id} waits for its next attempt: ${s.error ?? ""}`
    case "waiting":
      return `${step.id} waits for ${waitedFor(s)}`
    case "pending":
    case "skipped":
    case "cancelled":
      return `${step.id} did not run`
  }
}

function recorded({ notes }: StepState): string {
  if (notes.length === 0) return ""
  return `; it has recorded ${notes.length} ${notes.length === 1 ? "thing" : "things"} on its way (agent_turn_… in its events)`
}

/** Of a loop: how many of its items only people can move on. */
function waitingItems({ loop }: StepState): string {
  const waiting = liveBodies(loop).filter(([, body]) => body.task !== null || body.steps.some(s => s.task !== null)).length
  if (waiting === 0) return ""
  return `; ${waiting} of its items ${waiting === 1 ? "waits" : "wait"} for a person`
}

function waitedFor(s: StepState): string {
  return isAnswered(s) ? "the run to be resumed; a person has answered" : "a person"
}

function causesOf(state: RunState, place: Place, seen: Set<number>): readonly Cause[] {
  if (seen.has(place.index)) return []
  seen.add(place.index)
  const s = stateAt(state, place)!
  if (s.status === "skipped") return skipped(state, place, s, seen)
  if (s.status === "cancelled") return [ended(state, stepAt(state, place), "was under way")]
  return s.status === "pending" ? pending(state, place, seen) : []
}

function skipped(state: RunState, place: Place, s: StepState, seen: Set<number>): readonly Cause[] {
  const step = stepAt(state, place)
  switch (s.skipReason) {
    case "step_disabled":
      return [{ kind: "disabled", stepId: step.id, message: `${step.id} is disabled in the graph (enabled: false)` }]
    case "excluded":
      return [{ kind: "excluded", stepId: step.id, message: `${step.id} was excluded by the start (excluded_step_ids)` }]
    case "condition_false":
      return [judged(state, place, step.condition, `the condition of ${step.id} was not true`)]
    case "skip_when":
      return [judged(state, place, step.skipWhen, `skip_when of ${step.id} was true`)]
    case "out_of_scope":
      return [{ kind: "grant", stepId: step.id, message: `nobody granted entry to ${step.id} before the episode was closed` }]
    case "blocked":
    case null:
      return blocked(state, place, seen)
  }
}

/** By a rejection above it, or by the failure of the run. */
function blocked(state: RunState, place: Place, seen: Set<number>): readonly Cause[] {
  const step = stepAt(state, place)
  for (const index of step.dependsOn) {
    const above = { within: null, index }
    const { id } = stepAt(state, above)
    const s = stateAt(state, above)!
    if (s.rejected) {
      const message = `${step.id} depends on ${id}, which a person rejected, and has no condition of its own`
      return [{ kind: "rejection", stepId: id, message }]
    }
    if (s.skipReason === "blocked" && state.failedStepId === null) {
      return [
        { kind: "dependency", stepId: id, message: `${step.id} depends on ${id}, which was blocked` },
        ...causesOf(state, above, seen),
      ]
    }
  }
  return [ended(state, step, "had not started")]
}

function ended(state: RunState, step: Step, how: string): Cause {
  if (state.failedStepId !== null) {
    const message = `${step.id} ${how} when ${state.failedStepId} failed the run: ${state.error ?? "no reason given"}`
    return { kind: "failure", stepId: state.failedStepId, message }
  }
  return { kind: "stop", stepId: step.id, message: `${step.id} ${how} when the run was stopped` }
}

function pending(state: RunState, place: Place, seen: Set<number>): readonly Cause[] {
  const step = stepAt(state, place)
  // Nobody ended a run that stalled: what kept the step from starting keeps it for ever.
  const stalled = state.failureCode === "RUN_STALLED_OR_TIMED_OUT"
  if (isFinal(state.status) && !stalled) return [ended(state, step, "had not started")]
  for (const index of step.dependsOn) {
    const above = { within: null, index }
    const { id } = stepAt(state, above)
    const s = stateAt(state, above)!
    if (isEnded(s.status)) continue
    const message = `${step.id} waits for ${id}, which is ${s.status === "waiting" ? `waiting for ${waitedFor(s)}` : s.status}`
    return [{ kind: "dependency", stepId: id, message }, ...causesOf(state, above, seen)]
  }
  if (!isInScope(state, place.index)) {
    const way = takesInputFrom(step, "human")
      ? "name it in trigger_steps, or hand over to it"
      : `one of its input_allowlist has to hand over to it (${step.inputAllowlist.join(", ")})`
    const message = step.gated
      ? `${step.id} is gated (no_auto_start) and was not granted entry: ${way}`
      : `${step.id} depends on a gated step that was not granted entry`
    return [{ kind: "grant", stepId: step.id, message }]
  }
  return [{ kind: "pause", stepId: step.id, message: `${step.id} is ready; the run is ${state.status}` }]
}

function judged(state: RunState, place: Place, condition: Compiled | null, message: string): Cause {
  const lookup = lookupFor(state, place)
  const paths = condition ? pathsOf(condition) : []
  const values = Object.fromEntries(paths.map(({ path }) => [path.join("."), lookup(path) ?? null]))
  return { kind: "condition", stepId: stepAt(state, place).id, message, values }
}
