import { Type } from "typebox"
import type { Egress } from "../../adapters/egress/egress.ts"
import { EgressFailed, EgressRefused } from "../../adapters/egress/errors.ts"
import {
  ChildCrashed,
  ChildOutOfMemory,
  ChildPoolClosed,
  ChildPoolFull,
  ChildTimeout,
} from "../../adapters/sandbox/child-errors.ts"
import type { ChildPool } from "../../adapters/sandbox/child-pool.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { Connector } from "../connector.ts"
import { createConnector, type ToolCall, ToolFailure, tool } from "../kit.ts"
import type { ParseAnswer, ParseRequest } from "./child.ts"
import { feedText } from "./encoding.ts"
import type { FeedAbout, FeedItem } from "./item.ts"
import * as limits from "./limits.ts"

export interface RssConnectorDeps {
  readonly egress: Egress
  /** Children that answer ParseRequest: `createChildPool({ command: [...selfCommand(), "__child", "feeds"], … })`. */
  readonly feeds: Pick<ChildPool, "run">
}

const strict = { additionalProperties: false }
const url = Type.String({ minLength: 1, maxLength: 2_000, description: "Address of an RSS, Atom, RDF or JSON feed." })
const limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: limits.ITEMS_MAX,
    default: limits.ITEMS_DEFAULT,
    description: "Items of each feed, as it has them in order.",
  }),
)
const after = Type.Optional(
  Type.String({ maxLength: 60, description: "Only items published later, RFC 3339. Items without a date are left out then." }),
)
const withContent = Type.Optional(
  Type.Boolean({ default: true, description: "Whether the full texts come along; summaries always do." }),
)
const maybe = Type.Union([Type.String(), Type.Null()])
const itemFields = {
  ...{ title: maybe, link: maybe, id: maybe, published: maybe, updated: maybe, author: maybe, summary: maybe, content: maybe },
  categories: Type.Array(Type.String()),
  enclosures: Type.Array(Type.Object({ url: Type.String(), type: maybe, size_bytes: Type.Union([Type.Integer(), Type.Null()]) })),
}
const about = { format: Type.String(), title: maybe, link: maybe, description: maybe, language: maybe }

interface Wish {
  readonly limit: number
  readonly after: number | null
  readonly withContent: boolean
}

/** Feeds of the web, in one shape whatever their format. Fetched through egress, read in a child process. */
export function createRssConnector({ egress, feeds }: RssConnectorDeps): Connector {
  async function read(address: string, wish: Wish, call: ToolCall): Promise<Extract<ParseAnswer, { ok: true }>> {
    const text = await fetched(egress, address, call)
    const answer = await parsed(feeds, { text, address, ...wish }, call)
    if (!answer.ok) throw new ToolFailure(answer.message)
    return answer
  }

  const one = tool({
    name: "rss_fetch_items",
    description: "Fetches a feed (RSS, Atom, RDF, JSON Feed) and gives its items in one shape.",
    input: Type.Object({ rss_feed_url: url, limit, published_after: after, include_content: withContent }, strict),
    output: Type.Object({
      items: Type.Array(Type.Object(itemFields)),
      count: Type.Integer(),
      feed: Type.Object(about),
      truncated: Type.Boolean({ description: "The feed has more." }),
    }),
    hints: "reads",
    async run({ rss_feed_url, ...wish }, call) {
      const { feed, items, truncated } = await read(rss_feed_url, wishOf(wish), call)
      return { items: items.map(plain), count: items.length, feed: { ...feed }, truncated }
    },
  })

  const many = tool({
    name: "rss_fetch_items_multi",
    description:
      "Fetches several feeds at a time and gives their items together, newest first. A feed that fails is told, and the others come all the same.",
    input: Type.Object(
      {
        rss_feed_urls: Type.Array(url, { minItems: 1, maxItems: limits.FEEDS_MAX }),
        limit,
        published_after: after,
        include_content: withContent,
      },
      strict,
    ),
    output: Type.Object({
      items: Type.Array(Type.Object({ feed_url: Type.String(), ...itemFields })),
      count: Type.Integer(),
      feeds: Type.Array(
        Type.Object({ feed_url: Type.String(), ok: Type.Boolean(), title: maybe, count: Type.Integer(), error: maybe }),
      ),
      failed: Type.Integer(),
      truncated: Type.Boolean(),
    }),
    hints: "reads",
    async run({ rss_feed_urls, ...given }, call) {
      const wish = wishOf(given)
      const results = await inTurns([...new Set(rss_feed_urls)], async feedUrl => {
        try {
          return { feedUrl, ...(await read(feedUrl, wish, call)) }
        } catch (error) {
          if (call.signal.aborted) throw error
          return { feedUrl, ok: false as const, ...failureOf(error) }
        }
      })
      return together(results)
    },
  })

  return createConnector({ slug: "rss", tools: [one, many] })
}

type FeedResult =
  | {
      readonly feedUrl: string
      readonly ok: true
      readonly feed: FeedAbout
      readonly items: readonly FeedItem[]
      readonly truncated: boolean
    }
  | { readonly feedUrl: string; readonly ok: false; readonly message: string; readonly retryable: boolean }

function together(results: readonly FeedResult[]): JsonObject {
  const failed = results.filter(r => !r.ok)
  if (failed.length === results.length) {
    const told = failed.slice(0, 3).map(({ message }) => message)
    throw new ToolFailure(`none of the feeds could be read: ${told.join("; ")}`, { retryable: failed.some(f => f.retryable) })
  }
  const all = results
    .flatMap(r => (r.ok ? r.items.map(item => ({ feed_url: r.feedUrl, ...plain(item) })) : []))
    .toSorted((a, b) => (b.published ?? "").localeCompare(a.published ?? ""))
  let bytes = 0
  const items = all.filter(item => {
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1
    return bytes <= limits.ITEMS_MAX_BYTES
  })
  return {
    items,
    count: items.length,
    feeds: results.map(r =>
      r.ok
        ? { feed_url: r.feedUrl, ok: true, title: r.feed.title, count: r.items.length, error: null }
        : { feed_url: r.feedUrl, ok: false, title: null, count: 0, error: r.message },
    ),
    failed: failed.length,
    truncated: items.length < all.length || results.some(r => r.ok && r.truncated),
  }
}

const ACCEPT =
  "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, application/json;q=0.8, */*;q=0.5"

async function fetched(egress: Egress, address: string, { config, asker, signal, timeoutMs }: ToolCall): Promise<string> {
  const headers = { accept: ACCEPT, "user-agent": userAgentOf(config) }
  const total = { totalMs: Math.min(timeoutMs, timeoutOf(config) * 1_000), answerBytes: limits.FEED_MAX_BYTES }
  const response = await egress.for(asker).fetch(address, { headers, signal }, total)
  if (!response.ok) {
    await response.body?.cancel()
    const retryable = response.status >= 500 || response.status === 429 || response.status === 408
    throw new ToolFailure(`${hostOf(address)} answered ${response.status}`, { retryable })
  }
  return feedText(new Uint8Array(await response.arrayBuffer()), response.headers.get("content-type"))
}

async function parsed(
  feeds: Pick<ChildPool, "run">,
  request: ParseRequest,
  { signal, scope, timeoutMs }: ToolCall,
): Promise<ParseAnswer> {
  const deadlineMs = Math.min(limits.PARSE_MAX_MS, timeoutMs)
  try {
    // The cast: our own child answers with nothing else.
    return (await feeds.run(request, { deadlineMs, signal, owner: scope.projectId })) as ParseAnswer
  } catch (error) {
    if (error instanceof ChildTimeout) throw new ToolFailure(`the feed could not be read within ${deadlineMs / 1_000} s`)
    if (error instanceof ChildOutOfMemory) throw new ToolFailure("the feed takes too much memory to read")
    if (error instanceof ChildCrashed)
      throw new ToolFailure("the process that reads feeds ended in the middle", { retryable: true })
    if (error instanceof ChildPoolFull) throw new ToolFailure("too many feeds wait to be read already", { retryable: true })
    if (error instanceof ChildPoolClosed) throw new ToolFailure("the runtime is shutting down", { retryable: true })
    throw error
  }
}

function failureOf(error: unknown): { readonly message: string; readonly retryable: boolean } {
  if (error instanceof ToolFailure) return { message: error.message, retryable: error.retryable }
  if (error instanceof EgressRefused) return { message: error.message, retryable: false }
  if (error instanceof EgressFailed) return { message: error.message, retryable: true }
  throw error
}

function wishOf(given: { limit?: number; published_after?: string; include_content?: boolean }): Wish {
  const after = given.published_after === undefined ? null : Date.parse(given.published_after)
  if (Number.isNaN(after)) throw new ToolFailure("published_after is no time such as 2026-06-10T08:00:00Z")
  return { limit: given.limit ?? limits.ITEMS_DEFAULT, after, withContent: given.include_content ?? true }
}

function userAgentOf({ user_agent }: JsonObject): string {
  if (user_agent === undefined || user_agent === "") return "AgentRuntime (rss)"
  if (typeof user_agent === "string" && /^[\x20-\x7e]{1,300}$/.test(user_agent)) return user_agent
  throw new ToolFailure("user_agent of the configuration must be plain text of one line")
}

function timeoutOf({ request_timeout_seconds }: JsonObject): number {
  const seconds = Number(request_timeout_seconds ?? limits.TIMEOUT_DEFAULT_S)
  if (seconds > 0 && seconds <= limits.TIMEOUT_MAX_S) return seconds
  throw new ToolFailure(`request_timeout_seconds of the configuration must be more than 0 and at most ${limits.TIMEOUT_MAX_S}`)
}

function hostOf(address: string): string {
  return URL.parse(address)?.host ?? "the host"
}

function plain(item: FeedItem) {
  return { ...item, categories: [...item.categories], enclosures: item.enclosures.map(e => ({ ...e })) }
}

/** Results in the order of what was given, with a few under way at a time. */
async function inTurns<T, R>(given: readonly T[], work: (one: T) => Promise<R>): Promise<readonly R[]> {
  const results: R[] = []
  let next = 0
  const turn = async () => {
    for (let i = next++; i < given.length; i = next++) {
      const one = given[i]
      if (one !== undefined) results[i] = await work(one)
    }
  }
  await Promise.all(Array.from({ length: limits.FEEDS_AT_ONCE }, turn))
  return results
}
