import type { ColumnKit } from "../columns.ts"

export const defineEgress = (k: ColumnKit) => {
  /** What went out, or tried to, and who asked. Kept while the instance is sealed. */
  const egressAttempts = k.table(
    "egress_attempts",
    {
      id: k.text("id").primaryKey(),
      at: k.ms("at").notNull(),
      /** Null for what the instance does by itself. */
      tenantId: k.text("tenant_id"),
      projectId: k.text("project_id"),
      userId: k.text("user_id"),
      runId: k.text("run_id"),
      stepId: k.text("step_id"),
      /** Which part of the runtime asked, e.g. `connector github`. */
      what: k.text("what").notNull(),
      /** `https`, `http`, `tcp`, `other`. */
      protocol: k.text("protocol").notNull(),
      host: k.text("host").notNull(),
      port: k.int("port").notNull(),
      allowed: k.bool("allowed").notNull(),
      /** Why it was refused; null when it was not. */
      reason: k.text("reason"),
    },
    t => [k.index("egress_attempts_at").on(t.at), k.index("egress_attempts_tenant").on(t.tenantId, t.at)],
  )

  return { egressAttempts }
}
