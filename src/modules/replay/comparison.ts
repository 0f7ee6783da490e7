import { allBodies } from "../../engine/bodies.ts"
import { outputOf } from "../../engine/output.ts"
import { type Place, stepAt } from "../../engine/place.ts"
import { isEnded, type RunState, type StepState } from "../../engine/state.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import { REPLAY_STEPS_MAX } from "../../kernel/limits.ts"
import { placeKey } from "../../runtime/active-run.ts"
import type { Change, RunReport, SideBody, StepReport } from "./contract.ts"
import { bounded, type Difference, differencesOf } from "./difference.ts"
import type { Replayed, Unknown } from "./host.ts"

/** What the graph made of a recorded run, step by step, beside what the run was. */
export function compareRuns(was: RunState, { state: now, unknown, problem }: Replayed): RunReport {
  const before = placesOf(was, new Map())
  const after = placesOf(now, unknown)
  const names = new Set([...before.keys(), ...after.keys()])
  const open = unknown.size > 0 || problem !== null
  const steps = [...names].map(name => compareStep(before.get(name), after.get(name), open))
  const outcome = { was: outcomeBody(was), now: { ...outcomeBody(now), ...(open && { status: "unknown" }) } }
  const told = steps.filter(({ change, item }) => change !== "same" || item === null)
  // What changed comes first when not all of it can be told.
  const shown = told.length <= REPLAY_STEPS_MAX ? told : told.toSorted((a, b) => rank(a) - rank(b)).slice(0, REPLAY_STEPS_MAX)
  const same =
    steps.every(({ change }) => change === "same") && differencesOf(fullOutcome(was), fullOutcome(now), "$").length === 0
  return {
    run_id: was.facts.runId,
    version: was.facts.version,
    identical: same && !open,
    problem,
    outcome,
    steps: shown,
    steps_left_out: steps.length - shown.length,
  }
}

const rank = ({ change }: StepReport) => Number(change === "same")

/** A step of a run: of its graph, or for one item of a loop. */
interface PlacedStep {
  readonly stepId: string
  readonly item: number | null
  readonly type: string
  readonly state: StepState
  readonly unknown: Unknown | null
  /** Nothing comes of it any more: the item that it is for has ended. */
  readonly over: boolean
}

function placesOf(state: RunState, unknown: ReadonlyMap<string, Unknown>): ReadonlyMap<string, PlacedStep> {
  const found = new Map<string, PlacedStep>()
  const add = (place: Place, step: StepState, over: boolean) => {
    const { path: stepId, type } = stepAt(state, place)
    const item = place.within?.item ?? null
    const name = `${stepId}\n${item ?? ""}`
    found.set(name, { stepId, item, type: type.type, state: step, unknown: unknown.get(placeKey(place)) ?? null, over })
  }
  for (const [index, step] of state.steps.entries()) {
    add({ within: null, index }, step, isEnded(step.status))
    for (const [item, body] of (step.loop ? allBodies(step.loop) : []).entries()) {
      for (const [inner, one] of body.steps.entries())
        add({ within: { parent: index, item }, index: inner }, one, body.status !== "running")
    }
  }
  return found
}

/** `open`: the replay could not go on everywhere, so what has not begun is not known. */
function compareStep(was: PlacedStep | undefined, now: PlacedStep | undefined, open: boolean): StepReport {
  const { stepId: step_id, item } = (now ?? was)!
  const [request, output] = [differencesOf(requestOf(was), requestOf(now), "$"), differencesOf(resultOf(was), resultOf(now), "$")]
  const change = changeOf(was, now, open, request.length > 0, output.length > 0)
  if (change === "same") return { step_id, item, change, was: null, now: null, diff: [] }
  const both = ran(was) && ran(now)
  const diff: readonly Difference[] = both ? [...request, ...(now?.unknown ? [] : output)] : []
  return { step_id, item, change, was: sideOf(was), now: sideOf(now), diff: [...diff] }
}

function changeOf(
  was: PlacedStep | undefined,
  now: PlacedStep | undefined,
  open: boolean,
  requestChanged: boolean,
  outputChanged: boolean,
): Change {
  if (now?.unknown) return now.unknown
  if (open && now && !now.over && !isEnded(now.state.status)) return "no_recording"
  if (ran(was) && !ran(now)) return "not_run_any_more"
  if (!ran(was) && ran(now)) return "newly_run"
  if (ran(was)) return requestChanged ? "request_changed" : outputChanged ? "output_changed" : "same"
  return skipOf(was) === skipOf(now) ? "same" : "skipped_differently"
}

const ran = (step: PlacedStep | undefined) => step !== undefined && step.state.attempt > 0
const skipOf = (step: PlacedStep | undefined) => step?.state.skipReason ?? null

/** With `$.type` in front: another type of step asks for something else, whatever its fields say. */
function requestOf(step: PlacedStep | undefined): JsonObject {
  return step ? { request: { type: step.type, ...step.state.input } } : {}
}

function resultOf(step: PlacedStep | undefined): JsonObject {
  if (!step) return {}
  const { status, result, error, failureCode } = step.state
  return { status, ...(result !== undefined && { output: result }), ...(error !== null && { error, failure_code: failureCode }) }
}

function sideOf(step: PlacedStep | undefined): SideBody | null {
  if (!step) return null
  const { status, skipReason, input, result, error, attempt } = step.state
  return {
    ...{ status, reason: skipReason, attempts: attempt, error },
    request: input === null ? null : bounded(input),
    output: result === undefined ? null : bounded(result),
  }
}

function outcomeBody(state: RunState) {
  const { status, failureCode, failedStepId, error } = state
  return { status, output: bounded(outputOf(state)), failure_code: failureCode, failed_step_id: failedStepId, error }
}

function fullOutcome(state: RunState): Json {
  return { ...outcomeBody(state), output: outputOf(state) }
}
