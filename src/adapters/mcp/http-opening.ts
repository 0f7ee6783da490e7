import {
  type Client,
  SdkError,
  SdkErrorCode,
  SdkHttpError,
  SSEClientTransport,
  SseError,
  StreamableHTTPClientTransport,
  type StreamableHTTPReconnectionOptions,
} from "@modelcontextprotocol/client"
import type { Egress } from "../egress/egress.ts"
import { Answered } from "./answered.ts"
import type { HttpTarget } from "./mcp.ts"
import { type Greeting, greet, type Opened, type Opening } from "./opening.ts"
import { requestsOf } from "./requests.ts"

export interface HttpDeps {
  readonly egress: Egress
  /** Of this runtime. */
  readonly version: string
}

/**
 * Streamable HTTP in the era that the server knows, and for `auto` the older HTTP with SSE where it knows only that. A server
 * that does not even answer the question for its versions properly gets the older greeting.
 */
export async function openHttp(target: HttpTarget, deps: HttpDeps, opening: Opening): Promise<Opened> {
  if (target.transport === "sse") return await openSse(target, deps, opening)
  try {
    return await openStreamable(target, "negotiate", deps, opening)
  } catch (error) {
    if (opening.exchange.fault !== null || !isBadProbe(error)) return await openOlder(error, target, deps, opening)
  }
  try {
    return await openStreamable(target, "initialize", deps, opening)
  } catch (error) {
    return await openOlder(error, target, deps, opening)
  }
}

/** Statuses with which servers of the first transport meet a POST to the address of their stream. */
const KNOWS_NO_POST = new Set([400, 404, 405, 406, 410, 415, 422, 501])

async function openOlder(error: unknown, target: HttpTarget, deps: HttpDeps, opening: Opening): Promise<Opened> {
  const { exchange } = opening
  if (target.transport !== "auto" || exchange.fault !== null || !KNOWS_NO_POST.has(exchange.status)) throw error
  try {
    return await openSse(target, deps, opening)
  } catch {
    exchange.fault = null
    throw error // what the current transport met says more
  }
}

/** The server broke on a method it does not know, or left it unanswered. */
function isBadProbe(error: unknown): boolean {
  if (error instanceof SdkHttpError) return error.code === SdkErrorCode.EraNegotiationFailed
  return error instanceof SdkError && error.code === SdkErrorCode.RequestTimeout
}

async function openStreamable(target: HttpTarget, greeting: Greeting, deps: HttpDeps, opening: Opening): Promise<Opened> {
  const { current, life, who } = opening
  const pauses = new Set<ReturnType<typeof setTimeout>>()
  const inner = new StreamableHTTPClientTransport(new URL(target.url), {
    fetch: requestsOf({ ...deps, target, current, life, who }),
    reconnectionOptions: RECONNECTION,
    reconnectionScheduler: reconnecting(opening, pauses),
  })
  const transport = new Answered(inner, { current, who, ownAnswers: true })
  async function close(): Promise<void> {
    for (const pause of pauses) clearTimeout(pause)
    await life.run(() => inner.terminateSession()).catch(() => {}) // a session that is forgotten here ends there by itself
    await transport.close()
  }
  try {
    const client = await greet(transport, greeting, opening)
    return { client, ended: () => null, close }
  } catch (error) {
    await transport.close()
    throw error
  }
}

async function openSse(target: HttpTarget, deps: HttpDeps, opening: Opening): Promise<Opened> {
  const { current, life, who, exchange } = opening
  const inner = new SSEClientTransport(new URL(target.url), { fetch: requestsOf({ ...deps, target, current, life, who }) })
  const transport = new Answered(inner, { current, who, ownAnswers: false })
  let ended: string | null = null
  // Its answers come over one stream: once that is gone, a new one would be another conversation.
  transport.onerror = error => {
    if (!(error instanceof SseError) || ended !== null) return
    ended = `the stream of ${who} ended`
    void inner.close()
  }
  try {
    const client: Client = await exchange.until(greet(transport, "initialize", opening))
    return { client, ended: () => ended, close: () => transport.close() }
  } catch (error) {
    await transport.close()
    throw error
  }
}

const RECONNECTION: StreamableHTTPReconnectionOptions = {
  initialReconnectionDelay: 1_000,
  maxReconnectionDelay: 30_000,
  reconnectionDelayGrowFactor: 1.5,
  maxRetries: 2,
}
const RESUME_MIN_MS = 50
const LISTEN_MIN_MS = 1_000
const LISTEN_MAX_MS = 60_000
const TIMER_MAX_MS = 2 ** 31 - 1

/** When a broken stream is taken up again: for a call when the server says, for news from a server more and more seldom. */
function reconnecting({ current, life }: Opening, pauses: Set<ReturnType<typeof setTimeout>>) {
  let listened = 0
  return (reconnect: () => void, delayMs: number) => {
    const exchange = current.getStore() ?? life
    const forCall = exchange.kind === "call"
    if (life.over || (forCall && exchange.over)) return
    const least = forCall ? RESUME_MIN_MS : Math.min(LISTEN_MIN_MS * 2 ** listened++, LISTEN_MAX_MS)
    const pause = setTimeout(
      () => {
        pauses.delete(pause)
        reconnect()
      },
      Math.min(Math.max(delayMs, least), TIMER_MAX_MS),
    )
    pauses.add(pause)
    return () => clearTimeout(pause)
  }
}
