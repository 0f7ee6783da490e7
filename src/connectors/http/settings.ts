import type { JsonObject } from "../../kernel/json.ts"
import { createMask, type Mask } from "../../kernel/masked.ts"
import type { Credentials } from "../exchange.ts"
import { ToolFailure } from "../kit.ts"
import { HEADER_NAME, HEADER_VALUE } from "./headers.ts"

/** What a profile of the HTTP connector says. */
export interface HttpSettings {
  readonly base: URL | null
  /** Bound to the base's origin: a graph that names another host has none. */
  readonly credentials: Credentials | undefined
  readonly mask: Mask
}

export function settingsOf(config: JsonObject): HttpSettings {
  const base = baseOf(textAt(config, "base_url"))
  const auth = textAt(config, "auth")
  const basic = Buffer.from(`${textAt(config, "username")}:${textAt(config, "password")}`).toString("base64")
  const secrets = [...["token", "password", "api_key"].map(key => textAt(config, key)), ...(auth === "basic" ? [basic] : [])]
  return { base, credentials: credentialsOf(config, auth, base, basic), mask: createMask(secrets) }
}

function baseOf(text: string): URL | null {
  if (text === "") return null
  const url = URL.parse(text)
  if (url === null || !/^https?:$/.test(url.protocol) || url.search + url.hash + url.username + url.password !== "")
    throw new ToolFailure("base_url must be an address such as https://api.example.com/v1")
  return url
}

function credentialsOf(config: JsonObject, auth: string, base: URL | null, basic: string): Credentials | undefined {
  if (auth === "none") return undefined
  if (base === null) throw new ToolFailure(`auth is ${auth}, and base_url, which it is for, is not configured`)
  const { origin } = base
  switch (auth) {
    case "bearer":
      return { origin, headers: { authorization: `Bearer ${needed(config, "token")}` }, query: {} }
    case "basic":
      if (textAt(config, "username").includes(":")) throw new ToolFailure("username must have no colon")
      return { origin, headers: { authorization: `Basic ${basic}` }, query: {} }
    case "api_key_header": {
      const name = needed(config, "api_key_name")
      if (!HEADER_NAME.test(name)) throw new ToolFailure("api_key_name is no name of a header")
      return { origin, headers: { [name]: needed(config, "api_key") }, query: {} }
    }
    case "api_key_query":
      return { origin, headers: {}, query: { [needed(config, "api_key_name")]: needed(config, "api_key") } }
    default:
      throw new ToolFailure("auth must be none, bearer, basic, api_key_header or api_key_query")
  }
}

function needed(config: JsonObject, key: string): string {
  const value = textAt(config, key)
  if (value === "") throw new ToolFailure(`${key} is not configured, and auth needs it`)
  if (!HEADER_VALUE.test(value)) throw new ToolFailure(`${key} has characters that cannot be sent: copy it again`)
  return value
}

/** A password may begin or end with a blank. */
function textAt(config: JsonObject, key: string): string {
  const value = config[key]
  if (typeof value !== "string") return ""
  return key === "password" ? value : value.trim()
}
