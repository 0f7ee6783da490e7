import { isInScope } from "../../engine/episode.ts"
import { explain } from "../../engine/explain.ts"
import { type Episode, isFinal, pendingTasks, type RunState, type StepStatus } from "../../engine/state.ts"
import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { EVENTS_PAGE_MAX_CHARS } from "../../kernel/limits.ts"
import type { PlanSource } from "../../runtime/ports.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { ContextBody, ExplanationBody, OrchestrationPhase, RunBody } from "./contract.ts"
import { eventBody } from "./event-body.ts"
import type { RunFilter, RunRow } from "./list-store.ts"
import type { RunStore } from "./store.ts"

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
      pending_tasks: pendingTasks(state).length,
    }
  }

  async events(caller: Caller, workflowId: string, runId: string, afterSeq: number, limit: number) {
    const row = await this.#row(caller, workflowId, runId)
    const plan = await this.deps.plans.planOf(workflowId, row.version)
    const { items, total } = await this.deps.store.events(runId, afterSeq, limit, EVENTS_PAGE_MAX_CHARS)
    const events = items.map(e => eventBody(runId, workflowId, plan, e))
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
      custom: state.episode ? { episode: episodeOf(state, state.episode) } : {},
    }
  }

  async explain(caller: Caller, workflowId: string, runId: string, stepId: string): Promise<ExplanationBody> {
    await this.#row(caller, workflowId, runId)
    const state = await this.#state(runId)
    const index = state.plan.indexOf.get(stepId)
    if (index === undefined) throw new AppError("not_found", "the version that the run uses has no such step")
    const { status, message, because } = explain(state, index)
    return {
      ...{ run_id: runId, step_id: stepId, status, message },
      because: because.map(({ kind, stepId: step_id, message, values }) => ({
        kind,
        step_id,
        message,
        ...(values && { values }),
      })),
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

/** As contract §4.6 names it. */
function episodeOf(state: RunState, { granted, senders, closed }: Episode) {
  const all = (ids: readonly string[]) => Object.fromEntries(ids.map(id => [id, true]))
  const inScope = state.plan.steps.filter(step => isInScope(state, step.index)).map(step => step.id)
  return {
    entry_granted: all(granted),
    in_scope: all(inScope),
    runtime_depends_on: Object.fromEntries(Object.entries(senders).map(([id, from]) => [id, [...from]])),
    episode_closed: closed,
  }
}

function phaseOf(state: RunState): OrchestrationPhase {
  if (isFinal(state.status)) return "done"
  if (state.status === "draining") return "draining"
  if (state.pauseReason === "human_task") return "waiting_human"
  return state.steps.every(s => s.status === "pending") ? "starting" : "running"
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
    parent_run_id: row.parentRunId,
    parent_step_id: row.parent?.stepId ?? null,
  }
}
