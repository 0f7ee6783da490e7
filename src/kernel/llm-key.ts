import { isJsonObject, type Json, type JsonObject } from "./json.ts"
import { URL_MAX_CHARS } from "./limits.ts"

/** What a key of a vendor has to hold besides the vendor's name. */
interface KeyRule {
  readonly apiKey: "required" | "optional"
  readonly baseUrl: "required" | "optional"
  readonly options: readonly string[]
  readonly neededOptions: readonly string[]
}

const HOSTED: KeyRule = { apiKey: "required", baseUrl: "optional", options: [], neededOptions: [] }

/** Vendors that are called with a key, or at an address. */
export const KEY_RULES = {
  openai: { ...HOSTED, options: ["organization", "project", "api"] },
  anthropic: HOSTED,
  google: HOSTED,
  mistral: HOSTED,
  openrouter: HOSTED,
  azure: { ...HOSTED, baseUrl: "required", options: ["api_version", "deployment_urls", "api"] },
  bedrock: { ...HOSTED, options: ["region"], neededOptions: ["region"] },
  local: { ...HOSTED, apiKey: "optional", baseUrl: "required", options: ["structured_output"] },
} as const satisfies Readonly<Record<string, KeyRule>>
export type KeyedVendor = keyof typeof KEY_RULES

export const KEYED_VENDORS = Object.keys(KEY_RULES) as readonly KeyedVendor[]

/** A key as somebody wants it, in the operator's configuration or by the API. */
export interface WantedKey {
  readonly vendor: string
  readonly label: string
  readonly apiKey: string | null
  readonly baseUrl: string | null
  readonly options: JsonObject
}

/** It is a part of `local.<label>.<model>`, so it has no dot. */
const LOCAL_LABEL = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
/** Parts of a host's name or of a header. */
const OPTION = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/
/** What a header can carry. */
const API_KEY = /^[\x21-\x7e]+$/
const FLAGS: ReadonlySet<string> = new Set(["deployment_urls", "structured_output"])
const BEDROCK_KEY = /^[^:]+(?::[^:]+){0,2}$/

export function isKeyedVendor(vendor: string): vendor is KeyedVendor {
  return Object.hasOwn(KEY_RULES, vendor)
}

/** Why a key cannot be as wanted, as a sentence without the secret; null: it can. */
export function keyProblem({ vendor, label, apiKey, baseUrl, options }: WantedKey): string | null {
  if (!isKeyedVendor(vendor)) return `vendor must be one of ${KEYED_VENDORS.join(", ")}`
  const rule: KeyRule = KEY_RULES[vendor]
  if (vendor === "local" && (!LOCAL_LABEL.test(label) || label === "builtin")) {
    return "the label of a local server names its models (local.<label>.<model>): 1 to 63 letters, digits, - and _, and not builtin"
  }
  if (apiKey === null && rule.apiKey === "required") return `a key of ${vendor} needs api_key`
  if (apiKey !== null && !API_KEY.test(apiKey)) return "api_key must be visible ASCII characters without spaces"
  if (vendor === "bedrock" && apiKey !== null && !BEDROCK_KEY.test(apiKey)) {
    return "api_key of bedrock is access_key_id:secret_access_key, with :session_token behind it where there is one, or a bearer key"
  }
  if (baseUrl === null && rule.baseUrl === "required") {
    const example = vendor === "local" ? "http://127.0.0.1:11434/v1" : "https://NAME.openai.azure.com/openai"
    return `a key of ${vendor} needs base_url, the address of the server, e.g. ${example}`
  }
  return (baseUrl === null ? null : addressProblem(baseUrl)) ?? optionsProblem(vendor, rule, options)
}

function addressProblem(text: string): string | null {
  const url = text.length > URL_MAX_CHARS || !URL.canParse(text) ? null : new URL(text)
  if (!url || !["http:", "https:"].includes(url.protocol)) return "base_url must be an address such as http://127.0.0.1:11434/v1"
  if (url.username !== "" || url.password !== "") return "base_url must not hold a user name or password; use api_key"
  return url.hash === "" && url.search === "" ? null : "base_url must have no ? and no #"
}

function optionsProblem(vendor: string, { options: known, neededOptions }: KeyRule, options: JsonObject): string | null {
  for (const [name, value] of Object.entries(options)) {
    if (!known.includes(name)) {
      const has = known.length === 0 ? "none" : known.join(", ")
      return `a key of ${vendor} has no option of that name; it has ${has}`
    }
    if (FLAGS.has(name)) {
      if (typeof value !== "boolean") return `options.${name} must be true or false`
    } else if (typeof value !== "string" || !OPTION.test(value)) return `options.${name} must be letters, digits, dots, - and _`
  }
  const missing = neededOptions.find(name => !Object.hasOwn(options, name))
  return missing === undefined ? null : `a key of ${vendor} needs options.${missing}`
}

/** A key of the operator's configuration: everybody's, and nobody's to see. */
export interface OperatorKey extends WantedKey {
  readonly vendor: KeyedVendor
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/
const FIELDS = new Set(["vendor", "api_key", "base_url", "options"])

/** A table by name, which is the label, and the vendor where it says no other; null for anything else but an empty list. */
export function parseOperatorKeys(value: unknown): readonly OperatorKey[] | null {
  if (Array.isArray(value) && value.length === 0) return []
  if (!isJsonObject(value)) return null
  const keys = Object.entries(value).map(([name, entry]) => parseOperatorKey(name, entry))
  return keys.every(key => key !== null) ? keys : null
}

/** The first name whose declaration is none. Never a value: it may be a secret. */
export function badOperatorKey(value: unknown): string {
  if (!isJsonObject(value)) return "no table"
  return Object.entries(value).find(([name, entry]) => parseOperatorKey(name, entry) === null)?.[0] ?? "no table"
}

function parseOperatorKey(name: string, entry: Json): OperatorKey | null {
  const given = typeof entry === "string" ? { api_key: entry } : entry
  if (!NAME.test(name) || !isJsonObject(given) || Object.keys(given).some(field => !FIELDS.has(field))) return null
  const { vendor = name, api_key = null, base_url = null, options = {} } = given
  if (typeof vendor !== "string" || !isKeyedVendor(vendor) || !isJsonObject(options)) return null
  if (!isTextOrNull(api_key) || !isTextOrNull(base_url)) return null
  const key = { vendor, label: name, apiKey: api_key, baseUrl: base_url, options }
  return keyProblem(key) === null ? key : null
}

const isTextOrNull = (value: Json): value is string | null => value === null || typeof value === "string"
