import { findAdapter } from "../../connectors/catalog.ts"
import type { ConfigField } from "../../connectors/connector.ts"
import { cutKey } from "../../kernel/cut.ts"
import { AppError } from "../../kernel/errors.ts"
import { CREDENTIAL_MAX_CHARS, CREDENTIALS_PER_CONNECTION_MAX } from "../../kernel/limits.ts"
import { nearest } from "../../kernel/nearest.ts"
import type { CredentialChanges } from "./secrets.ts"

/** What a custom connection may be of, besides an adapter: the names of its secrets are free then (contract G-19). */
export const GENERAL_SERVICES = ["api_key", "token", "dsn", "basic", "oauth"] as const

const KEY = /^[A-Za-z][\w.-]{0,99}$/

/** Throws `invalid` for a service that no custom connection can be of. */
export function checkService(service: string): void {
  if (isGeneral(service) || findAdapter(service)) return
  const near = nearest(service, GENERAL_SERVICES)
  const hint = near === undefined ? "" : ` (did you mean ${near}?)`
  throw new AppError(
    "invalid",
    `service must be one of ${GENERAL_SERVICES.join(", ")}, or the slug of a platform adapter as GET /v1/mcp/platform-catalog lists them${hint}`,
  )
}

/**
 * Credentials as they are kept: text. Those of an adapter must be among its configuration keys, as it would not find others.
 * Throws `invalid` with one sentence and all `issues`; no value is in them.
 */
export function checkedCredentials(service: string, given: Readonly<Record<string, unknown>>): CredentialChanges {
  const schema = isGeneral(service) ? null : (findAdapter(service)?.configSchema ?? null)
  const issues: { key: string; message: string }[] = []
  const entries: [string, string | null][] = []
  for (const [key, value] of Object.entries(given)) {
    const field = schema === null ? null : Object.hasOwn(schema, key) ? schema[key]! : undefined
    const problem =
      field === undefined ? unknownKey(key, Object.keys(schema ?? {})) : (keyProblem(key) ?? problemOf(field, value))
    if (problem === null) entries.push([key, value === null ? null : String(value)])
    else issues.push({ key: cutKey(key), message: `${cutKey(key)} ${problem}` })
  }
  if (issues.length === 0) return Object.fromEntries(entries)
  throw new AppError("invalid", `invalid credentials: ${issues.map(issue => issue.message).join("; ")}`, { fields: { issues } })
}

/** Throws `invalid` when a connection would have none, or more than it may. */
export function checkCount(keys: ReadonlySet<string>): void {
  if (keys.size === 0) throw new AppError("invalid", "a connection needs at least one credential")
  if (keys.size > CREDENTIALS_PER_CONNECTION_MAX) {
    throw new AppError("invalid", `a connection has at most ${CREDENTIALS_PER_CONNECTION_MAX} credentials`)
  }
}

function isGeneral(service: string): boolean {
  return GENERAL_SERVICES.some(general => general === service)
}

function unknownKey(key: string, known: readonly string[]): string {
  const near = nearest(key, known)
  if (near !== undefined) return `is not a configuration key of this adapter; did you mean ${near}?`
  return `is not a configuration key of this adapter (it has ${known.join(", ") || "none"})`
}

function keyProblem(key: string): string | null {
  return KEY.test(key) ? null : "is no name for a credential: letters, digits, dots, underscores and hyphens, a letter first"
}

function problemOf(field: ConfigField | null, value: unknown): string | null {
  if (value === null) return null
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return "must be text"
  const text = String(value)
  if (text === "") return "is empty; null takes a credential away"
  if (text.length > CREDENTIAL_MAX_CHARS) return `is longer than ${CREDENTIAL_MAX_CHARS} characters`
  switch (field?.type) {
    case "number":
      return text.trim() !== "" && Number.isFinite(Number(text)) ? null : "must be a number"
    case "boolean":
      return text === "true" || text === "false" ? null : "must be true or false"
    case "option": {
      const options = (field.options ?? []).map(option => option.value)
      return options.includes(text) ? null : `must be one of ${options.join(", ")}`
    }
    case "string":
    case undefined:
      return null
  }
}
