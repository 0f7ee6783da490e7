import type { Egress, Outgoing } from "../adapters/egress/egress.ts"
import { bareHost, portOf } from "../adapters/egress/policy.ts"
import { notPublic } from "../adapters/egress/ranges.ts"
import { CONNECTOR_ANSWER_MAX_BYTES, CONNECTOR_ERROR_MAX_BYTES, EGRESS_REDIRECTS_MAX } from "../kernel/limits.ts"
import { type ToolCall, ToolFailure } from "./kit.ts"

/** One request of a tool. Headers and body are for the host that `url` names, and for no other. */
export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly headers: Headers
  readonly body: string | Uint8Array<ArrayBuffer> | null
  readonly credentials?: Credentials
  /** `kept`: the method stays what it is, or the call fails. `web`: as browsers do, where a POST may become a GET. */
  readonly redirects: "none" | "kept" | "web"
  /** Whether more of an answer that went wrong is wanted than its message. */
  readonly wholeErrors?: boolean
}

/** What signs a request in. Sent to `origin` alone, whoever names or redirects to another. */
export interface Credentials {
  readonly origin: string
  readonly headers: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly bytes: Uint8Array
  /** Where it came from in the end, without credentials. */
  readonly url: URL
}

/** All that is done for one call, in its time: `work` gets the call with a signal that ends it. */
export async function inTime<T>(call: ToolCall, work: (call: ToolCall) => Promise<T>): Promise<T> {
  const control = new AbortController()
  const onAbort = () => control.abort(call.signal.reason)
  const late = () =>
    control.abort(
      new ToolFailure(`no complete answer within ${Math.round(call.timeoutMs / 10) / 100} s`, { retryable: true, timeout: true }),
    )
  const timer = setTimeout(late, call.timeoutMs)
  if (call.signal.aborted) onAbort()
  else call.signal.addEventListener("abort", onAbort, { once: true })
  try {
    return await work({ ...call, signal: control.signal })
  } finally {
    clearTimeout(timer)
    call.signal.removeEventListener("abort", onAbort)
  }
}

const REDIRECTS = new Set([301, 302, 303, 307, 308])
/** Later than the call's own limit, which says more. */
const EGRESS_MARGIN_MS = 1_000

export async function exchange(egress: Egress, request: Exchange, call: ToolCall): Promise<Answer> {
  const outgoing = egress.for(call.asker)
  await refusePlainCredentials(outgoing, request)
  // How long the other side may think is the call's to say, too.
  const totalMs = call.timeoutMs + EGRESS_MARGIN_MS
  const limits = { totalMs, idleMs: totalMs }
  let hop: Exchange = request
  for (let redirects = 0; ; redirects++) {
    const { url, init } = signedIn(hop)
    const response = await outgoing.fetch(url, { ...init, redirect: "manual", signal: call.signal }, limits)
    const target = hop.redirects === "none" ? null : targetOf(response, hop.url)
    if (target === null) return await answerOf(response, hop)
    await response.body?.cancel()
    if (redirects === EGRESS_REDIRECTS_MAX)
      throw new ToolFailure(`${request.url.host} leads to more than ${EGRESS_REDIRECTS_MAX} redirects`)
    hop = redirected(hop, response.status, target)
  }
}

/** Outside the operator's own network a credential needs an encrypted connection. */
async function refusePlainCredentials(outgoing: Outgoing, { url, credentials }: Exchange): Promise<void> {
  if (credentials === undefined || url.origin !== credentials.origin || url.protocol !== "http:") return
  const addresses = await outgoing.addresses(bareHost(url), portOf(url))
  if (addresses.some(address => notPublic(address) === null))
    throw new ToolFailure(`credentials are not sent to ${url.host} without encryption: configure its https address`)
}

function signedIn({ method, url, headers, body, credentials }: Exchange): { readonly url: URL; readonly init: RequestInit } {
  const sent = { url: new URL(url), init: { method, headers: new Headers(headers), ...(body !== null && { body }) } }
  if (credentials?.origin === url.origin) {
    for (const [name, value] of Object.entries(credentials.headers)) sent.init.headers.set(name, value)
    for (const [name, value] of Object.entries(credentials.query)) sent.url.searchParams.set(name, value)
  }
  return sent
}

function targetOf({ status, headers }: Response, from: URL): URL | null {
  const location = headers.get("location")
  return REDIRECTS.has(status) && location !== null ? URL.parse(location, from) : null
}

/** All that another host than the named one gets to see of the headers. */
const HARMLESS = /^(accept|accept-.*|content-type|user-agent)$/

/** The next request. Whoever was led to another origin gets the credentials no more: what leads back is that one's choice. */
function redirected(from: Exchange, status: number, url: URL): Exchange {
  const elsewhere = url.origin !== from.url.origin
  const { credentials: _, ...unsigned } = from
  const hop: Exchange = elsewhere ? unsigned : from
  const headers = new Headers(hop.headers)
  if (elsewhere) for (const name of [...headers.keys()]) if (!HARMLESS.test(name)) headers.delete(name)
  const reads = hop.method === "GET" || hop.method === "HEAD"
  if (reads && hop.body === null) return { ...hop, url, headers }
  if (status === 307 || status === 308) {
    if (elsewhere) throw new ToolFailure(`${hop.url.host} redirects this ${hop.method} to ${url.host}, which was not asked for`)
    return { ...hop, url, headers }
  }
  if (hop.redirects === "kept")
    throw new ToolFailure(`${hop.url.host} answered ${status}: what was named has moved, and a ${hop.method} does not follow`)
  headers.delete("content-type")
  return { ...hop, url, headers, method: hop.method === "HEAD" ? "HEAD" : "GET", body: null }
}

async function answerOf(response: Response, { url, wholeErrors }: Exchange): Promise<Answer> {
  const { status, headers } = response
  const messageOnly = status >= 400 && !wholeErrors
  const maxBytes = messageOnly ? CONNECTOR_ERROR_MAX_BYTES : CONNECTOR_ANSWER_MAX_BYTES
  const tooLarge = () => new ToolFailure(`the answer of ${url.host} is larger than ${maxBytes} bytes: ask for less at a time`)
  if (!messageOnly && Number(headers.get("content-length") ?? 0) > maxBytes) {
    await response.body?.cancel()
    throw tooLarge()
  }
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of response.body ?? []) {
    chunks.push(chunk)
    length += chunk.length
    if (length <= maxBytes) continue
    if (!messageOnly) throw tooLarge()
    break
  }
  return { status, headers, url, bytes: new Uint8Array(Buffer.concat(chunks)).subarray(0, maxBytes) }
}
