import { DetectError, ParseError, parseFeed } from "feedsmith"
import { serveJobs } from "../../adapters/sandbox/child-loop.ts"
import { aboutFeed, type FeedAbout, type FeedItem, feedItems } from "./item.ts"
import { FEED_CHILD_MEMORY_MAX_BYTES, ITEMS_MAX_BYTES, ITEMS_READ_MAX } from "./limits.ts"

export interface ParseRequest {
  readonly text: string
  /** Where it was fetched from, for links that are relative. */
  readonly address: string
  readonly limit: number
  /** Only items that are known to be published later, ms. */
  readonly after: number | null
  readonly withContent: boolean
}

export type ParseAnswer =
  | {
      readonly ok: true
      readonly feed: FeedAbout
      readonly items: readonly FeedItem[]
      /** There are more that were wanted than the limits let through. */
      readonly truncated: boolean
    }
  | { readonly ok: false; readonly message: string }

/**
 * The child that reads feeds: parsing is synchronous, and a feed made for it can keep the parser busy for seconds, which in
 * the server would be everybody's.
 */
export function serveFeeds(): void {
  serveJobs(request => ({ json: JSON.stringify(readFeed(request as ParseRequest)) }), FEED_CHILD_MEMORY_MAX_BYTES)
}

/** No entity but those of HTML is ever expanded, and nothing is fetched. */
export function readFeed({ text, address, limit, after, withContent }: ParseRequest): ParseAnswer {
  try {
    const parsed = parseFeed<string>(text, { maxItems: ITEMS_READ_MAX })
    const wanted = feedItems(parsed, address).filter(item => after === null || Date.parse(item.published ?? "") > after)
    const given: FeedItem[] = []
    let bytes = 0
    for (const item of wanted.slice(0, limit)) {
      const kept = withContent ? item : { ...item, content: null }
      bytes += Buffer.byteLength(JSON.stringify(kept)) + 1
      if (bytes > ITEMS_MAX_BYTES) break
      given.push(kept)
    }
    return { ok: true, feed: aboutFeed(parsed, address), items: given, truncated: given.length < wanted.length }
  } catch (error) {
    return { ok: false, message: reasonOf(error, text) }
  }
}

function reasonOf(error: unknown, text: string): string {
  if (text.trim() === "") return "the answer is empty"
  if (error instanceof DetectError) {
    const what = /^\s*(<!doctype html|<html)/i.test(text) ? "a web page, not a feed" : "no feed"
    return `the answer is ${what}; RSS, Atom, RDF and JSON Feed are known`
  }
  if (error instanceof ParseError) return "the feed says nothing about itself and has no items"
  const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message.slice(0, 200)}` : ""
  return `the feed is damaged, or made to do harm${cause}`
}
