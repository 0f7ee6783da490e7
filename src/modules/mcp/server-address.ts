import { findAdapter, slugOfUrl } from "../../connectors/catalog.ts"
import type { ConfigField, ConfigSchema } from "../../connectors/connector.ts"
import { AppError } from "../../kernel/errors.ts"
import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"
import { URL_MAX_CHARS } from "../../kernel/limits.ts"
import type { AuthMode, Bridge } from "./remote-server.ts"

export interface AddressDeps {
  /** Why an address may not be reached; null: it would be tried (adapters/egress). */
  readonly refusal: (url: string) => string | null
  readonly publicUrl: string
}

/** The address of a server as it is kept. Throws `invalid` with a sentence. */
export function checkAddress(deps: AddressDeps, field: string, text: string): string {
  const url = text.length <= URL_MAX_CHARS ? URL.parse(text.trim()) : null
  if (url?.protocol === "stdio:") {
    throw bad(`${field}: a program on this machine is declared by the operator, in the setting mcp.stdio`)
  }
  if (!url || !["http:", "https:"].includes(url.protocol))
    throw bad(`${field} must be an address such as https://tools.example.com/mcp`)
  if (url.username !== "" || url.password !== "") {
    throw bad(`${field} must not hold a user name or password; give the server its credentials by auth_mode`)
  }
  if (url.hash !== "") throw bad(`${field} must not have a fragment (#…)`)
  if (slugOfUrl(url.href, deps.publicUrl) !== null) {
    throw bad(`${field} is the address of a platform adapter; add an instance of it instead, see /v1/mcp/platform-catalog`)
  }
  const refused = deps.refusal(url.href)
  if (refused !== null) throw bad(`${field} cannot be reached from here: ${refused}`)
  return url.href
}

/** As registered addresses are kept; null: no address at all. */
export function normalAddress(text: string): string | null {
  return URL.parse(text.trim())?.href ?? null
}

/** The name in lower case with underscores. One that a platform adapter has would be taken for it. */
export function serviceOf(name: string): string {
  const words = name
    .normalize("NFKD")
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "_")
    .replaceAll(/^_+|_+$/g, "")
    .slice(0, 80)
  const service = words === "" ? "server" : words
  return findAdapter(service) || findAdapter(service.replaceAll("_", "-")) ? `${service}_server` : service
}

/** What names a header, but none that belongs to the connection or that the protocol itself sends. */
const HEADER = /^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/
const RESERVED =
  /^(?:host|connection|content-length|content-type|transfer-encoding|upgrade|te|trailer|accept|cookie|mcp-.*|proxy-.*|x-mcp-.*)$/i
const CONFIG_KEY = /^\w{1,200}$/
const HEADERS_MAX = 20

/** The metadata `bridge` of contract §8.1. Throws `invalid`. */
export function checkBridge(deps: AddressDeps, given: JsonObject): JsonObject {
  const upstream_url = checkAddress(deps, "bridge.upstream_url", textOf(given.upstream_url))
  const mapping = given.auth_mapping ?? { type: "none" }
  const headers = given.header_mappings ?? []
  if (!isJsonObject(mapping)) throw bad("bridge.auth_mapping must be an object with type, from and name")
  if (!Array.isArray(headers) || headers.length > HEADERS_MAX) {
    throw bad(`bridge.header_mappings must be a list of at most ${HEADERS_MAX} objects with name and from`)
  }
  const header_mappings = headers.map((one: Json, i) => {
    const { name, from } = isJsonObject(one) ? one : {}
    return {
      name: headerName(`bridge.header_mappings.${i}.name`, name),
      from: configKey(`bridge.header_mappings.${i}.from`, from),
    }
  })
  const type = textOf(mapping.type) || "none"
  switch (type) {
    case "none":
      return { upstream_url, auth_mapping: { type }, header_mappings }
    case "bearer":
    case "header": {
      const name = type === "bearer" ? "Authorization" : headerName("bridge.auth_mapping.name", mapping.name)
      const auth_mapping = { type, from: configKey("bridge.auth_mapping.from", mapping.from), name }
      return { upstream_url, auth_mapping, header_mappings }
    }
    default:
      throw bad("bridge.auth_mapping.type must be none, bearer or header")
  }
}

function headerName(field: string, value: Json | undefined): string {
  const name = textOf(value)
  if (!HEADER.test(name)) throw bad(`${field} must be the name of a header`)
  if (RESERVED.test(name)) throw bad(`${field}: the header ${name} belongs to the connection itself`)
  return name
}

function configKey(field: string, value: Json | undefined): string {
  const key = textOf(value)
  if (!CONFIG_KEY.test(key)) throw bad(`${field} must name a configuration key of letters, digits and underscores`)
  return key
}

/** A stored bridge, which `checkBridge` has made. */
export function bridgeOf(stored: JsonObject | null): Bridge | null {
  if (stored === null) return null
  const auth = isJsonObject(stored.auth_mapping) ? stored.auth_mapping : {}
  const headers = Array.isArray(stored.header_mappings) ? stored.header_mappings.filter(isJsonObject) : []
  const type = textOf(auth.type)
  return {
    upstreamUrl: textOf(stored.upstream_url),
    auth: type === "bearer" || type === "header" ? { type, from: textOf(auth.from), name: textOf(auth.name) } : { type: "none" },
    headers: headers.map(({ name, from }) => ({ name: textOf(name), from: textOf(from) })),
  }
}

/** What a server takes as its bearer token, best first. */
export const BEARER_KEYS = ["access_token", "token", "api_key"] as const
export const HMAC_KEY_ID = "hmac_key_id"
export const HMAC_SECRET = "hmac_secret"

const secret = (displayName: string): ConfigField => ({ type: "string", displayName, required: true, secret: true })

/** The published configuration, and the keys that the way of authentication needs beside it. */
export function wholeSchema(published: ConfigSchema, authMode: AuthMode, bridge: Bridge | null): ConfigSchema {
  return { ...authFields(published, authMode, bridge), ...published }
}

function authFields(published: ConfigSchema, authMode: AuthMode, bridge: Bridge | null): ConfigSchema {
  if (bridge) {
    const plain = bridge.headers.map(h => [h.from, { type: "string", displayName: h.from, required: true }] as const)
    const key = bridge.auth.type === "none" ? [] : [[bridge.auth.from, secret(bridge.auth.from)] as const]
    return Object.fromEntries([...plain, ...key])
  }
  switch (authMode) {
    case "none":
    case "token":
      return {}
    case "hmac": {
      const id: ConfigField = { type: "string", displayName: "HMAC key id", required: true }
      return { [HMAC_KEY_ID]: id, [HMAC_SECRET]: secret("HMAC secret") }
    }
    case "bearer":
    case "oauth":
      return BEARER_KEYS.some(key => Object.hasOwn(published, key)) ? {} : { access_token: secret("Access token") }
  }
}

function bad(message: string): AppError {
  return new AppError("invalid", message)
}
