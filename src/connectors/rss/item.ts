import type { AtomFeed, JsonFeed, parseFeed, RdfFeed, RssFeed } from "feedsmith"
import { CONTENT_MAX_CHARS, LIST_MAX, TEXT_MAX_CHARS } from "./limits.ts"

type Parsed = ReturnType<typeof parseFeed<string>>

/** One entry of a feed of any format. What a feed does not say is null. */
export interface FeedItem {
  readonly title: string | null
  readonly link: string | null
  readonly id: string | null
  /** RFC 3339; null also when the feed's date cannot be read. */
  readonly published: string | null
  readonly updated: string | null
  readonly author: string | null
  /** Short text, as the feed has it: it may be HTML. */
  readonly summary: string | null
  readonly content: string | null
  readonly categories: readonly string[]
  readonly enclosures: readonly Enclosure[]
}

export interface Enclosure {
  readonly url: string
  readonly type: string | null
  readonly size_bytes: number | null
}

export interface FeedAbout {
  readonly format: Parsed["format"]
  readonly title: string | null
  readonly link: string | null
  readonly description: string | null
  readonly language: string | null
}

/** `address`: where it was fetched from, to which its links are relative. */
export function aboutFeed({ format, feed }: Parsed, address: string): FeedAbout {
  const common = { format, title: null, link: null, description: null, language: null }
  switch (format) {
    case "rss":
    case "rdf":
      return {
        ...common,
        title: text(feed.title),
        link: addressOf(feed.link, address),
        description: text(feed.description),
        language: text("language" in feed ? feed.language : feed.dc?.languages?.[0]),
      }
    case "atom":
      return {
        ...common,
        title: text(feed.title?.value),
        link: addressOf(pageOf(feed.links), address),
        description: text(feed.subtitle?.value),
        language: text(feed.xml?.lang),
      }
    case "json":
      return {
        ...common,
        title: text(feed.title),
        link: addressOf(feed.home_page_url, address),
        description: text(feed.description),
        language: text(feed.language),
      }
  }
}

export function feedItems(parsed: Parsed, address: string): readonly FeedItem[] {
  switch (parsed.format) {
    case "rss":
      return (parsed.feed.items ?? []).map(item => fromRss(item, address))
    case "rdf":
      return (parsed.feed.items ?? []).map(item => fromRdf(item, address))
    case "atom":
      return (parsed.feed.entries ?? []).map(entry => fromAtom(entry, address))
    case "json":
      return (parsed.feed.items ?? []).map(item => fromJson(item, address))
  }
}

function fromRss(item: RssFeed.Item<string>, base: string): FeedItem {
  const guid = item.guid?.value
  const permalink = item.guid?.isPermaLink === false ? undefined : guid
  const media = [...(item.media?.contents ?? []), ...(item.media?.groups ?? []).flatMap(g => g.contents ?? [])]
  return {
    title: text(item.title ?? item.dc?.titles?.[0]),
    link: addressOf(item.link, base) ?? (/^https?:/i.test(permalink ?? "") ? addressOf(permalink, base) : null),
    id: text(guid) ?? addressOf(item.link, base),
    published: moment(item.pubDate ?? item.dc?.dates?.[0] ?? item.atom?.published),
    updated: moment(item.atom?.updated),
    author: text(personOf(item.authors?.[0]) ?? item.dc?.creators?.[0] ?? item.itunes?.author),
    summary: text(item.description ?? item.itunes?.summary),
    content: content(item.content?.encoded),
    categories: texts([...(item.categories ?? []).map(c => c.name), ...(item.dc?.subjects ?? [])]),
    enclosures: enclosures(
      [
        ...(item.enclosures ?? []).map(e => ({ url: e.url, type: e.type, size: e.length })),
        ...media.map(m => ({ url: m.url, type: m.type, size: m.fileSize })),
      ],
      base,
    ),
  }
}

function fromRdf(item: RdfFeed.Item<string>, base: string): FeedItem {
  return {
    title: text(item.title),
    link: addressOf(item.link, base),
    id: text(item.rdf?.about) ?? addressOf(item.link, base),
    published: moment(item.dc?.dates?.[0]),
    updated: null,
    author: text(item.dc?.creators?.[0]),
    summary: text(item.description ?? item.dc?.descriptions?.[0]),
    content: content(item.content?.encoded),
    categories: texts(item.dc?.subjects ?? []),
    enclosures: [],
  }
}

function fromAtom(entry: AtomFeed.Entry<string>, base: string): FeedItem {
  const attached = (entry.links ?? []).filter(l => l.rel === "enclosure")
  return {
    title: text(entry.title?.value),
    link: addressOf(pageOf(entry.links), base),
    id: text(entry.id),
    published: moment(entry.published ?? entry.updated),
    updated: moment(entry.updated),
    author: text(entry.authors?.[0]?.name ?? entry.authors?.[0]?.email ?? entry.dc?.creators?.[0]),
    summary: text(entry.summary?.value),
    content: content(entry.content?.value),
    categories: texts((entry.categories ?? []).map(c => c.label ?? c.term)),
    enclosures: enclosures(
      attached.map(l => ({ url: l.href, type: l.type, size: l.length })),
      base,
    ),
  }
}

function fromJson(item: JsonFeed.Item<string>, base: string): FeedItem {
  return {
    title: text(item.title),
    link: addressOf(item.url ?? item.external_url, base),
    id: text(item.id),
    published: moment(item.date_published),
    updated: moment(item.date_modified),
    author: text(item.authors?.[0]?.name ?? item.authors?.[0]?.url),
    summary: text(item.summary),
    content: content(item.content_html ?? item.content_text),
    categories: texts(item.tags ?? []),
    enclosures: enclosures(
      (item.attachments ?? []).map(a => ({ url: a.url, type: a.mime_type, size: a.size_in_bytes })),
      base,
    ),
  }
}

// Control characters have no place in a feed's text, and PostgreSQL takes no NUL.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g

/** The library's types say text; what a feed says may be anything. */
function text(value: unknown, maxChars = TEXT_MAX_CHARS): string | null {
  if (typeof value !== "string") return null
  const clean = value.slice(0, maxChars).replaceAll(CONTROL, "").trim().toWellFormed()
  return clean === "" ? null : clean
}

function content(value: unknown): string | null {
  return text(value, CONTENT_MAX_CHARS)
}

function texts(values: readonly unknown[]): readonly string[] {
  return [...new Set(values.flatMap(value => text(value, 500) ?? []))].slice(0, LIST_MAX)
}

/** Anything else may run where somebody follows it (`javascript:`), or leads into the machine of whoever does (`file:`). */
const FOLLOWED = new Set(["http:", "https:", "ftp:", "mailto:", "magnet:"])

function addressOf(value: unknown, base: string): string | null {
  const given = text(value, 4_000)
  const url = given === null ? null : URL.parse(given, base)
  return url && FOLLOWED.has(url.protocol) ? url.href : null
}

function moment(value: unknown): string | null {
  const ms = typeof value === "string" ? Date.parse(value.trim().slice(0, 100)) : Number.NaN
  return Number.isNaN(ms) ? null : new Date(ms).toISOString()
}

function pageOf(links: AtomFeed.Feed<string>["links"]): string | undefined {
  return links?.find(l => l.rel === undefined || l.rel === "alternate")?.href
}

function personOf(person: RssFeed.Person | undefined): string | undefined {
  return person?.name ?? person?.email ?? person?.link
}

function enclosures(found: readonly { url: unknown; type: unknown; size: unknown }[], base: string): readonly Enclosure[] {
  const byUrl = new Map<string, Enclosure>()
  for (const { url, type, size } of found) {
    const at = addressOf(url, base)
    if (at === null || byUrl.has(at) || byUrl.size >= LIST_MAX) continue
    const size_bytes = typeof size === "number" && Number.isSafeInteger(size) && size > 0 ? size : null
    byUrl.set(at, { url: at, type: text(type, 200), size_bytes })
  }
  return [...byUrl.values()]
}
