import type { JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export type McpServerStatus = "draft" | "active" | "error"

export const defineMcp = (k: ColumnKit) => {
  /** Tool servers that a workspace registered. Those of the catalog are in the executable. */
  const mcpServers = k.table(
    "mcp_servers",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      name: k.text("name").notNull(),
      /** Its name in lower case with underscores. */
      service: k.text("service").notNull(),
      description: k.text("description").notNull(),
      /** The portable name that graphs use; for a server on the network the address that is called, too. */
      canonicalUrl: k.text("canonical_url").notNull(),
      /** `third_party`. */
      mode: k.text("mode").notNull(),
      /** How it is told who calls: `none`, `token`, `hmac`, `bearer`, `oauth`. */
      authMode: k.text("auth_mode").notNull(),
      status: k.text("status").$type<McpServerStatus>().notNull(),
      /** Why it is in error, as a sentence. */
      statusReason: k.text("status_reason"),
      /** In place of the canonical URL: where a bridge leads, and how it is authorised there (contract §8.1). */
      bridge: k.json<JsonObject>("bridge"),
      /** The published version whose tools count; null: none yet. */
      activeVersionId: k.text("active_version_id"),
      lastValidation: k.json<JsonObject>("last_validation"),
      lastValidatedAt: k.ms("last_validated_at"),
      createdBy: k.text("created_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.unique("mcp_servers_url").on(t.tenantId, t.canonicalUrl), k.index("mcp_servers_tenant").on(t.tenantId, t.createdAt)],
  )

  /** Tools and configuration of a registered server, as published. */
  const mcpServerVersions = k.table(
    "mcp_server_versions",
    {
      id: k.text("id").primaryKey(),
      serverId: k
        .text("server_id")
        .notNull()
        .references(() => mcpServers.id),
      tenantId: k.text("tenant_id").notNull(),
      version: k.text("version").notNull(),
      tools: k.json<JsonObject[]>("tools").notNull(),
      configSchema: k.json<JsonObject>("config_schema").notNull(),
      createdBy: k.text("created_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
    },
    t => [k.unique("mcp_server_versions_name").on(t.serverId, t.version)],
  )

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

  return { mcpServers, mcpServerVersions, mcpInstances, mcpConfigProfiles }
}
