import type { Json, JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export type WorkflowStatus = "draft" | "published" | "archived"

/** Saved defaults of a start (contract §5). */
export interface RunSetup {
  readonly trigger_step_ids?: readonly string[]
  readonly trigger_payload?: JsonObject
  readonly trigger_steps?: { readonly [stepId: string]: JsonObject }
}

/** By server URL or instance id, then by tool name: the hash of the tool's description and schemas. */
export type PinnedTools = { readonly [server: string]: { readonly [tool: string]: string } }

/** Names come from graphs and servers: one may be called like what every object inherits. */
export function pinnedHash(pins: PinnedTools, server: string, tool: string): string | undefined {
  const tools = Object.hasOwn(pins, server) ? pins[server]! : {}
  return Object.hasOwn(tools, tool) ? tools[tool] : undefined
}

export const defineWorkflows = (k: ColumnKit) => {
  const workflows = k.table(
    "workflows",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      name: k.text("name").notNull(),
      description: k.text("description").notNull(),
      status: k.text("status").$type<WorkflowStatus>().notNull(),
      /** The draft, as it was sent. */
      graph: k.json<JsonObject>("graph").notNull(),
      runSetup: k.json<RunSetup>("run_setup"),
      inputSchema: k.json<Json>("input_schema"),
      /** Its runs keep what models and tools were asked and said, unless their start says otherwise; null: they do not. */
      recording: k.bool("recording"),
      latestVersion: k.int("latest_version"),
      createdBy: k.text("created_by").notNull(),
      updatedBy: k.text("updated_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
      archivedAt: k.ms("archived_at"),
      archivedBy: k.text("archived_by"),
    },
    t => [k.index("workflows_project").on(t.tenantId, t.projectId, t.updatedAt)],
  )

  /** Published snapshots: written once, never changed but for `run_setup` (contract §5). */
  const workflowVersions = k.table(
    "workflow_versions",
    {
      workflowId: k
        .text("workflow_id")
        .notNull()
        .references(() => workflows.id),
      version: k.int("version").notNull(),
      graph: k.json<JsonObject>("graph").notNull(),
      inputSchema: k.json<Json>("input_schema"),
      runSetup: k.json<RunSetup>("run_setup"),
      /** The tools that its steps call, as they were when it was published; null: by an older executable, nobody looked. */
      tools: k.json<PinnedTools>("tools"),
      changelog: k.text("changelog").notNull(),
      publishedAt: k.ms("published_at").notNull(),
      publishedBy: k.text("published_by").notNull(),
    },
    t => [k.pk({ columns: [t.workflowId, t.version] })],
  )

  return { workflows, workflowVersions }
}
