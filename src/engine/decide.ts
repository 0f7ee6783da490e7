import type { Json, JsonObject } from "../kernel/json.ts"
import { ask } from "./ask.ts"
import { liveBodies } from "./bodies.ts"
import { clockReached, startDueRetries } from "./clock.ts"
import { grantEntry, handoffOf, queuedEntry, refusedEntry } from "./episode.ts"
import type { RunEvent } from "./events.ts"
import { failAttempt } from "./fail.ts"
import type { Failure } from "./failure.ts"
import { drain, settle, stopNow } from "./finish.ts"
import type { Attempt, Completion, RunInput } from "./inputs.ts"
import { advanceLoop, innerFailed, type LoopHooks, reviewed, startLoop } from "./loop.ts"
import { keepNote } from "./note.ts"
import { openPlaces, type Place, placeOf } from "./place.ts"
import { release, startReady } from "./schedule.ts"
import { isFinal, pendingTasks, type RunState } from "./state.ts"
import { Turn } from "./turn.ts"

export interface Decision {
  /** In order; none when the input is late, repeated, or does not fit the run's status. */
  readonly events: readonly RunEvent[]
  /** The state after them. */
  readonly state: RunState
}

/** What one input means for a run. Pure: `now` is an argument; a late or repeated input decides nothing. */
export function decide(state: RunState, input: RunInput, now: number): Decision {
  const turn = new Turn(state, now)
  if (!isFinal(state.status)) {
    apply(turn, input)
    if (turn.events.length > 0) settle(turn)
  }
  return { events: turn.events, state: turn.state }
}

function apply(turn: Turn, input: RunInput): void {
  switch (input.type) {
    case "Start":
      started(turn, input)
      break
    case "StepSucceeded":
      succeeded(turn, input)
      break
    case "StepErrored":
      errored(turn, input)
      break
    case "StepAsked":
      asked(turn, input)
      break
    case "StepNoted":
      noted(turn, input)
      break
    case "ChildStarted":
      childStarted(turn, input)
      break
    case "ChildEnded":
      childEnded(turn, input)
      break
    case "TaskCompleted":
      taskCompleted(turn, input)
      break
    case "Pause":
      pause(turn, input.by)
      break
    case "Resume":
      resume(turn, input)
      break
    case "Stop":
      if (input.mode === "immediate") stopNow(turn, input.by)
      else drain(turn, input.by, input.drainMs)
      break
    case "ClockReached":
      clockReached(turn, input.stallMs, hooks)
      break
  }
}

const hooks: LoopHooks = {
  startLoop: (turn, place) => startLoop(turn, place, hooks),
  fail: (turn, place, failure) => failed(turn, place, failure),
  completed: (turn, place) => goOn(turn, place),
}

function started(turn: Turn, { identity, origin, recording }: Extract<RunInput, { type: "Start" }>): void {
  if (turn.state.seq > 0) return
  const { triggerType, version } = turn.state.facts
  turn.emit({
    type: "run_started",
    data: {
      ...{ trigger_type: triggerType, version },
      ...(identity && { identity }),
      ...(origin && { origin }),
      ...(recording && { recording }),
    },
  })
  startReady(turn, null, hooks)
}

function succeeded(turn: Turn, input: Extract<RunInput, { type: "StepSucceeded" }>): void {
  const place = underWay(turn, input)
  if (place) completed(turn, place, input.result, input)
}

function completed(turn: Turn, place: Place, result: Json, { truncated, warnings }: Completion = {}): void {
  const step = turn.step(place)
  const handoff = !place.within && step.type.type === "agent_call" ? handoffOf(result) : null
  const refused = handoff ? refusedEntry(turn.state, handoff.to, step.id) : null
  if (refused !== null) {
    failed(turn, place, { code: "AGENT_TURN_FAILED", message: refused, retryable: false })
    return
  }
  const { attempt } = turn.stepState(place)
  const more = { ...(truncated && { truncated }), ...(warnings && { warnings }) }
  turn.emitAt(place, "step_completed", { result, duration_ms: turn.duration(place), attempt, ...more })
  if (handoff) grantEntry(turn, handoff.to, step.id, handoff.payload)
  goOn(turn, place)
}

/** After a step completed: what waited for it, and the loop around it. */
function goOn(turn: Turn, place: Place): void {
  const queued = place.within ? null : queuedEntry(turn.state, place.index)
  if (queued !== null) grantEntry(turn, turn.step(place).id, queued, {})
  release(turn, place, hooks)
  if (place.within) advanceLoop(turn, { within: null, index: place.within.parent }, hooks)
  else if (turn.state.episode) startReady(turn, null, hooks) // who got entry, or waited for this sender
}

function errored(turn: Turn, input: Extract<RunInput, { type: "StepErrored" }>): void {
  const place = underWay(turn, input)
  if (place) failAttempt(turn, place, input.failure, input.jitter, hooks)
}

function asked(turn: Turn, input: Extract<RunInput, { type: "StepAsked" }>): void {
  const place = underWay(turn, input)
  if (place) ask(turn, place, input, hooks)
}

function noted(turn: Turn, input: Extract<RunInput, { type: "StepNoted" }>): void {
  const place = underWay(turn, input)
  if (place) keepNote(turn, place, input.note, hooks)
}

/** For good: the step has failed, and so has the run or the item around it. */
function failed(turn: Turn, place: Place, failure: Failure): void {
  const { attempt } = turn.stepState(place)
  const { within } = place
  turn.emitAt(place, "step_failed", {
    error: failure.message,
    failure_code: failure.code,
    attempt,
    duration_ms: turn.duration(place),
    ...(failure.timeout && { timeout: true as const }),
  })
  if (within) innerFailed(turn, { ...place, within }, failure, hooks)
}

/** Where an attempt is under way; null when the answer is late or belongs to an older attempt. */
function underWay(turn: Turn, { stepId, item, attempt, round, answers }: Attempt): Place | null {
  const place = placeOf(turn.state.plan, stepId, item)
  if (!place) return null
  const step = turn.stepState(place)
  const current = step.status === "running" && step.attempt === attempt && step.round === round && step.answers.length === answers
  return current && step.retryAt === null && !step.loop && step.childRunId === null ? place : null
}

function childStarted(turn: Turn, input: Extract<RunInput, { type: "ChildStarted" }>): void {
  const place = underWay(turn, input)
  if (place) turn.emitAt(place, "child_run_started", { child_run_id: input.childRunId })
}

function childEnded(turn: Turn, input: Extract<RunInput, { type: "ChildEnded" }>): void {
  const { childRunId, status, output } = input
  const [place] = openPlaces(turn.state, s => s.status === "running" && s.childRunId === childRunId)
  if (!place || !isFinal(status)) return
  if (status === "completed") {
    completed(turn, place, { child_run_id: childRunId, status, output })
    return
  }
  const message = `the child run ${childRunId} ${status === "stopped" ? "was stopped" : `failed: ${input.error ?? "no reason given"}`}`
  failAttempt(turn, place, { code: "WORKFLOW_CALL_FAILED", message, retryable: status === "failed" }, 0.5, hooks)
}

function taskCompleted(turn: Turn, input: Extract<RunInput, { type: "TaskCompleted" }>): void {
  const found = pendingTasks(turn.state).find(t => t.task.taskId === input.taskId)
  if (!found) return
  const { place, review } = found
  if (review !== null) {
    reviewed(turn, place, review, input, hooks)
    return
  }
  const { taskId: task_id, approved, by: completed_by } = input
  if (turn.step(place).type.runs !== "person") {
    turn.emitAt(place, "human_task_completed", { task_id, approved, completed_by, result: input.result })
    return
  }
  turn.emitAt(place, "human_task_completed", { task_id, approved, completed_by })
  // `approved` is the caller's word even if its `result` holds one, too (contract §4.8).
  const result: JsonObject = { ...input.result, approved }
  turn.emitAt(place, "step_completed", { result, duration_ms: turn.duration(place), attempt: 1 })
  goOn(turn, place)
}

function pause(turn: Turn, by: string): void {
  const { status, pauseReason } = turn.state
  if (status === "running" || (status === "paused" && pauseReason !== "operator")) {
    turn.changeStatus("paused", { pause_reason: "operator", by })
  }
}

function resume(turn: Turn, { by, overlays }: Extract<RunInput, { type: "Resume" }>): void {
  const { status, pauseReason } = turn.state
  const entries = Object.entries(overlays).filter(([id]) => refusedEntry(turn.state, id, "human") === null)
  const mayEnter = turn.state.episode !== null && !turn.state.episode.closed && entries.length > 0
  const resumes = status === "paused" && (pauseReason === "operator" || mayEnter)
  if (!resumes && !(status === "running" && mayEnter)) return
  if (resumes) turn.changeStatus("running", { by })
  if (turn.state.episode) for (const [id, overlay] of entries) grantEntry(turn, id, "human", overlay)
  startDueRetries(turn, hooks)
  startReady(turn, null, hooks)
  for (const [index, s] of turn.state.steps.entries())
    if (s.loop && s.status === "running") resumeLoop(turn, { within: null, index })
}

/** What an operator's pause held back inside a loop. */
function resumeLoop(turn: Turn, place: Place): void {
  for (const [item, body] of liveBodies(turn.stepState(place).loop)) {
    if (body.status === "running") startReady(turn, { parent: place.index, item }, hooks)
  }
  advanceLoop(turn, place, hooks)
}
