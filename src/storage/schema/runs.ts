import { isNotNull } from "drizzle-orm"
import type { ParentStep } from "../../engine/state.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

/** Which members of an event's data are in `run_values`: hash and length of each. */
export type Beside = { readonly [member: string]: { readonly hash: string; readonly chars: number } }

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
      /** The merged input, `{{input.*}}` (contract §4.2); empty when `input_hash` says where it is. */
      input: k.json<JsonObject>("input").notNull(),
      /** Of an input that is kept in `run_values`; null for the others. */
      inputHash: k.text("input_hash"),
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
      /** The boot that owns the run while it can move; when its lease in `boots` ran out, another one takes the run over. */
      ownerBootId: k.text("owner_boot_id"),
      /** When the run next has to look at the clock (retry, expiry); null when only an answer can move it. */
      wakeAt: k.ms("wake_at"),
      /** Who is told when the run ends; null: nobody. */
      callbackUrl: k.text("callback_url"),
    },
    t => [
      // Lists read one range of these for each status: a rare one among millions is found as fast as a common one.
      k.index("runs_status").on(t.tenantId, t.projectId, t.status, t.startedAt, t.id),
      k.index("runs_workflow_status").on(t.workflowId, t.status, t.startedAt, t.id),
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
      /** With null in place of each member that `beside` names. */
      data: k.json<JsonObject>("data").notNull(),
      /** Members of `data` that are kept in `run_values`; null for none. */
      beside: k.json<Beside>("beside"),
      createdAt: k.ms("created_at").notNull(),
    },
    t => [k.pk({ columns: [t.runId, t.seq] })],
  )

  /** Big values of a run's input and events, each once. */
  const runValues = k.table(
    "run_values",
    {
      runId: k.text("run_id").notNull(),
      /** SHA-256 of the value's JSON, hex. */
      hash: k.text("hash").notNull(),
      /** JSON, as text. */
      value: k.text("value").notNull(),
    },
    t => [k.pk({ columns: [t.runId, t.hash] })],
  )

  /** The state of a run with a long journal, folded up to `seq`: what comes behind is all that loading it has to fold. */
  const runSnapshots = k.table("run_snapshots", {
    runId: k.text("run_id").primaryKey(),
    seq: k.int("seq").notNull(),
    /** One in another format than this executable's is as good as none. */
    format: k.int("format").notNull(),
    /** JSON, as text: a damaged one is as good as none, too. */
    state: k.text("state").notNull(),
  })

  /** How many runs there are, so that a list need not count them. Kept by the journal, in the transaction of the run's row. */
  const runCounts = k.table(
    "run_counts",
    {
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      /** Empty: of all workflows of the project. */
      workflowId: k.text("workflow_id").notNull(),
      status: k.text("status").notNull(),
      /** Of the start, in days since the epoch, UTC. */
      day: k.int("day").notNull(),
      n: k.int("n").notNull(),
    },
    t => [k.pk({ columns: [t.tenantId, t.projectId, t.workflowId, t.status, t.day] })],
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

  /** Starts of the process that may own runs. One whose lease ran out, or that is not here, owns nothing any more. */
  const boots = k.table("boots", {
    id: k.text("id").primaryKey(),
    startedAt: k.ms("started_at").notNull(),
    leaseUntil: k.ms("lease_until").notNull(),
  })

  return { runs, runEvents, runValues, runSnapshots, runCounts, humanTasks, boots }
}
