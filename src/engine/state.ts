import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { liveBodies } from "./bodies.ts"
import type { NoteType, SkipReason } from "./events.ts"
import type { FailureCode } from "./failure.ts"
import { type Plan, type Step, takesInputFrom } from "./graph.ts"
import type { Place } from "./place.ts"

export const RUN_STATUSES = ["running", "paused", "draining", "completed", "failed", "stopped"] as const
export type RunStatus = (typeof RUN_STATUSES)[number]
export type PauseReason = "operator" | "human_task" | "awaiting_chat"
/**
 * `waiting`: for a person, or, without a task, with the answer for an operator's resume. Between two attempts a step is
 * `running` with `retryAt` set.
 */
export type StepStatus = "pending" | "running" | "waiting" | "completed" | "failed" | "cancelled" | "skipped"

export interface StepState {
  readonly status: StepStatus
  /** The current or last attempt, from 1; 0 before the first. */
  readonly attempt: number
  /** How often the step was run again from the start, by a grant of entry (contract §4.6). */
  readonly round: number
  /** The step's fields as resolved at its first start. */
  readonly input: JsonObject | null
  readonly result: Json | undefined
  readonly skipReason: SkipReason | null
  readonly error: string | null
  readonly failureCode: FailureCode | null
  readonly startedAt: number | null
  readonly endedAt: number | null
  /** When the next attempt is due; null while one is under way. */
  readonly retryAt: number | null
  readonly task: PendingTask | null
  /** What people said to the attempt under way, in order. */
  readonly answers: readonly Answer[]
  /** What its attempts recorded on their way, in order; gone with the step's end. */
  readonly notes: readonly StepNote[]
  /** Characters of all notes, as JSON. */
  readonly noteChars: number
  /** A person said no: dependents without a condition are blocked (contract G-17). */
  readonly rejected: boolean
  /** What repeats inside, once a loop has started. */
  readonly loop: LoopState | null
  /** The run that the step started and waits for. */
  readonly childRunId: string | null
  /** When the wait for that run is over its limit, ms; null: no limit. */
  readonly childDueAt: number | null
}

/** A loop under way or ended. */
export interface LoopState {
  /** Of a for_each, in order; a while has none. */
  readonly items: readonly Json[]
  /** The bodies of the first items or iterations, which have all ended. Read with `bodies.ts`. */
  readonly past: readonly BodyState[]
  /** The bodies behind those, as far as they have started. */
  readonly live: readonly BodyState[]
  /** Bodies that have ended, with a result or without. */
  readonly ended: number
  /** Bodies under way; one that waits for a review is not. */
  readonly active: number
  /** When this attempt of the loop began. */
  readonly startedAt: number
}

/** The inner steps for one item or iteration. */
export interface BodyState {
  readonly status: "running" | "review" | "completed" | "failed"
  readonly steps: readonly StepState[]
  /** Inner steps that have not ended. */
  readonly open: number
  /** From when its limit counts, ms; null while the item is held back by a pause. */
  readonly startedAt: number | null
  readonly error: string | null
  /** What a reviewer put in place of the item's result. */
  readonly replaced: Json | undefined
  readonly task: PendingTask | null
}

export interface PendingTask {
  readonly taskId: string
  readonly taskType: string
  readonly payload: Json
  readonly expiresAt: number | null
}

/** A person's word on what an attempt asked. */
export interface Answer {
  readonly approved: boolean
  readonly result: JsonObject
  /** What the person was shown: a word on one thing is none on what an executor would do now instead. */
  readonly asked: Json
  /** Of the task: which of several questions it answers. */
  readonly taskType: string
}

/** What a step keeps of its way while it works through something long, so that no attempt does that part again. */
export interface StepNote {
  readonly type: NoteType
  readonly data: JsonObject
}

/** What a run was started with. Never changes. */
export interface RunFacts {
  readonly runId: string
  readonly tenantId: string
  readonly projectId: string
  readonly workflowId: string
  readonly version: number
  readonly triggerType: string
  readonly userId: string
  readonly startedAt: number
  /** Merged input; `_steps.<id>` holds the overlays of single steps (contract §4.2). */
  readonly input: JsonObject
  /** Auto roots that must not run. */
  readonly excludedStepIds: readonly string[]
  /** The step that started this run by `workflow_call`; null for the others. */
  readonly parent: ParentStep | null
}

/** What started the run, where that has a row of its own. Recorded with the start, for whoever asks later. */
export type Origin =
  | { readonly type: "webhook"; readonly subscription_id: string; readonly delivery_id: string }
  | { readonly type: "trigger"; readonly trigger_id: string; readonly scheduled_for: string | null }

/** For whom the run was started, as far as its start said (contract §4.1). Recorded with the start, and read by templates. */
export interface Identity {
  readonly external_user_id?: string
  readonly principal_id?: string
  readonly segment_id?: string
}

export interface ParentStep {
  readonly runId: string
  readonly workflowId: string
  /** Path and item of the step, as in its events. */
  readonly stepId: string
  readonly item: number | null
  /** Runs above this one, from 1. */
  readonly depth: number
  /** The step of this run whose result the parent takes; null: all that nothing waits for. */
  readonly outputFrom: string | null
}

/** Of a run whose graph has gated steps (contract §4.6). */
export interface Episode {
  /** Ids of gated steps that may run. */
  readonly granted: readonly string[]
  /** Steps that handed over, by the id they handed to. */
  readonly senders: { readonly [stepId: string]: readonly string[] }
  /** Steps that got entry while they were under way, and who gave it last: they run once more when they end. */
  readonly queued: { readonly [stepId: string]: string }
  readonly closed: boolean
}

/** The fold of a run's events over its plan. */
export interface RunState {
  readonly facts: RunFacts
  readonly plan: Plan
  readonly identity: Identity
  /** What models and tools are asked and say is kept. */
  readonly recording: boolean
  readonly status: RunStatus
  readonly pauseReason: PauseReason | null
  /** By the step's index in the plan. */
  readonly steps: readonly StepState[]
  /** Steps of the graph that have not ended. */
  readonly open: number
  /** Attempts under way outside, or due again; inner steps count, loops do not. */
  readonly moving: number
  /** Tasks that wait for a person. */
  readonly waiting: number
  /** Child runs that are waited for. */
  readonly children: number
  /** What was sent for single steps, at the start or later; by step id. */
  readonly overlays: { readonly [stepId: string]: JsonObject }
  readonly episode: Episode | null
  readonly completedAt: number | null
  readonly failureCode: FailureCode | null
  readonly failedStepId: string | null
  readonly error: string | null
  readonly drainDeadline: number | null
  readonly lastEventAt: number
  /** Number of events folded so far; the next one gets `seq + 1`. */
  readonly seq: number
}

export const PENDING: StepState = {
  status: "pending",
  attempt: 0,
  round: 0,
  input: null,
  result: undefined,
  skipReason: null,
  error: null,
  failureCode: null,
  startedAt: null,
  endedAt: null,
  retryAt: null,
  task: null,
  answers: [],
  notes: [],
  noteChars: 0,
  rejected: false,
  loop: null,
  childRunId: null,
  childDueAt: null,
}

export function initialState(facts: RunFacts, plan: Plan): RunState {
  const overlays = Object.fromEntries(overlaysOf(facts.input).filter(([id]) => mayHandInput(plan, id)))
  const granted = plan.steps.filter(s => s.gated && Object.hasOwn(overlays, s.id)).map(s => s.id)
  return {
    facts,
    plan,
    identity: {},
    recording: false,
    status: "running",
    pauseReason: null,
    steps: plan.steps.map(() => PENDING),
    open: plan.steps.length,
    moving: 0,
    waiting: 0,
    children: 0,
    overlays,
    episode: plan.episodic ? { granted, senders: {}, queued: {}, closed: false } : null,
    completedAt: null,
    failureCode: null,
    failedStepId: null,
    error: null,
    drainDeadline: null,
    lastEventAt: facts.startedAt,
    seq: 0,
  }
}

function overlaysOf(input: JsonObject): readonly (readonly [string, JsonObject])[] {
  const steps = input._steps
  if (!isJsonObject(steps)) return []
  return Object.entries(steps).filter((e): e is [string, JsonObject] => isJsonObject(e[1]))
}

/** A start is a person's word, as a resume is. A step without a gate is configured by it, not entered. */
function mayHandInput(plan: Plan, stepId: string): boolean {
  const index = plan.indexOf.get(stepId)
  const step = index === undefined ? undefined : plan.steps[index]!
  return !step?.gated || takesInputFrom(step, "human")
}

export function isFinal(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "stopped"
}

export function isEnded(status: StepStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled" || status === "skipped"
}

/** What a record holds for a step, whose id may be named like what objects inherit. */
export function own<T>(record: { readonly [stepId: string]: T }, stepId: string): T | undefined {
  return Object.hasOwn(record, stepId) ? record[stepId] : undefined
}

/** A step failed, and the run ends with this decision. A draining run lets the others end nevertheless. */
export function isFailing(state: RunState): boolean {
  return state.failedStepId !== null && state.status !== "draining"
}

/** True from a step's start to its end. */
export function isUnderWay(step: StepState): boolean {
  return step.status === "running" || step.status === "waiting"
}

/** How often a step began from the start before this time: every attempt of a loop does, every round of a step. */
export function startNumber(step: Step, { round, attempt }: StepState): number {
  return round * (step.retryCount + 1) + attempt - 1
}

/** True while an attempt is under way outside or due again. */
export function isMoving(step: StepState): boolean {
  return step.status === "running" && step.loop === null && step.childRunId === null
}

/** Who goes on with a person's answer has to wait for the operator, too. */
export function isAnswered(step: StepState): boolean {
  return step.status === "waiting" && step.task === null
}

/** An operator's pause: nothing goes out, whatever becomes ready. */
export function isHeld(state: RunState): boolean {
  return state.status === "paused" && state.pauseReason === "operator"
}

/** A pending task of the run: of a step, also inside a loop, or of an item under review. */
export interface TaskPlace {
  readonly task: PendingTask
  /** The step that waits, or the loop of the item. */
  readonly place: Place
  /** The item under review; null for the task of a step. */
  readonly review: number | null
}

export function pendingTasks(state: RunState): readonly TaskPlace[] {
  if (state.waiting === 0 || isFinal(state.status)) return []
  return state.steps.flatMap((s, i): readonly TaskPlace[] => {
    const place: Place = { within: null, index: i }
    if (s.task) return [{ task: s.task, place, review: null }]
    if (s.status !== "running") return []
    return liveBodies(s.loop).flatMap(([item, body]): readonly TaskPlace[] => {
      if (body.task) return [{ task: body.task, place, review: item }]
      return body.steps.flatMap((inner, index): readonly TaskPlace[] =>
        inner.task ? [{ task: inner.task, place: { within: { parent: i, item }, index }, review: null }] : [],
      )
    })
  })
}

/** When the run next has to look at the clock; null when only an answer can move it. `stallMs`: see `STALL_DEFAULT_MS`. */
export function wakeAt(state: RunState, stallMs: number): number | null {
  if (isFinal(state.status)) return null
  let due = state.drainDeadline
  const earlier = (at: number | null) => {
    if (at !== null && (due === null || at < due)) due = at
  }
  // A paused run starts no attempt, but its tasks still expire.
  const retries = state.status === "running"
  for (const [i, s] of state.steps.entries()) {
    if (s.status === "running" && s.loop) loopDue(state.plan.steps[i]!, s.loop, retries, earlier)
    else if (s.status === "running") earlier(attemptDue(s, retries))
    else if (s.status === "waiting") earlier(s.task?.expiresAt ?? null)
  }
  if (isIdle(state)) earlier(state.lastEventAt + stallMs)
  return due
}

/** Nothing moves, nobody is waited for: only a message from outside could go on. */
export function isIdle(state: RunState): boolean {
  return state.status === "running" && state.moving === 0 && state.waiting === 0 && state.children === 0
}

function loopDue(step: Step, loop: LoopState, retries: boolean, earlier: (at: number | null) => void): void {
  if (step.timeoutMs !== null) earlier(loop.startedAt + step.timeoutMs)
  for (const body of loop.live) {
    if (body.status !== "running") continue
    earlier(itemDue(step, body))
    for (const inner of body.steps) {
      if (inner.status === "running") earlier(attemptDue(inner, retries))
      else if (inner.status === "waiting") earlier(inner.task?.expiresAt ?? null)
    }
  }
}

/** When an item is over its limit; null when it has none, is held back, or rests between two steps under a pause. */
export function itemDue(step: Step, body: BodyState): number | null {
  const limit = step.loop?.itemTimeoutMs ?? null
  return limit === null || body.startedAt === null || !body.steps.some(isUnderWay) ? null : body.startedAt + limit
}

function attemptDue(step: StepState, retries: boolean): number | null {
  return step.childRunId !== null ? step.childDueAt : retries ? step.retryAt : null
}
