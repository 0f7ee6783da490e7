import { type ConfigIssue, checkConfig } from "../../connectors/config.ts"
import type { ConfigSchema } from "../../connectors/connector.ts"
import { cutKey } from "../../kernel/cut.ts"
import { AppError } from "../../kernel/errors.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"

/** What a profile is made of, as the API takes it and the row keeps it. */
export interface Wiring {
  readonly config: JsonObject
  readonly sourceSpec: JsonObject
}

/** Where one value of a configuration comes from (contract G-25). */
export type Source =
  | { readonly source: "literal"; readonly value: Json }
  | { readonly source: "connection"; readonly connectionId: string; readonly key: string }
  | { readonly source: "vault"; readonly path: string }
  | { readonly source: "env"; readonly name: string }

/** What may be named in the wiring of one profile. */
export interface WiringLimits {
  readonly profileId: string
  /** Variables of the server's environment that the operator lets profiles read. */
  readonly envAllowed: readonly string[]
}

/** The sources by key; of a row only, which was checked when it was saved. */
export function sourcesOf({ sourceSpec }: Wiring): readonly (readonly [key: string, source: Source])[] {
  return Object.entries(sourceSpec).flatMap(([key, json]) => {
    const source = sourceOf(key, json)
    return typeof source === "string" ? [] : [[key, source] as const]
  })
}

/** The values that need nobody to be asked. */
export function plainConfig(wiring: Wiring): JsonObject {
  const literals = sourcesOf(wiring).flatMap(([key, source]) =>
    source.source === "literal" ? [[key, source.value] as const] : [],
  )
  return { ...wiring.config, ...Object.fromEntries(literals) }
}

/** Keys that will have a value, as far as that can be said without asking for it. */
export function wiredKeys(wiring: Wiring): ReadonlySet<string> {
  return new Set([...Object.keys(wiring.config), ...sourcesOf(wiring).map(([key]) => key)])
}

/** Required keys that have neither a value, nor a source, nor a default. */
export function missingIn(schema: ConfigSchema, wiring: Wiring): readonly string[] {
  const wired = wiredKeys(wiring)
  const plain = plainConfig(wiring)
  return Object.keys(schema).filter(key => {
    const { required, default: fallback } = schema[key]!
    return required && (fallback === undefined || fallback === "") && (!wired.has(key) || plain[key] === "")
  })
}

export function connectionIdsIn(wiring: Wiring): readonly string[] {
  return [...new Set(sourcesOf(wiring).flatMap(([, source]) => (source.source === "connection" ? [source.connectionId] : [])))]
}

/**
 * Throws `invalid` (422) with one sentence and all `issues` when the wiring does not fit the server's configuration: a source
 * that cannot be read, a key named twice, an unknown key, a wrong type, somebody else's secret. What is missing is no issue yet:
 * an instance is often made first and connected later.
 */
export function checkWiring(schema: ConfigSchema, wiring: Wiring, limits: WiringLimits): void {
  const sources = sourceIssues(schema, wiring, limits)
  const issues = sources.length > 0 ? sources : checkConfig(schema, plainConfig(wiring))
  if (issues.length === 0) return
  throw new AppError("invalid", `invalid configuration: ${issues.map(issue => issue.message).join("; ")}`, {
    fields: { issues: issues.map(({ key, message }) => ({ key, message })) },
  })
}

export interface SealedWiring {
  readonly wiring: Wiring
  /** By configuration key: what belongs into the vault. */
  readonly secrets: ReadonlyMap<string, string>
}

/** Secrets that were given in plain leave the wiring; in their place it says where in the vault they are. */
export function sealWiring(schema: ConfigSchema, wiring: Wiring, profileId: string): SealedWiring {
  const secrets = new Map<string, string>()
  const config: Record<string, Json> = {}
  const sourceSpec: Record<string, Json> = {}
  const seal = (key: string, value: Json) => {
    secrets.set(key, String(value))
    sourceSpec[key] = { source: "vault", path: vaultPath(profileId, key) }
  }
  for (const [key, value] of Object.entries(wiring.config)) {
    if (isSecret(schema, key)) seal(key, value)
    else config[key] = value
  }
  for (const [key, json] of Object.entries(wiring.sourceSpec)) {
    const source = sourceOf(key, json)
    if (typeof source !== "string" && source.source === "literal" && isSecret(schema, key)) seal(key, source.value)
    else sourceSpec[key] = json
  }
  return { wiring: { config, sourceSpec }, secrets }
}

/** As the API names a secret of a profile. */
export function vaultPath(profileId: string, key: string): string {
  return `profile/${profileId}/${key}`
}

/** As the vault names it. Null for a path that is none of a profile's. */
export function vaultNameOf(path: string): string | null {
  const [, profileId, key] = /^profile\/([0-9a-f-]{36})\/(\w+)$/.exec(path) ?? []
  return profileId === undefined || key === undefined ? null : `profile:${profileId}:${key}`
}

function isSecret(schema: ConfigSchema, key: string): boolean {
  return Object.hasOwn(schema, key) && schema[key]?.secret === true
}

function sourceIssues(schema: ConfigSchema, { config, sourceSpec }: Wiring, limits: WiringLimits): readonly ConfigIssue[] {
  return Object.entries(sourceSpec).flatMap(([key, json]) => {
    const shown = cutKey(key)
    const issue = (message: string) => [{ key, message: `source_spec.${shown} ${message}` }]
    if (!Object.hasOwn(schema, key)) return [{ key, message: `${shown} is not a configuration key (known: ${known(schema)})` }]
    if (Object.hasOwn(config, key)) return [{ key, message: `${shown} is in both config and source_spec` }]
    const source = sourceOf(key, json)
    if (typeof source === "string") return issue(source)
    if (source.source === "vault" && source.path !== vaultPath(limits.profileId, key))
      return issue(`names a secret of somebody else; give the value itself, it is kept in the vault`)
    if (source.source === "env" && !limits.envAllowed.includes(source.name))
      return issue(`names a variable that the operator has not opened; the setting mcp.env_allow lists those that may be read`)
    return []
  })
}

/** A sentence when it cannot be read. */
function sourceOf(key: string, json: Json): Source | string {
  if (!isJsonObject(json)) return 'is not an object such as {"source":"literal","value":"…"}'
  const { source, value, connection_id: connectionId, key: named, path, name } = json
  switch (source) {
    case "literal":
      return value === undefined ? "has no value" : { source, value }
    case "connection":
      if (typeof connectionId !== "string" || connectionId === "") return "has no connection_id"
      return { source, connectionId, key: typeof named === "string" && named !== "" ? named : key }
    case "vault":
      return typeof path === "string" && path !== "" ? { source, path } : "has no path"
    case "env":
      return typeof name === "string" && name !== "" ? { source, name } : "has no name"
    default:
      return "has no source; it is one of literal, connection, vault, env"
  }
}

function known(schema: ConfigSchema): string {
  return Object.keys(schema).join(", ") || "none"
}
