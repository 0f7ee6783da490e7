import type { Vault } from "../../adapters/vault/vault.ts"
import type { ConfigField, ConfigSchema } from "../../connectors/connector.ts"
import type { CredentialsOf } from "../../connectors/credentials.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import type { Writer } from "../../storage/database.ts"
import { type Source, sourcesOf, vaultNameOf, type Wiring } from "./wiring.ts"

export interface ProfileValuesDeps {
  readonly credentialsOf: CredentialsOf
  readonly connectionExists: (scope: { readonly tenantId: string }, connectionId: string) => Promise<boolean>
  readonly vault: Vault<Writer>
  /** The variables that profiles may read, with their values; nothing else of the environment is here. */
  readonly env: ReadonlyMap<string, string>
}

/** The values a tool is called with, or a sentence that says what is in the way. */
export type Values =
  | {
      readonly ok: true
      readonly config: JsonObject
      readonly connectionId: string | null
      /** Keys whose values came from a connection, the vault or the environment: secrets, whatever the schema says. */
      readonly sourcedKeys: ReadonlySet<string>
    }
  | { readonly ok: false; readonly message: string }

export interface Wired extends Wiring {
  readonly tenantId: string
}

/** Reads what the wiring of a profile points to. Throws only when the database does. */
export class ProfileValues {
  constructor(private readonly deps: ProfileValuesDeps) {}

  /** `override`: the connection that takes the place of the profile's own (contract §7.4). */
  async read(schema: ConfigSchema, wired: Wired, override: string | null): Promise<Values> {
    const config: Record<string, Json> = { ...wired.config }
    const own = sourcesOf(wired)
    const overriding = override === null ? null : await this.#overriding(schema, wired, own, override)
    if (overriding !== null && !overriding.ok) return overriding
    const sources = overriding?.sources ?? own
    for (const [key, source] of sources) {
      const value = await this.#value(wired, source)
      if (!value.ok) return { ok: false, message: `${key}: ${value.message}` }
      config[key] = typeof value.value === "string" ? typed(schema[key], value.value) : value.value
    }
    const [connectionId = null] = sources.flatMap(([, source]) => (source.source === "connection" ? [source.connectionId] : []))
    const sourcedKeys = new Set(sources.flatMap(([key, { source }]) => (source === "literal" ? [] : [key])))
    return { ok: true, config, connectionId, sourcedKeys }
  }

  /** The keys of a schema that a connection can give, each with the credential that gives it. Throws `invalid` when there are none. */
  async bind(schema: ConfigSchema, wired: { readonly tenantId: string }, connectionId: string): Promise<JsonObject> {
    const credentials = await this.deps.credentialsOf(wired, connectionId)
    if (!credentials.ok) throw new AppError("invalid", `connection_id: ${credentials.message}`)
    const bound = matching(schema, Object.keys(credentials.values))
    if (bound.length === 0) {
      const wanted = Object.keys(schema).join(", ") || "nothing"
      const sentence = `connection_id: the connection has ${Object.keys(credentials.values).join(", ")}, the server takes ${wanted}`
      throw new AppError("invalid", `${sentence}; name the pairs in source_spec`)
    }
    return Object.fromEntries(
      bound.map(([key, credential]) => [key, { source: "connection", connection_id: connectionId, key: credential }]),
    )
  }

  /** Throws `invalid` when the workspace has no such connection. One that needs a new sign-in may be named. */
  async requireConnection(scope: { readonly tenantId: string }, connectionId: string): Promise<void> {
    if (!(await this.deps.connectionExists(scope, connectionId)))
      throw new AppError("invalid", "connection_id names no connection of this workspace; see GET /v1/connections")
  }

  async #overriding(
    schema: ConfigSchema,
    wired: Wired,
    own: readonly (readonly [string, Source])[],
    connectionId: string,
  ): Promise<{ ok: true; sources: readonly (readonly [string, Source])[] } | { ok: false; message: string }> {
    const connected = own.filter(([, source]) => source.source === "connection")
    const rest = own.filter(([, source]) => source.source !== "connection")
    if (connected.length > 0)
      return { ok: true, sources: [...rest, ...connected.map(([key, s]) => [key, { ...s, connectionId } as Source] as const)] }
    const credentials = await this.deps.credentialsOf(wired, connectionId)
    if (!credentials.ok) return { ok: false, message: `the workflow's connection override: ${credentials.message}` }
    const bound = matching(schema, Object.keys(credentials.values)).map(
      ([key, credential]) => [key, { source: "connection", connectionId, key: credential } as const] as const,
    )
    const taken = new Set(bound.map(([key]) => key))
    return { ok: true, sources: [...rest.filter(([key]) => !taken.has(key)), ...bound] }
  }

  async #value({ tenantId }: Wired, source: Source): Promise<{ ok: true; value: Json } | { ok: false; message: string }> {
    switch (source.source) {
      case "literal":
        return { ok: true, value: source.value }
      case "connection": {
        const credentials = await this.deps.credentialsOf({ tenantId }, source.connectionId)
        if (!credentials.ok) return credentials
        const value = Object.hasOwn(credentials.values, source.key) ? credentials.values[source.key] : undefined
        return value === undefined
          ? { ok: false, message: `the connection has no credential ${source.key}` }
          : { ok: true, value }
      }
      case "vault": {
        const name = vaultNameOf(source.path)
        const value = name === null ? null : await this.#secret(tenantId, name)
        return value === null
          ? { ok: false, message: "its secret is not in the vault any more; give it again" }
          : { ok: true, value }
      }
      case "env": {
        const value = this.deps.env.get(source.name)
        const message = `the server's environment has no ${source.name}, or the setting mcp.env_allow does not open it`
        return value === undefined ? { ok: false, message } : { ok: true, value }
      }
    }
  }

  async #secret(tenantId: string, name: string): Promise<string | null> {
    try {
      return await this.deps.vault.get(tenantId, name)
    } catch (error) {
      if (error instanceof AppError) return null // damaged: the sentence is the same, the log of the vault has the rest
      throw error
    }
  }
}

/** Keys of the same name; else the one secret of both sides, as `api_key` of a connection may be `APIKey` of a server. */
function matching(schema: ConfigSchema, credentials: readonly string[]): readonly (readonly [key: string, credential: string])[] {
  const same = credentials.filter(key => Object.hasOwn(schema, key)).map(key => [key, key] as const)
  if (same.length > 0) return same
  const secrets = Object.keys(schema).filter(key => schema[key]?.secret)
  const [secret] = secrets
  const [credential] = credentials
  return secrets.length === 1 && credentials.length === 1 && secret && credential ? [[secret, credential]] : []
}

/** Saved secrets and variables are text; a value that cannot be read as its key's type stays text, and the tool says so. */
function typed(field: ConfigField | undefined, text: string): Json {
  if (field?.type === "number" && text.trim() !== "" && Number.isFinite(Number(text))) return Number(text)
  if (field?.type === "boolean" && (text === "true" || text === "false")) return text === "true"
  return text
}
