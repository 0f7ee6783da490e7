import { assert } from "../kernel/errors.ts"
import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import type { RunEvent } from "./events.ts"
import { takesInputFrom } from "./graph.ts"
import { isEnded, isUnderWay, own, type RunState } from "./state.ts"
import type { Turn } from "./turn.ts"

/**
 * Whether a step of the graph may run at all (contract §4.6). Without gated steps: always. Else a gated step is in scope
 * when it was granted entry, a root without a gate from the start, and any other step when all it depends on is. Who
 * handed over to it must not be under way again; one that only has entry again is not waited for, since it may in turn
 * wait for this step.
 */
export function isInScope(state: RunState, index: number): boolean {
  if (!state.episode) return true
  if (!reaches(state, index, new Map())) return false
  const senders = own(state.episode.senders, state.plan.steps[index]!.id) ?? []
  return !senders.some(id => isUnderWay(state.steps[state.plan.indexOf.get(id)!]!))
}

function reaches(state: RunState, index: number, known: Map<number, boolean>): boolean {
  const before = known.get(index)
  if (before !== undefined) return before
  const step = state.plan.steps[index]!
  const entered = !step.gated || (state.episode?.granted.includes(step.id) ?? true)
  const result = entered && step.dependsOn.every(d => reaches(state, d, known))
  known.set(index, result)
  return result
}

/** Once the episode is closed, what never came into scope is skipped; what is in scope runs to its end. */
export function skipOutOfScope(turn: Turn): void {
  if (!turn.state.episode?.closed) return
  const known = new Map<number, boolean>()
  for (const index of turn.state.plan.topological) {
    if (turn.stepState({ within: null, index }).status !== "pending") continue
    if (reaches(turn.state, index, known)) continue
    turn.emitAt({ within: null, index }, "step_completed", { skipped: true, reason: "out_of_scope" })
  }
}

export interface Handoff {
  readonly to: string
  readonly payload: JsonObject
}

/** `{"handoff":{"to":"b","payload":{…}}}` in an agent's result. */
export function handoffOf(result: Json): Handoff | null {
  const handoff = isJsonObject(result) ? result.handoff : undefined
  if (!isJsonObject(handoff) || typeof handoff.to !== "string") return null
  return { to: handoff.to, payload: isJsonObject(handoff.payload) ? handoff.payload : {} }
}

/** Why `by` may not hand input to a step; null when it may. */
export function refusedEntry(state: RunState, to: string, by: string): string | null {
  const index = state.plan.indexOf.get(to)
  if (index === undefined) return `there is no step ${to} to hand over to`
  const step = state.plan.steps[index]!
  if (!step.gated) return `step ${to} is not gated (no_auto_start), so nobody can hand over to it`
  if (!takesInputFrom(step, by)) return `step ${to} does not take input from ${by} (input_allowlist)`
  return null
}

/** Who gave entry to a step while it was under way, so that it runs again now that it ended; null when nobody did. */
export function queuedEntry(state: RunState, index: number): string | null {
  const { episode } = state
  return episode && !episode.closed ? (own(episode.queued, state.plan.steps[index]!.id) ?? null) : null
}

/** Lets a gated step run, again from the start if it had ended, or as soon as it ends if it is under way. */
export function grantEntry(turn: Turn, to: string, by: string, payload: JsonObject): void {
  const index = turn.state.plan.indexOf.get(to)!
  const again = isEnded(turn.state.steps[index]!.status)
  turn.emitAt({ within: null, index }, "entry_granted", { by, payload, again })
}

/** The state after a grant: the sender counts among what the step waits for, and the payload goes over its input. */
export function entered(state: RunState, { stepId, data }: Extract<RunEvent, { type: "entry_granted" }>): RunState {
  assert(state.episode, "a grant of entry belongs to an episode")
  const { granted, senders } = state.episode
  const from = own(senders, stepId) ?? []
  const isSender = state.plan.indexOf.has(data.by) && data.by !== stepId && !from.includes(data.by)
  const others = Object.fromEntries(Object.entries(state.episode.queued).filter(([id]) => id !== stepId))
  const busy = isUnderWay(state.steps[state.plan.indexOf.get(stepId)!]!)
  const episode = {
    ...state.episode,
    granted: granted.includes(stepId) ? granted : [...granted, stepId],
    senders: isSender ? { ...senders, [stepId]: [...from, data.by] } : senders,
    queued: busy ? { ...others, [stepId]: data.by } : others,
  }
  const overlay = { ...own(state.overlays, stepId), ...data.payload }
  return { ...state, episode, overlays: { ...state.overlays, [stepId]: overlay } }
}

/** `done: true`, at the result or one level down, or a terminal step closes the episode (contract §4.6). */
export function closeEpisode(state: RunState, event: Extract<RunEvent, { type: "step_completed" }>): RunState {
  if (!state.episode || state.episode.closed || "skipped" in event.data || event.data.index !== undefined) return state
  const step = state.plan.steps[state.plan.indexOf.get(event.stepId)!]!
  if (!step.terminal && !isDone(event.data.result)) return state
  return { ...state, episode: { ...state.episode, closed: true } }
}

function isDone(result: Json): boolean {
  if (!isJsonObject(result)) return false
  return result.done === true || (isJsonObject(result.result) && result.result.done === true)
}

/** A conversation waits for its next message (contract §4.6): a step that takes input from people has had its turn. */
export function awaitsChat(state: RunState): boolean {
  if (!state.episode || state.episode.closed) return false
  return state.plan.steps.some(s => s.gated && s.inputAllowlist.includes("human") && state.steps[s.index]!.status === "completed")
}
