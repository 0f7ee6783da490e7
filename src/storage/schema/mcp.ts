import type { JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export const defineMcp = (k: ColumnKit) => {
  /** A project's copy of a tool server. */
  const mcpInstances = k.table(
    "mcp_instances",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      /** Id of the server in the catalog; for platform adapters the slug. */
      serverId: k.text("server_id").notNull(),
      serverSlug: k.text("server_slug").notNull(),
      /** Canonical address, the portable name that graphs use. */
      serverUrl: k.text("server_url").notNull(),
      name: k.text("name").notNull(),
      status: k.text("status").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.index("mcp_instances_project").on(t.tenantId, t.projectId, t.serverUrl)],
  )

  /** The wiring of an instance. Exactly one of an instance's profiles is active. */
  const mcpConfigProfiles = k.table(
    "mcp_config_profiles",
    {
      id: k.text("id").primaryKey(),
      instanceId: k
        .text("instance_id")
        .notNull()
        .references(() => mcpInstances.id),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      name: k.text("name").notNull(),
      active: k.bool("active").notNull(),
      /** Literal values by configuration key. */
      config: k.json<JsonObject>("config").notNull(),
      /** Where the other values come from, by configuration key (contract G-25). */
      sourceSpec: k.json<JsonObject>("source_spec").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.index("mcp_config_profiles_instance").on(t.instanceId)],
  )

  return { mcpInstances, mcpConfigProfiles }
}
