import { isNotNull, isNull } from "drizzle-orm"
import type { ParentStep } from "../../engine/state.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export type TaskStatus = "pending" | "completed" | "expired" | "cancelled"

export const defineRuns = (k: ColumnKit) => {
  /** One row a run: what lists need. What happened is in `run_events`. */
  const runs = k.table(
    "runs",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      workflowId: k.text("workflow_id").notNull(),
      workflowName: k.text("workflow_name").notNull(),
      version: k.int("version").notNull(),
      status: k.text("status").notNull(),
      pauseReason: k.text("pause_reason"),
      triggerType: k.text("trigger_type").notNull(),
      /** The merged input, `{{input.*}}` (contract §4.2). */
      input: k.json<JsonObject>("input").notNull(),
      /** Auto roots that the caller excluded; null for none. */
      excludedStepIds: k.json<string[]>("excluded_step_ids"),
      /** The run that started this one by `workflow_call`, and which of its steps; null for the others. */
      parentRunId: k.text("parent_run_id"),
      parent: k.json<ParentStep>("parent"),
      createdBy: k.text("created_by").notNull(),
      startedAt: k.ms("started_at").notNull(),
      completedAt: k.ms("completed_at"),
      failureCode: k.text("failure_code"),
      failedStepId: k.text("failed_step_id"),
      error: k.text("error"),
      /** A caller's name for this start; unique in its project. */
      idempotencyKey: k.text("idempotency_key"),
      /** SHA-256 of what was asked for under that key, hex: the same key for something else is a mistake. */
      idempotencyHash: k.text("idempotency_hash"),
      /** The boot of the node that owns the run while it can move; another boot takes over what an ended one left. */
      ownerBootId: k.text("owner_boot_id"),
      /** When the run next has to look at the clock (retry, expiry); null when only an answer can move it. */
      wakeAt: k.ms("wake_at"),
    },
    t => [
      k.index("runs_feed").on(t.tenantId, t.projectId, t.startedAt),
      k.index("runs_workflow").on(t.workflowId, t.startedAt),
      k.index("runs_live").on(t.tenantId, t.projectId, t.startedAt).where(isNull(t.completedAt)),
      k.index("runs_owner").on(t.ownerBootId).where(isNotNull(t.ownerBootId)),
      k.index("runs_parent").on(t.parentRunId).where(isNotNull(t.parentRunId)),
      k.index("runs_wake").on(t.wakeAt).where(isNotNull(t.wakeAt)),
      k.unique("runs_idempotency").on(t.projectId, t.idempotencyKey).where(isNotNull(t.idempotencyKey)),
    ],
  )

  /** The journal. `(run_id, seq)` is unique: an owner that lost its lease cannot append. */
  const runEvents = k.table(
    "run_events",
    {
      runId: k.text("run_id").notNull(),
      seq: k.int("seq").notNull(),
      type: k.text("type").notNull(),
      stepId: k.text("step_id"),
      data: k.json<JsonObject>("data").notNull(),
      createdAt: k.ms("created_at").notNull(),
    },
    t => [k.pk({ columns: [t.runId, t.seq] })],
  )

  const humanTasks = k.table(
    "human_tasks",
    {
      runId: k.text("run_id").notNull(),
      taskId: k.text("task_id").notNull(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      workflowId: k.text("workflow_id").notNull(),
      workflowName: k.text("workflow_name").notNull(),
      stepId: k.text("step_id").notNull(),
      stepName: k.text("step_name").notNull(),
      taskType: k.text("task_type").notNull(),
      payload: k.json<Json>("payload").notNull(),
      status: k.text("status").$type<TaskStatus>().notNull(),
      createdAt: k.ms("created_at").notNull(),
      expiresAt: k.ms("expires_at"),
      endedAt: k.ms("ended_at"),
      endedBy: k.text("ended_by"),
    },
    t => [
      k.pk({ columns: [t.runId, t.taskId] }),
      k.index("human_tasks_inbox").on(t.tenantId, t.projectId, t.status, t.createdAt),
    ],
  )

  return { runs, runEvents, humanTasks }
}
