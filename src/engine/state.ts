import type { Json, JsonObject } from "../kernel/json.ts"
import type { SkipReason } from "./events.ts"
import type { FailureCode } from "./failure.ts"
import type { Plan } from "./graph.ts"

export type RunStatus = "running" | "paused" | "draining" | "completed" | "failed" | "stopped"
export type PauseReason = "operator" | "human_task"
/** `waiting`: for a person. Between two attempts a step is `running` with `retryAt` set. */
export type StepStatus = "pending" | "running" | "waiting" | "completed" | "failed" | "cancelled" | "skipped"

export interface StepState {
  readonly status: StepStatus
  /** The current or last attempt, from 1; 0 before the first. */
  readonly attempt: number
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
  /** A person said no: dependents without a condition are blocked (contract G-17). */
  readonly rejected: boolean
}

export interface PendingTask {
  readonly taskId: string
  readonly taskType: string
  readonly payload: Json
  readonly expiresAt: number | null
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
}

/** The fold of a run's events over its plan. */
export interface RunState {
  readonly facts: RunFacts
  readonly plan: Plan
  readonly status: RunStatus
  readonly pauseReason: PauseReason | null
  /** By the step's index in the plan. */
  readonly steps: readonly StepState[]
  /** Steps that have not ended. */
  readonly open: number
  /** Steps under way outside, or between attempts. */
  readonly moving: number
  /** Steps that wait for a person. */
  readonly waiting: number
  readonly completedAt: number | null
  readonly failureCode: FailureCode | null
  readonly failedStepId: string | null
  readonly error: string | null
  readonly drainDeadline: number | null
  /** Number of events folded so far; the next one gets `seq + 1`. */
  readonly seq: number
}

const PENDING: StepState = {
  status: "pending",
  attempt: 0,
  input: null,
  result: undefined,
  skipReason: null,
  error: null,
  failureCode: null,
  startedAt: null,
  endedAt: null,
  retryAt: null,
  task: null,
  rejected: false,
}

export function initialState(facts: RunFacts, plan: Plan): RunState {
  return {
    facts,
    plan,
    status: "running",
    pauseReason: null,
    steps: plan.steps.map(() => PENDING),
    open: plan.steps.length,
    moving: 0,
    waiting: 0,
    completedAt: null,
    failureCode: null,
    failedStepId: null,
    error: null,
    drainDeadline: null,
    seq: 0,
  }
}

export function isFinal(status: RunStatus): boolean {
  return status === "completed" || status === "failed" || status === "stopped"
}

export function isEnded(status: StepStatus): boolean {
  return status === "completed" || status === "failed" || status === "cancelled" || status === "skipped"
}

/** When the run next has to look at the clock; null when only an answer can move it. */
export function wakeAt(state: RunState): number | null {
  if (isFinal(state.status)) return null
  let due = state.drainDeadline
  const earlier = (at: number | null) => {
    if (at !== null && (due === null || at < due)) due = at
  }
  // A paused run starts no attempt, but its tasks still expire.
  const retries = state.status === "running"
  for (const step of state.steps) {
    if (step.status === "running" && retries) earlier(step.retryAt)
    else if (step.status === "waiting") earlier(step.task?.expiresAt ?? null)
  }
  return due
}
