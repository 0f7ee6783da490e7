import type { JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export const defineAgents = (k: ColumnKit) => {
  /** Reusable definitions of agents, installed in a project (contract §12). */
  const agents = k.table(
    "agents",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      name: k.text("name").notNull(),
      description: k.text("description").notNull(),
      instructions: k.text("instructions").notNull(),
      modelRef: k.text("model_ref").notNull(),
      /** The rest as the API has it: params, tools, schemas, limits, confirmations (contract G-30). */
      definition: k.json<JsonObject>("definition").notNull(),
      status: k.text("status").notNull(),
      createdBy: k.text("created_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.index("agents_project").on(t.tenantId, t.projectId, t.createdAt)],
  )

  /** What a recorded run sent to models and tools, and what came back. */
  const runRecordings = k.table(
    "run_recordings",
    {
      runId: k.text("run_id").notNull(),
      /** From 1, in the order of the answers. */
      seq: k.int("seq").notNull(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      stepId: k.text("step_id").notNull(),
      item: k.int("item"),
      /** Of the step's entry (contract §4.6), from 0; the attempt from 1. */
      round: k.int("round").notNull(),
      attempt: k.int("attempt").notNull(),
      /** `model` or `tool`. */
      kind: k.text("kind").notNull(),
      /** SHA-256 of the request in canonical form, hex: what a replay looks for. */
      requestHash: k.text("request_hash").notNull(),
      request: k.json<JsonObject>("request").notNull(),
      response: k.json<JsonObject>("response").notNull(),
      createdAt: k.ms("created_at").notNull(),
    },
    t => [
      k.pk({ columns: [t.runId, t.seq] }),
      // The sweep.
      k.index("run_recordings_created").on(t.createdAt),
    ],
  )

  return { agents, runRecordings }
}
