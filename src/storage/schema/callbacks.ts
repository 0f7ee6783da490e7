import { isNotNull } from "drizzle-orm"
import type { ColumnKit } from "../columns.ts"

export type CallbackStatus = "pending" | "delivered" | "failed"

/** One try to tell the end of a run. */
export interface CallbackAttempt {
  /** When it began, ms. */
  readonly at: number
  readonly durationMs: number
  /** The answer's status; null when there was none. */
  readonly status: number | null
  readonly error: string | null
}

export const defineCallbacks = (k: ColumnKit) => {
  /** The outbox of run ends: written in the transaction that ends the run, sent after it until the receiver has it. */
  const runCallbacks = k.table(
    "run_callbacks",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      workflowId: k.text("workflow_id").notNull(),
      runId: k.text("run_id").notNull(),
      url: k.text("url").notNull(),
      status: k.text("status").$type<CallbackStatus>().notNull(),
      createdAt: k.ms("created_at").notNull(),
      /** Null when it is over. */
      nextAttemptAt: k.ms("next_attempt_at"),
      attempts: k.json<readonly CallbackAttempt[]>("attempts").notNull(),
      endedAt: k.ms("ended_at"),
    },
    t => [
      k.index("run_callbacks_run").on(t.runId),
      k.index("run_callbacks_due").on(t.nextAttemptAt).where(isNotNull(t.nextAttemptAt)),
      k.index("run_callbacks_age").on(t.createdAt),
    ],
  )
  return { runCallbacks }
}
