import type { Mask } from "../../kernel/masked.ts"
import type { Credentials } from "../exchange.ts"
import { ToolFailure } from "../kit.ts"

export const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
/** No line breaks: they would begin another header, or another request. */
export const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

/** Those that say where a message ends or who is spoken to are the connection's to set. */
const RESERVED =
  /^(host|connection|content-length|expect|keep-alive|te|trailer|transfer-encoding|upgrade|proxy-.*|accept-encoding)$/i

/** The headers that a graph asks for; the ones that sign the request in are not its to set. */
export function sentHeaders(given: Readonly<Record<string, unknown>>, credentials: Credentials | undefined): Headers {
  const signing = new Set(Object.keys(credentials?.headers ?? {}).map(name => name.toLowerCase()))
  const headers = new Headers({ accept: "application/json, text/*;q=0.9, */*;q=0.5", "user-agent": "AgentRuntime" })
  for (const [name, value] of Object.entries(given)) {
    const text = String(value)
    if (!HEADER_NAME.test(name)) throw new ToolFailure(`${JSON.stringify(name.slice(0, 80))} is no name of a header`)
    if (!HEADER_VALUE.test(text))
      throw new ToolFailure(`the header ${name} has characters that no header can have, such as line breaks`)
    if (RESERVED.test(name)) throw new ToolFailure(`the header ${name} is set by the connection: leave it out`)
    if (signing.has(name.toLowerCase()))
      throw new ToolFailure(`the configuration signs requests in: leave the header ${name} out`)
    headers.set(name, text)
  }
  return headers
}

const CREDENTIAL = /cookie|authorization|authentication-info|(^|-)(token|secret|password|api-?key)$/
const SHOWN_MAX = 100
const VALUE_MAX_CHARS = 4_000

/** The headers of an answer as a result may hold them. */
export function shownHeaders(headers: Headers, mask: Mask): Record<string, string> {
  const shown = [...headers].filter(([name]) => !CREDENTIAL.test(name)).slice(0, SHOWN_MAX)
  return Object.fromEntries(shown.map(([name, value]) => [name, mask.text(value).slice(0, VALUE_MAX_CHARS)]))
}
