import type { RunFacts, RunStatus } from "../engine/state.ts"
import type { Addition, Statement } from "./database.ts"

const DAY_MS = 86_400_000

/** In place of a workflow's id: all workflows of the project, so that the feed adds up days and not days of workflows. */
export const ALL_WORKFLOWS = ""

const ADD = `INSERT INTO run_counts (tenant_id, project_id, workflow_id, status, day, n) VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (tenant_id, project_id, workflow_id, status, day) DO UPDATE SET n = run_counts.n + excluded.n`

/** Days since the epoch, UTC. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS)
}

export function startOfDay(day: number): number {
  return day * DAY_MS
}

const NONE: readonly Addition[] = []

/** What a run that changes its status changes in `run_counts`. `was`: null for a new run. */
export function countsOf(run: RunFacts, was: RunStatus | null, is: RunStatus): readonly Addition[] {
  if (was === is) return NONE
  return was === null ? [change(run, is, 1)] : [change(run, was, -1), change(run, is, 1)]
}

function change({ tenantId, projectId, workflowId, startedAt }: RunFacts, status: RunStatus, n: number): Addition {
  return { key: [tenantId, projectId, workflowId, status, dayOf(startedAt)], n, write }
}

/** Of the workflow, and of all of its project. */
function write(key: Addition["key"], sum: number): readonly Statement[] {
  return [
    { sql: ADD, params: [...key, sum] },
    { sql: ADD, params: [...key.with(2, ALL_WORKFLOWS), sum] },
  ]
}
