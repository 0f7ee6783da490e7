import type { JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export type ConnectionStatus = "active" | "reconnect_required" | "error"

export const defineConnections = (k: ColumnKit) => {
  /** Saved credentials of a workspace. The secrets are in the vault, under `connection:<id>:<key>`. */
  const connections = k.table(
    "connections",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      displayName: k.text("display_name").notNull(),
      /** `custom`, `google_account`, `whatsapp`, `mcp_oauth`. */
      provider: k.text("provider").notNull(),
      service: k.text("service").notNull(),
      status: k.text("status").$type<ConnectionStatus>().notNull(),
      /** Why it is not active, as a sentence. */
      statusReason: k.text("status_reason"),
      /** Whom the service knows it as, e.g. an e-mail. */
      account: k.text("account"),
      metadata: k.json<JsonObject>("metadata").notNull(),
      /** When the access token runs out; null: it does not, or nobody said. */
      expiresAt: k.ms("expires_at"),
      createdBy: k.text("created_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.index("connections_tenant").on(t.tenantId, t.createdAt), k.index("connections_expiry").on(t.expiresAt)],
  )

  /** What may be shown of each secret. */
  const connectionCredentials = k.table(
    "connection_credentials",
    {
      connectionId: k
        .text("connection_id")
        .notNull()
        .references(() => connections.id),
      key: k.text("key").notNull(),
      /** The last characters, of secrets long enough that they give nothing away; else empty. */
      last4: k.text("last4").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.pk({ columns: [t.connectionId, t.key] })],
  )

  /** Sign-ins at another service that are under way. The PKCE verifier is in the vault, under `oauth_state:<id>`. */
  const oauthStates = k.table(
    "oauth_states",
    {
      /** SHA-256 of the `state`, hex: only its bearer can end what it began. */
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      userId: k.text("user_id").notNull(),
      /** `google` or `mcp`. */
      flow: k.text("flow").notNull(),
      /** The connection that gets the new tokens; null: one is made. */
      connectionId: k.text("connection_id"),
      request: k.json<JsonObject>("request").notNull(),
      expiresAt: k.ms("expires_at").notNull(),
      usedAt: k.ms("used_at"),
    },
    t => [k.index("oauth_states_expiry").on(t.expiresAt)],
  )

  /** Whose connection an instance uses in the runs of one workflow, in place of its profile's (contract §7.4). */
  const connectionOverrides = k.table(
    "connection_overrides",
    {
      workflowId: k.text("workflow_id").notNull(),
      instanceId: k.text("instance_id").notNull(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      connectionId: k.text("connection_id").notNull(),
    },
    t => [
      k.pk({ columns: [t.workflowId, t.instanceId] }),
      k.index("connection_overrides_connection").on(t.tenantId, t.connectionId),
    ],
  )

  return { connections, connectionCredentials, oauthStates, connectionOverrides }
}
