import type { JsonObject } from "../kernel/json.ts"
import { connect } from "./sqlite/driver.ts"

/** The active wiring of one instance of a tool server. */
export interface WiredInstance {
  readonly tenantId: string
  readonly slug: string
  readonly name: string
  readonly config: JsonObject
  readonly sourceSpec: JsonObject
}

export interface SavedConnection {
  readonly id: string
  readonly tenantId: string
  readonly name: string
  readonly provider: string
  readonly metadata: JsonObject
}

export interface SavedModelKey {
  readonly vendor: string
  readonly label: string
  readonly baseUrl: string | null
  readonly options: JsonObject
}

/** What an instance of the runtime keeps that leads outside. */
export interface ReachRows {
  readonly instances: readonly WiredInstance[]
  readonly servers: readonly { readonly name: string; readonly url: string; readonly bridge: JsonObject | null }[]
  readonly connections: readonly SavedConnection[]
  /** Keys of model vendors, and addresses of local model servers. */
  readonly modelKeys: readonly SavedModelKey[]
  /** Addresses that will be told when a run ends, or have still to be told. */
  readonly callbacks: readonly string[]
  /** Drafts, and what is published. */
  readonly graphs: readonly { readonly name: string; readonly graph: JsonObject }[]
  /** Sealed as it lies there, with its workspace's wrapped key. */
  readonly secrets: ReadonlyMap<string, SealedSecret>
}

export interface SealedSecret {
  readonly tenantId: string
  readonly name: string
  readonly sealed: Uint8Array
  readonly wrappedKey: Uint8Array
}

export const NO_ROWS: ReachRows = {
  instances: [],
  servers: [],
  connections: [],
  modelKeys: [],
  callbacks: [],
  graphs: [],
  secrets: new Map(),
}

export function secretKey(tenantId: string, name: string): string {
  return JSON.stringify([tenantId, name])
}

const INSTANCES = `SELECT i.tenant_id, i.server_slug, i.name, p.config, p.source_spec FROM mcp_instances i
  JOIN mcp_config_profiles p ON p.instance_id = i.id AND p.active ORDER BY i.created_at`
const CONNECTIONS = "SELECT id, tenant_id, display_name, provider, metadata FROM connections ORDER BY created_at"
const CALLBACKS = `SELECT url FROM run_callbacks WHERE next_attempt_at IS NOT NULL
  UNION SELECT callback_url FROM runs WHERE callback_url IS NOT NULL AND completed_at IS NULL`
const GRAPHS = `SELECT name, graph FROM workflows WHERE archived_at IS NULL
  UNION ALL SELECT w.name, v.graph FROM workflow_versions v
  JOIN workflows w ON w.id = v.workflow_id AND w.latest_version = v.version WHERE w.archived_at IS NULL`
/** Of what may name an address: profiles and connections. */
const SECRETS = `SELECT s.tenant_id, s.name, s.sealed, k.wrapped_key FROM vault_secrets s JOIN vault_keys k ON k.tenant_id = s.tenant_id
  WHERE s.name LIKE 'profile:%' OR s.name LIKE 'connection:%'`

/** Looks at a database file without changing it; a running server is not disturbed. Older files lack some of the tables. */
export function inspectReach(path: string): ReachRows {
  const connection = connect(path, { readonly: true })
  const has = (table: string) =>
    connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !== undefined
  const all = (table: string, sql: string) =>
    (has(table) ? connection.prepare(sql).all() : []) as Readonly<Record<string, unknown>>[]
  try {
    const secrets = all("vault_secrets", SECRETS).map(row => ({
      tenantId: String(row.tenant_id),
      name: String(row.name),
      sealed: row.sealed as Uint8Array,
      wrappedKey: row.wrapped_key as Uint8Array,
    }))
    return {
      instances: all("mcp_config_profiles", INSTANCES).map(row => ({
        tenantId: String(row.tenant_id),
        slug: String(row.server_slug),
        name: String(row.name),
        config: objectOf(row.config),
        sourceSpec: objectOf(row.source_spec),
      })),
      servers: all("mcp_servers", "SELECT name, canonical_url, bridge FROM mcp_servers ORDER BY created_at").map(row => ({
        name: String(row.name),
        url: String(row.canonical_url),
        bridge: row.bridge === null ? null : objectOf(row.bridge),
      })),
      connections: all("connections", CONNECTIONS).map(row => ({
        id: String(row.id),
        tenantId: String(row.tenant_id),
        name: String(row.display_name),
        provider: String(row.provider),
        metadata: objectOf(row.metadata),
      })),
      modelKeys: all(
        "llm_provider_keys",
        "SELECT vendor, label, base_url, options FROM llm_provider_keys ORDER BY created_at",
      ).map(row => ({
        vendor: String(row.vendor),
        label: String(row.label),
        baseUrl: row.base_url === null ? null : String(row.base_url),
        options: objectOf(row.options),
      })),
      callbacks: all("run_callbacks", CALLBACKS).map(row => String(row.url)),
      graphs: all("workflow_versions", GRAPHS).map(row => ({ name: String(row.name), graph: objectOf(row.graph) })),
      secrets: new Map(secrets.map(secret => [secretKey(secret.tenantId, secret.name), secret])),
    }
  } finally {
    connection.close()
  }
}

function objectOf(text: unknown): JsonObject {
  return JSON.parse(String(text)) as JsonObject
}
