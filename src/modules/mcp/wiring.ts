import { type ConfigIssue, checkConfig } from "../../connectors/config.ts"
import type { ConfigSchema } from "../../connectors/connector.ts"
import { AppError } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"

/** What a profile is made of, as the API takes it and the row keeps it. */
export interface Wiring {
  readonly config: JsonObject
  readonly sourceSpec: JsonObject
}

/** The values a tool is called with. */
export function effectiveConfig({ config, sourceSpec }: Wiring): JsonObject {
  return { ...config, ...literals(sourceSpec) }
}

/**
 * Throws `invalid` (422) with one sentence and all `issues` when the wiring does not fit the server's configuration: a
 * source other than `literal`, a key named twice, a secret in plain, an unknown key, a wrong type, a required key missing.
 */
export function checkWiring(schema: ConfigSchema, wiring: Wiring): void {
  const sources = sourceIssues(wiring)
  const issues = sources.length > 0 ? sources : [...secretIssues(schema, wiring), ...checkConfig(schema, effectiveConfig(wiring))]
  if (issues.length === 0) return
  throw new AppError("invalid", `invalid configuration: ${issues.map(issue => issue.message).join("; ")}`, {
    fields: { issues: issues.map(({ key, message }) => ({ key, message })) },
  })
}

/** The sentence for everything that would need a saved connection. */
export const NO_CONNECTIONS = "connections are not available in this version; only literal values are"

function sourceIssues({ config, sourceSpec }: Wiring): readonly ConfigIssue[] {
  return Object.entries(sourceSpec).flatMap(([key, source]) => {
    const { source: from, value } = source as JsonObject
    const shown = /^\w{1,80}$/.test(key) ? key : JSON.stringify(key.slice(0, 80))
    if (from !== "literal") return [{ key, message: `source_spec.${shown} is not a literal: ${NO_CONNECTIONS}` }]
    if (value === undefined) return [{ key, message: `source_spec.${shown} has no value` }]
    if (Object.hasOwn(config, key)) return [{ key, message: `${shown} is in both config and source_spec` }]
    return []
  })
}

function secretIssues(schema: ConfigSchema, wiring: Wiring): readonly ConfigIssue[] {
  return Object.keys(effectiveConfig(wiring))
    .filter(key => Object.hasOwn(schema, key) && schema[key]?.secret)
    .map(key => ({ key, message: `${key} is a secret and is not stored as a plain value; ${NO_CONNECTIONS}` }))
}

function literals(sourceSpec: JsonObject): JsonObject {
  const entries = Object.entries(sourceSpec).map(([key, source]) => [key, (source as JsonObject).value ?? null] as const)
  return Object.fromEntries(entries)
}
