import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { STEP_RESULT_MAX_BYTES } from "../../kernel/limits.ts"
import type { Runs } from "../../runtime/runs.ts"
import type { RunService } from "../runs/service.ts"
import type { TaskBody } from "./contract.ts"
import type { TaskRow, TaskStore } from "./store.ts"

export interface TaskServiceDeps {
  readonly store: TaskStore
  readonly runs: Runs
  readonly runService: RunService
}

export class TaskService {
  constructor(private readonly deps: TaskServiceDeps) {}

  async inbox(caller: Caller, page: Page) {
    if (caller.projectIds.length === 0) return { tasks: [], total: 0, ...page }
    return listOf(await this.deps.store.pending({ tenantId: caller.tenantId, projectIds: caller.projectIds }, page), page)
  }

  async ofRun(caller: Caller, workflowId: string, runId: string, page: Page) {
    await this.deps.runService.get(caller, workflowId, runId) // 404 for a run of somebody else
    const filter = { tenantId: caller.tenantId, projectIds: [caller.projectId], runId }
    return listOf(await this.deps.store.pending(filter, page), page)
  }

  /** The answer is given when it is on disk; a second one is refused (contract §4.8). */
  async complete(caller: Caller, workflowId: string, runId: string, taskId: string, approved: boolean, result: JsonObject) {
    if (Buffer.byteLength(JSON.stringify(result)) > STEP_RESULT_MAX_BYTES) {
      throw new AppError(
        "too_large",
        `result is larger than ${STEP_RESULT_MAX_BYTES} bytes; store it elsewhere and pass a reference`,
      )
    }
    const task = await this.deps.store.find(caller, workflowId, runId, taskId)
    if (!task) throw new AppError("not_found", "there is no such task of this run")
    const { accepted } = await this.deps.runs.send(runId, { type: "TaskCompleted", taskId, approved, result, by: caller.userId })
    if (!accepted) throw await this.#ended(caller, workflowId, runId, taskId)
    return { status: "completed" as const, task_id: taskId, approved }
  }

  async #ended(caller: Caller, workflowId: string, runId: string, taskId: string): Promise<AppError> {
    const task = await this.deps.store.find(caller, workflowId, runId, taskId)
    const status = task?.status ?? "completed"
    const code = status === "completed" ? "TASK_ALREADY_COMPLETED" : "TASK_NOT_PENDING"
    return new AppError("conflict", `the task is ${status} already`, { code, fields: { status } })
  }
}

function listOf({ items, total }: { items: readonly TaskRow[]; total: number }, page: Page) {
  return { tasks: items.map(taskBody), total, ...page }
}

function taskBody(row: TaskRow): TaskBody {
  return {
    id: row.taskId,
    task_id: row.taskId,
    run_id: row.runId,
    workflow_id: row.workflowId,
    workflow_name: row.workflowName,
    step_id: row.stepId,
    step_name: row.stepName,
    task_type: row.taskType,
    task_payload: row.payload,
    status: row.status,
    created_at: rfc3339(row.createdAt),
    expires_at: rfc3339OrNull(row.expiresAt),
  }
}
