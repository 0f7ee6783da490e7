import { isFinal, type RunState, type StepStatus } from "../../engine/state.ts"
import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { PlanSource } from "../../runtime/ports.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { ContextBody, EventBody, OrchestrationPhase, RunBody } from "./contract.ts"
import { eventId } from "./event-id.ts"
import type { RunFilter, RunRow, RunStore } from "./store.ts"

export interface RunServiceDeps {
  readonly store: RunStore
  readonly runs: Runs
  readonly plans: PlanSource
}

/** What can be read of runs. */
export class RunService {
  constructor(private readonly deps: RunServiceDeps) {}

  async list(filter: RunFilter, page: Page) {
    if (filter.projectIds.length === 0) return { runs: [], total: 0, ...page }
    const { items, total } = await this.deps.store.list(filter, page)
    return { runs: items.map(runBody), total, ...page }
  }

  async get(caller: Caller, workflowId: string, runId: string): Promise<RunBody> {
    return runBody(await this.#row(caller, workflowId, runId))
  }

  async summary(caller: Caller, workflowId: string, runId: string) {
    const row = await this.#row(caller, workflowId, runId)
    const state = await this.#state(runId)
    const count = (...statuses: StepStatus[]) => state.steps.filter(s => statuses.includes(s.status)).length
    return {
      ...runBody(row),
      orchestration_phase: phaseOf(state),
      session_id: null,
      run_complete: isFinal(state.status),
      steps: {
        total: state.steps.length,
        completed: count("completed"),
        failed: count("failed"),
        skipped: count("skipped"),
        cancelled: count("cancelled"),
        running: count("running", "waiting"),
        pending: count("pending"),
      },
      pending_tasks: count("waiting"),
    }
  }

  async events(caller: Caller, workflowId: string, runId: string, afterSeq: number, limit: number) {
    const row = await this.#row(caller, workflowId, runId)
    const plan = await this.deps.plans.planOf(workflowId, row.version)
    const { items, total } = await this.deps.store.events(runId, afterSeq, limit)
    const events = items.map((e): EventBody => {
      const step = e.stepId === null ? undefined : plan.steps[plan.indexOf.get(e.stepId) ?? -1]
      const at = rfc3339(e.createdAt)
      return {
        id: eventId(runId, e.seq),
        seq: e.seq,
        run_id: runId,
        workflow_id: workflowId,
        step_id: e.stepId,
        step_name: step?.name ?? null,
        step_type: step?.type.type ?? null,
        event_type: e.type,
        type: e.type,
        data: readable(e.data),
        created_at: at,
        timestamp: at,
      }
    })
    return { events, total, limit, after_seq: afterSeq }
  }

  async context(caller: Caller, workflowId: string, runId: string): Promise<ContextBody> {
    await this.#row(caller, workflowId, runId)
    const state = await this.#state(runId)
    const steps = state.steps.map((s, i) => [
      state.plan.steps[i]!.id,
      {
        status: s.status,
        attempt: s.attempt,
        input: s.input,
        result: s.result ?? null,
        error: s.error,
        failure_code: s.failureCode,
        skip_reason: s.skipReason,
        started_at: rfc3339OrNull(s.startedAt),
        completed_at: rfc3339OrNull(s.endedAt),
      },
    ])
    return {
      run_id: runId,
      status: state.status,
      input: state.facts.input,
      steps: Object.fromEntries(steps),
      variables: {},
      custom: {},
    }
  }

  async #row(caller: Caller, workflowId: string, runId: string): Promise<RunRow> {
    const row = await this.deps.store.find(caller, workflowId, runId)
    if (!row) throw new AppError("not_found", "there is no such run of this workflow")
    return row
  }

  async #state(runId: string): Promise<RunState> {
    const state = await this.deps.runs.inspect(runId)
    if (!state) throw new AppError("not_found", "there is no such run of this workflow")
    return state
  }
}

function phaseOf(state: RunState): OrchestrationPhase {
  if (isFinal(state.status)) return "done"
  if (state.status === "draining") return "draining"
  if (state.pauseReason === "human_task") return "waiting_human"
  return state.steps.every(s => s.status === "pending") ? "starting" : "running"
}

/** Moments inside `data` are numbers in the journal, and timestamps like all others in the API. */
function readable(data: EventBody["data"]): EventBody["data"] {
  const result: Record<string, unknown> = { ...(data as Record<string, unknown>) }
  for (const name of ["retry_at", "expires_at", "drain_deadline"]) {
    const value = result[name]
    if (typeof value === "number") result[name] = rfc3339(value)
  }
  return result
}

export function runBody(row: RunRow): RunBody {
  return {
    id: row.id,
    run_id: row.id,
    workflow_id: row.workflowId,
    workflow_name: row.workflowName,
    version: row.version,
    tenant_id: row.tenantId,
    project_id: row.projectId,
    status: row.status,
    pause_reason: row.pauseReason,
    trigger_type: row.triggerType,
    started_at: rfc3339(row.startedAt),
    completed_at: rfc3339OrNull(row.completedAt),
    duration_ms: row.completedAt === null ? null : row.completedAt - row.startedAt,
    failure_code: row.failureCode,
    error: row.error,
    failed_step_id: row.failedStepId,
    created_by: row.createdBy,
  }
}
