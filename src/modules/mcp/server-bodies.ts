import type { ConfigSchema, Tool } from "../../connectors/connector.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import type { RegisteredServer } from "./remote-server.ts"
import { remoteToolOf, toolOf } from "./remote-tools.ts"
import type { ServerBody, ServerToolBody, VersionBody } from "./server-contract.ts"
import type { ServerRow, VersionRow } from "./server-store.ts"

/** `row` null: the operator's. */
export function serverBody(
  server: RegisteredServer,
  row: ServerRow | null,
  tools: readonly Tool[],
  drift: ServerBody["drift"],
): ServerBody {
  return {
    id: server.id,
    name: server.name,
    service: server.service,
    description: server.description,
    canonical_url: server.canonicalUrl,
    mode: row?.mode ?? "operator",
    auth_mode: server.authMode,
    bridge: row?.bridge ? { ...row.bridge } : null,
    status: server.status,
    status_reason: row?.statusReason ?? null,
    version: server.version,
    tool_count: tools.length,
    tool_names: tools.map(tool => tool.name),
    config_schema: configSchemaBody(server.configSchema),
    drift,
    last_validated_at: rfc3339OrNull(row?.lastValidatedAt ?? null),
    created_at: rfc3339OrNull(row?.createdAt ?? null),
    updated_at: rfc3339OrNull(row?.updatedAt ?? null),
  }
}

export function versionBody(row: VersionRow, active: boolean): VersionBody {
  const tools = row.tools.map(stored => toolOf(remoteToolOf(stored)))
  return {
    id: row.id,
    server_id: row.serverId,
    version: row.version,
    active,
    tools: tools.map(toolBody),
    tool_count: tools.length,
    config_schema: configSchemaBody(row.configSchema as unknown as ConfigSchema), // checked when it was published
    created_by: row.createdBy,
    created_at: rfc3339(row.createdAt),
  }
}

export function toolBody({ name, description, inputSchema, outputSchema, annotations }: Tool): ServerToolBody {
  return { name, description, input_schema: inputSchema, output_schema: outputSchema ?? null, annotations: { ...annotations } }
}

export function configSchemaBody(schema: ConfigSchema): ServerBody["config_schema"] {
  return schema as ServerBody["config_schema"] // readonly there
}
