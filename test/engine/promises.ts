import { allBodies, bodyAt, liveBodies, startedItems } from "../../src/engine/bodies.ts"
import { isInScope } from "../../src/engine/episode.ts"
import type { RunEvent } from "../../src/engine/events.ts"
import type { Step } from "../../src/engine/graph.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import { type Place, placeOf, stateAt, statesAt, stepAt, type Within } from "../../src/engine/place.ts"
import { type BodyState, isEnded, isFinal, isHeld, pendingTasks, type RunState, type StepState } from "../../src/engine/state.ts"
import { summary } from "./machine.ts"

/** Not `expect`: it is asked some million times. */
export function check(holds: boolean, sentence: string): void {
  if (!holds) throw new Error(sentence)
}

interface Found {
  readonly place: Place
  readonly s: StepState
}

/** Every step of the graph and of all bodies. */
function everything(state: RunState): readonly Found[] {
  return state.steps.flatMap((s, index): readonly Found[] => [
    { place: { within: null, index }, s },
    ...bodiesOf(s).flatMap((body, item) =>
      body.steps.map((inner, i): Found => ({ place: { within: { parent: index, item }, index: i }, s: inner })),
    ),
  ])
}

const bodiesOf = (s: StepState) => (s.loop ? allBodies(s.loop) : [])
const isOut = (s: StepState) => s.status === "running" && s.loop === null && s.childRunId === null

/** Attempts that somebody outside works on. */
export function workUnderWay(state: RunState) {
  if (isFinal(state.status)) return []
  return everything(state).flatMap(({ place, s }) =>
    isOut(s) && s.retryAt === null
      ? [
          {
            stepId: stepAt(state, place).path,
            item: place.within?.item ?? null,
            attempt: s.attempt,
            round: s.round,
            answers: s.answers.length,
          },
        ]
      : [],
  )
}

export function waitedFor(state: RunState): readonly string[] {
  return everything(state)
    .flatMap(({ s }) => (s.status === "running" && s.childRunId !== null ? [s.childRunId] : []))
    .sort()
}

/** False for an answer to an attempt, a child run or a task that is not open now. */
export function isOwed(state: RunState, input: RunInput): boolean {
  switch (input.type) {
    case "TaskCompleted":
      return pendingTasks(state).some(t => t.task.taskId === input.taskId)
    case "ChildEnded":
      return isFinal(input.status) && waitedFor(state).includes(input.childRunId)
    case "StepSucceeded":
    case "StepErrored":
    case "StepAsked":
    case "StepNoted":
    case "ChildStarted":
      return workUnderWay(state).some(
        w =>
          w.stepId === input.stepId &&
          w.item === input.item &&
          w.attempt === input.attempt &&
          w.round === input.round &&
          w.answers === input.answers,
      )
    default:
      return true
  }
}

export function checkStart(state: RunState, event: Extract<RunEvent, { type: "step_started" }>): void {
  const place = placeOf(state.plan, event.stepId, event.data.index ?? null)!
  const step = stepAt(state, place)
  const name = summary(event)
  const s = stateAt(state, place)
  const outside = step.type.runs === "outside"
  check(
    state.status === "running" || (!outside && state.status === "paused" && state.pauseReason !== "operator"),
    `${name} in a ${state.status} run`,
  )
  check(state.failedStepId === null, `${name} behind a failure`)
  const held = place.within && policyOf(state, place.within) === "pause"
  check(event.data.attempt === (s?.attempt ?? 0) + 1, `${name} starts attempt ${event.data.attempt} after ${s?.attempt}`)
  check(event.data.attempt <= step.retryCount + 1 || held === true, `${name} starts once too often`)
  check(
    !s || s.attempt === 0 ? (s?.status ?? "pending") === "pending" : s.status === "running" && s.retryAt !== null,
    `${name} starts twice`,
  )
  // What it waited for, or who handed over to it, may have got entry again before its retry.
  const again = event.data.attempt > 1
  check(again || areEnded(state, place.within, step.dependsOn), `${name} before what it waits for`)
  check(again || place.within !== null || isInScope(state, place.index), `${name} out of scope`)
  if (place.within) {
    const { status, loop } = state.steps[place.within.parent]!
    const body = loop && bodyAt(loop, place.within.item)
    check(status === "running" && loop !== null && (!body || body.status === "running"), `${name} in an item that has ended`)
  }
}

function policyOf(state: RunState, { parent }: NonNullable<Within>): string | undefined {
  const loop = state.plan.steps[parent]!.loop
  return loop?.kind === "for_each" ? loop.errorPolicy : undefined
}

function areEnded(state: RunState, within: Within, indexes: readonly number[]): boolean {
  const states = statesAt(state, within)
  return indexes.every(d => isEnded(states[d]?.status ?? "pending"))
}

export function checkCounters(state: RunState): void {
  const all = everything(state)
  const bodies = state.steps.flatMap(s => (s.status === "running" ? bodiesOf(s) : []))
  check(state.open === state.steps.filter(s => !isEnded(s.status)).length, "open is miscounted")
  check(state.moving === all.filter(({ s }) => isOut(s)).length, "moving is miscounted")
  check(state.waiting === all.filter(({ s }) => s.task).length + bodies.filter(b => b.task).length, "waiting is miscounted")
  check(state.children === waitedFor(state).length, "children is miscounted")
  for (const { place, s } of all) checkWaiting(state, stepAt(state, place), s)
  for (const [index, s] of state.steps.entries()) checkLoop(state, index, s)
}

function checkWaiting(state: RunState, { path, type }: Step, s: StepState): void {
  check(s.task === null || s.status === "waiting", `${path} is ${s.status} and has a task`)
  check(s.status !== "waiting" || s.task !== null || (isHeld(state) && type.runs === "outside"), `${path} waits for nobody`)
  const goesOn = s.status === "running" || s.status === "waiting"
  check(s.answers.length === 0 || (goesOn && s.retryAt === null), `${path} is ${s.status} and keeps its answers`)
  check(s.notes.length === 0 || goesOn, `${path} is ${s.status} and keeps its notes`)
  const chars = s.notes.reduce((sum, note) => sum + JSON.stringify(note.data).length, 0)
  check(s.noteChars === chars, `noteChars is miscounted in ${path}`)
}

function checkLoop(state: RunState, index: number, { loop, status }: StepState): void {
  if (!loop) return
  const { path, loop: spec } = state.plan.steps[index]!
  const count = (...of: readonly BodyState["status"][]) => allBodies(loop).filter(b => of.includes(b.status)).length
  check(loop.active === count("running"), `active is miscounted in ${path}`)
  check(loop.ended === count("completed", "failed"), `ended is miscounted in ${path}`)
  check(loop.active <= (spec?.kind === "for_each" ? spec.maxParallel : 1), `too many items are under way in ${path}`)
  check(allBodies(loop).length <= (spec?.kind === "while" ? spec.maxIterations : loop.items.length), `${path} repeats too often`)
  check(
    loop.past.every(b => b.status === "completed" || b.status === "failed"),
    `an item of ${path} is taken for ended`,
  )
  for (const body of allBodies(loop)) {
    check(body.open === body.steps.filter(s => !isEnded(s.status)).length, `open is miscounted in an item of ${path}`)
    check((body.status === "review") === (body.task !== null), `a review without a task in ${path}`)
    check(
      body.status !== "completed" || body.open === 0 || body.replaced !== undefined,
      `an unfinished item of ${path} is completed`,
    )
    check(
      body.status === "running" || body.steps.every(s => s.status === "pending" || isEnded(s.status)),
      `an ended item of ${path} moves`,
    )
  }
  if (status !== "running")
    check(
      everything(state).every(f => f.place.within?.parent !== index || f.s.status !== "running"),
      `${path} ended, its items move`,
    )
}

/** Between two inputs a run is where contract S-11 says, and nothing that could start is left lying. */
export function checkRest(state: RunState): void {
  const { status, pauseReason, moving, waiting, children, open, episode } = state
  const active = moving > 0 || children > 0
  if (status === "running") check(active || (episode !== null && waiting === 0), "a running run in which nothing moves")
  if (status === "draining") {
    check(active && everything(state).every(({ s }) => s.status !== "waiting"), "a draining run in which nothing moves")
    check(
      everything(state).every(({ s }) => s.status !== "running" || s.retryAt === null),
      "a draining run waits for a retry",
    )
  }
  if (pauseReason === "human_task") check(!active && waiting > 0, "a run waits for people without reason")
  if (pauseReason === "awaiting_chat")
    check(!active && waiting === 0 && episode?.closed === false, "a run waits for a message without reason")
  check(
    (status === "completed") === (open === 0 && isFinal(status)) || status === "failed" || status === "stopped",
    "an end with open steps",
  )
  check((status === "paused") === (pauseReason !== null), "a pause without a reason")
  check((state.completedAt !== null) === isFinal(status), "completedAt does not fit the status")
  if (status !== "running" && (status !== "paused" || pauseReason === "operator")) return
  for (const [i, s] of state.steps.entries()) {
    const { path, dependsOn } = state.plan.steps[i]!
    check(
      s.status !== "pending" || !areEnded(state, null, dependsOn) || !isInScope(state, i),
      `${path} is ready and was not started`,
    )
    if (s.status === "running" && s.loop) checkLoopRests(state, i, s)
  }
}

function checkLoopRests(state: RunState, parent: number, { loop }: StepState): void {
  const { path, loop: spec } = state.plan.steps[parent]!
  check(
    loop!.live.some(b => b.status === "running" || b.status === "review"),
    `nothing is under way in ${path}`,
  )
  if (spec?.kind === "for_each" && startedItems(loop!) < loop!.items.length)
    check(loop!.active === spec.maxParallel, `${path} could do more`)
  for (const [item, body] of liveBodies(loop)) {
    if (body.status !== "running") continue
    for (const [i, s] of body.steps.entries()) {
      const inner = spec!.body.steps[i]!
      check(
        s.status !== "pending" || !areEnded(state, { parent, item }, inner.dependsOn),
        `${inner.path}[${item}] is ready and was not started`,
      )
    }
  }
}

/** Contract G-14: the failure, what it cancels, what it blocks, the end; nothing between or behind. */
export function checkFailure(events: readonly RunEvent[], from: string): void {
  const first = events.findIndex(e => e.type === "step_failed" && e.data.index === undefined)
  if (first < 0 || from === "draining") return
  const order = ["step_failed", "step_cancelled", "step_completed", "state_changed"]
  const phases = events.slice(first).map(e => order.indexOf(e.type))
  check(
    phases.every((p, i) => p >= 0 && (i === 0 || (p >= phases[i - 1]! && p > 0))),
    `a failure in disorder: ${events.map(summary).join(", ")}`,
  )
  check(summary(events.at(-1)!) === "state_changed failed", "a failed step did not fail the run")
}

/** How the steps of an ended run stand. */
export function checkEnd(state: RunState): void {
  const stalled = state.failureCode === "RUN_STALLED_OR_TIMED_OUT"
  check(!stalled || state.episode !== null, "a run without gates stalled")
  for (const [index, { status }] of state.steps.entries()) {
    check(
      isEnded(status) || (status === "pending" && (state.status === "stopped" || stalled)),
      `a ${status} step in a ${state.status} run`,
    )
    check(state.status !== "completed" || status === "completed" || status === "skipped", `a ${status} step in a completed run`)
    if (state.status === "completed") checkSkip(state, index)
  }
}

/** Why a step of a completed run was passed over, worked out again from what the others gave. */
function checkSkip(state: RunState, index: number): void {
  const step = state.plan.steps[index]!
  const { status, skipReason } = state.steps[index]!
  const blocked = step.dependsOn.some(d => state.steps[d]!.rejected || state.steps[d]!.skipReason === "blocked")
  const decides = step.condition !== null || step.skipWhen !== null
  check((status === "skipped") === (skipReason !== null), `${step.id} is ${status} because of ${skipReason}`)
  if (skipReason === "step_disabled") check(!step.enabled, `${step.id} is not disabled`)
  else if (skipReason === "excluded") check(state.facts.excludedStepIds.includes(step.id), `${step.id} is not excluded`)
  else if (skipReason === "condition_false") check(step.condition !== null, `${step.id} has no condition`)
  else if (skipReason === "skip_when") check(step.skipWhen !== null, `${step.id} has no skip_when`)
  else if (skipReason === "out_of_scope") check(state.episode?.closed === true, `${step.id} is out of the scope of nothing`)
  else if (state.episode === null)
    check((skipReason === "blocked") === (blocked && !decides), `${step.id} is ${skipReason ?? "run"}, and blocked is ${blocked}`)
}
