import type { AsyncLocalStorage } from "node:async_hooks"
import { extractWWWAuthenticateParams, type FetchLike } from "@modelcontextprotocol/client"
import {
  MCP_ANSWER_MAX_BYTES,
  MCP_ERROR_BODY_MAX_BYTES,
  MCP_GOODBYE_MAX_MS,
  MCP_STREAM_MAX_BYTES,
  MCP_STREAM_MAX_MS,
} from "../../kernel/limits.ts"
import { beginningOf } from "../egress/beginning.ts"
import type { Egress } from "../egress/egress.ts"
import type { Exchange } from "./exchange.ts"
import { isTooLarge } from "./failures.ts"
import { type Challenge, type HttpTarget, McpFailure } from "./mcp.ts"

export interface RequestsDeps {
  readonly egress: Egress
  readonly target: HttpTarget
  readonly current: AsyncLocalStorage<Exchange>
  /** The exchange that lasts as long as the conversation: what is listened to, and what is said after a call is over. */
  readonly life: Exchange
  /** The server's name in sentences. */
  readonly who: string
  /** Of this runtime. */
  readonly version: string
}

/** Ours and the protocol's to set, whatever the headers of a target or a call say. */
const SET_BY_PROTOCOL =
  /^(accept|connection|content-.*|host|last-event-id|mcp-(protocol-version|method|name|session-id)|user-agent)$/i

/** Headers of ours that say who calls what: no secrets, and words that an error may well repeat. */
const SAYS_WHO = /^(x-(tenant|user|project)-id|x-mcp-(instance|server)-id|x-(mcp-)?tool-name|traceparent)$/i

/**
 * The `fetch` of one conversation. Each request goes out for the asker of its exchange, with the headers of the target and
 * the call; tokens are refreshed when the server refuses one; answers are bounded.
 */
export function requestsOf({ egress, target, current, life, who, version }: RequestsDeps): FetchLike {
  return async (input, init = {}) => {
    const method = init.method ?? "GET"
    const exchange = current.getStore() ?? life
    // A listening stream outlives the exchange it was opened in, and a cancellation comes after the end of its own.
    const listening = method === "GET" && exchange.kind !== "call"
    const afterwards = (exchange.over && method !== "GET") || method === "DELETE"
    const line = listening || afterwards ? life : exchange
    if (line.over) throw new McpFailure(`the conversation with ${who} is over`, { retryable: true })
    const longLived = line.kind === "life"
    const limits = {
      totalMs: afterwards ? MCP_GOODBYE_MAX_MS : longLived ? MCP_STREAM_MAX_MS : line.leftMs + 1_000,
      answerBytes: longLived ? MCP_STREAM_MAX_BYTES : MCP_ANSWER_MAX_BYTES,
    }

    async function send(token: string | null): Promise<Response> {
      const headers = headersFor(
        init.headers,
        [await target.headers({ method, url: String(input) }), exchange.headers],
        exchange,
        who,
      )
      if (token !== null) headers.set("authorization", `Bearer ${token}`)
      if (token !== null) exchange.hide(token)
      headers.set("user-agent", `agentruntime/${version}`)
      const request = { method, headers, redirect: init.redirect ?? "manual", signal: line.cut.signal }
      const body = init.body === undefined || init.body === null ? {} : { body: init.body }
      return await egress.for(exchange.asker).fetch(input, { ...request, ...body }, limits)
    }

    try {
      const token = (await target.oauth?.accessToken()) ?? null
      let response = await send(token)
      if (response.status === 401 && target.oauth !== null && token !== null && (await target.oauth.refresh(token))) {
        await response.body?.cancel()
        response = await send(await target.oauth.accessToken())
      }
      if (!response.ok) return await refusal(response, new Headers(init.headers), method, exchange, target, who)
      const isStream = response.headers.get("content-type")?.startsWith("text/event-stream") ?? false
      if (!listening) exchange.streaming = isStream
      if (!isStream || response.body === null) return response
      return new Response(watched(response.body, line), { status: response.status, headers: response.headers })
    } catch (error) {
      if (error instanceof Error && !listening) exchange.fault ??= error
      throw error
    }
  }
}

function headersFor(
  protocol: RequestInit["headers"],
  given: readonly Readonly<Record<string, string>>[],
  exchange: Exchange,
  who: string,
): Headers {
  const headers = new Headers(protocol)
  for (const [name, value] of given.flatMap(Object.entries) as [string, string][]) {
    if (SET_BY_PROTOCOL.test(name)) continue
    if (!SAYS_WHO.test(name)) exchange.hide(value)
    try {
      headers.set(name, value)
    } catch {
      throw new McpFailure(`the header ${name} for ${who} has a value that HTTP does not allow, e.g. with a line break`)
    }
  }
  return headers
}

const SESSION = /session/i

/** An answer that is an error, of which no more is read than anybody would show. */
async function refusal(
  response: Response,
  sent: Headers,
  method: string,
  exchange: Exchange,
  target: HttpTarget,
  who: string,
): Promise<Response> {
  const { status } = response
  exchange.status = status
  const text = await beginningOf(response, MCP_ERROR_BODY_MAX_BYTES)
  const inSession = method === "POST" && sent.has("mcp-session-id")
  if (inSession && (status === 404 || (status === 400 && SESSION.test(text)))) exchange.sessionLost = true
  const challenge = challengeOf(response)
  if (status === 401) {
    const sentence = target.oauth === null ? `${who} did not accept the credentials` : `${who} wants somebody to sign in (again)`
    throw new McpFailure(`${sentence} (HTTP 401)`, { unauthorized: true, challenge })
  }
  if (status === 403 && extractWWWAuthenticateParams(response).error === "insufficient_scope") {
    const scopes = challenge.scope === null ? "" : `: ${challenge.scope}`
    throw new McpFailure(`${who} wants more permissions than were given at sign-in${exchange.masked(scopes)}`, {
      unauthorized: true,
      challenge,
    })
  }
  return new Response(text, { status, headers: response.headers })
}

function challengeOf(response: Response): Challenge {
  const { resourceMetadataUrl, scope } = extractWWWAuthenticateParams(response)
  return { resourceMetadataUrl: resourceMetadataUrl?.href ?? null, scope: scope ?? null }
}

/**
 * The body of a stream, whose end and failures the exchange is told: the SDK goes on waiting, or takes up the stream again,
 * which does not help against one that is too large.
 */
function watched(body: ReadableStream<Uint8Array>, exchange: Exchange): ReadableStream<Uint8Array> {
  const reader = body.getReader()
  exchange.bodyOpened()
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const { done, value } = await reader.read()
          if (!done) return controller.enqueue(value)
          exchange.bodyEnded()
          controller.close()
        } catch (error) {
          exchange.bodyEnded()
          if (isTooLarge(error) && exchange.kind !== "life") exchange.fail(error)
          controller.error(error)
        }
      },
      cancel(reason) {
        exchange.bodyEnded()
        return reader.cancel(reason)
      },
    },
    { highWaterMark: 0 },
  )
}
