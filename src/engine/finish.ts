import { awaitsChat, skipOutOfScope } from "./episode.ts"
import { openPlaces, type Place } from "./place.ts"
import { isFinal, isUnderWay } from "./state.ts"
import type { Turn } from "./turn.ts"

/**
 * After every decision: a failed step ends the run; nothing left completes it; only people left pauses it (S-11), and so
 * does a conversation that waits for its next message.
 */
export function settle(turn: Turn): void {
  if (isFinal(turn.state.status)) return
  if (turn.state.status === "draining") {
    if (turn.state.moving > 0 || turn.state.children > 0) return
    cancelUnderWay(turn, "run_stopped", "RUN_STOPPED") // loops, which end with what was inside them
    turn.changeStatus("stopped", { failure_code: "RUN_STOPPED" })
    return
  }
  if (turn.state.failedStepId !== null) {
    failRun(turn, turn.state.failedStepId)
    return
  }
  skipOutOfScope(turn)
  // Also in an episode that nothing closed (contract §4.6 lets it run for ever): no step is left that could close it.
  if (turn.state.open === 0 && !awaitsChat(turn.state)) turn.changeStatus("completed", {})
  else rest(turn)
}

/** Where a run is between two decisions. An operator's pause stays until an operator takes it back. */
function rest(turn: Turn): void {
  const { pauseReason, moving, children, waiting } = turn.state
  if (pauseReason === "operator") return
  const reason = moving > 0 || children > 0 ? null : waiting > 0 ? "human_task" : awaitsChat(turn.state) ? "awaiting_chat" : null
  if (reason === pauseReason) return
  if (reason !== null) turn.changeStatus("paused", { pause_reason: reason })
  else turn.changeStatus("running", {})
}

/** Fail-fast, in the order of contract G-14. */
function failRun(turn: Turn, failedStepId: string): void {
  const { failureCode, error } = turn.state
  cancelUnderWay(turn, "run_failed", undefined, failedStepId)
  for (const index of turn.state.plan.topological) {
    const place = { within: null, index }
    if (turn.stepState(place).status !== "pending") continue
    turn.emitAt(place, "step_completed", { skipped: true, reason: "blocked", caused_by_step_id: failedStepId })
  }
  turn.changeStatus("failed", {
    failure_code: failureCode ?? "INTERNAL_ERROR",
    failed_step_id: failedStepId,
    error: error ?? "the step failed",
  })
}

export function stopNow(turn: Turn, by: string): void {
  cancelUnderWay(turn, "run_stopped", "RUN_STOPPED")
  turn.changeStatus("stopped", { failure_code: "RUN_STOPPED", by })
}

/** Lets what is under way end and starts nothing else; what only people can end is given up at once. */
export function drain(turn: Turn, by: string, drainMs: number): void {
  if (turn.state.status === "draining") return
  turn.changeStatus("draining", { by, drain_deadline: turn.now + drainMs })
  for (const place of openPlaces(turn.state, s => s.status === "waiting" || (s.status === "running" && s.retryAt !== null))) {
    giveUp(turn, place)
  }
}

export function endDraining(turn: Turn): void {
  cancelUnderWay(turn, "drain_timeout", "DRAIN_TIMEOUT")
  turn.changeStatus("stopped", { failure_code: "DRAIN_TIMEOUT" })
}

type EndReason = "run_failed" | "run_stopped" | "drain_timeout"

function cancelUnderWay(turn: Turn, reason: EndReason, code?: "RUN_STOPPED" | "DRAIN_TIMEOUT", causedBy?: string): void {
  for (const place of openPlaces(turn.state, isUnderWay)) cancel(turn, place, reason, code, causedBy)
}

/** Of one step: a draining run waits for no person and no retry. */
export function giveUp(turn: Turn, place: Place): void {
  cancel(turn, place, "run_stopped", "RUN_STOPPED")
}

function cancel(turn: Turn, place: Place, reason: EndReason, code?: "RUN_STOPPED" | "DRAIN_TIMEOUT", causedBy?: string): void {
  turn.emitAt(place, "step_cancelled", {
    cancelled: true,
    reason,
    ...(causedBy !== undefined && { caused_by_step_id: causedBy }),
    ...(code && { failure_code: code }),
  })
}
