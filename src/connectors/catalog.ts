import { assert } from "../kernel/errors.ts"
import { ADAPTERS, type AdapterRow } from "./catalog-data.ts"
import type { AuthKind, ConfigField, ConfigSchema, ConnectorStatus } from "./connector.ts"
import { OWN_ADAPTERS } from "./own-catalog.ts"

/** What is documented of a platform adapter, whether or not this executable has its tools. */
export interface Adapter {
  readonly slug: string
  readonly name: string
  readonly description: string
  readonly category: string
  readonly authKind: AuthKind
  readonly status: ConnectorStatus
  readonly configSchema: ConfigSchema
  readonly toolNames: readonly string[]
  /** Ours alone: the hosted product has no such adapter. */
  readonly selfHostedOnly: boolean
}

/** All adapters of the contract's Appendix A, in its order, then our own. */
export const CATALOG: readonly Adapter[] = [
  ...ADAPTERS.map(row => adapterOf(row, false)),
  ...OWN_ADAPTERS.map(row => adapterOf(row, true)),
]

const BY_SLUG: ReadonlyMap<string, Adapter> = new Map(CATALOG.map(a => [a.slug, a]))

export function findAdapter(slug: string): Adapter | undefined {
  return BY_SLUG.get(slug)
}

/** The documented part of a connector; the slug is one of the catalog's. */
export function adapter(slug: string): Adapter {
  const found = BY_SLUG.get(slug)
  assert(found, `no adapter ${slug} in the catalog`)
  return found
}

const CANONICAL_HOST = "router.agentruntime.io"

/** The portable address of an adapter, which graphs name (S-8). No request ever goes there. */
export function canonicalUrl(slug: string): string {
  return `https://${CANONICAL_HOST}/${slug}/mcp`
}

/**
 * The slug of an address in either of its forms: the canonical one, or `{publicUrl}/mcp/{slug}` of this instance. Null for
 * anything else; the slug may still be unknown.
 */
export function slugOfUrl(address: string, publicUrl: string): string | null {
  const url = URL.parse(address)
  if (url === null || url.search + url.hash + url.username + url.password !== "") return null
  const path = url.pathname.replace(/\/+$/, "")
  if (url.host === CANONICAL_HOST) return /^\/([^/]+)\/mcp$/.exec(path)?.[1] ?? null
  const own = URL.parse(publicUrl)
  if (!own || url.origin !== own.origin) return null
  const prefix = `${own.pathname.replace(/\/+$/, "")}/mcp/`
  const slug = path.startsWith(prefix) ? path.slice(prefix.length) : ""
  return slug === "" || slug.includes("/") ? null : slug
}

function adapterOf(row: AdapterRow, selfHostedOnly: boolean): Adapter {
  return {
    slug: row.slug,
    name: row.name,
    description: row.description,
    category: row.category,
    authKind: row.auth,
    status: row.status ?? "ga",
    configSchema: Object.fromEntries(words(row.config).map(word => configField(word, row.notes ?? {}))),
    toolNames: words(row.tools),
    selfHostedOnly,
  }
}

function words(text: string): readonly string[] {
  return text.split(/\s+/).filter(word => word !== "")
}

/** One word of the table, e.g. `APIKey*!`, `redis_db=0`, or `auth=none|bearer`, whose first option is the default. */
function configField(word: string, notes: { readonly [key: string]: string }): readonly [string, ConfigField] {
  const [, key, marks, fallback] = /^(\w+)([*!#]*)(?:=(.*))?$/.exec(word) ?? []
  assert(key !== undefined && marks !== undefined, `the catalog's configuration word ${word}`)
  const options = fallback?.includes("|") ? fallback.split("|") : undefined
  const value = fallback === undefined ? undefined : literal(options?.[0] ?? fallback)
  const note = notes[key]
  const field: ConfigField = {
    type: options
      ? "option"
      : typeof value === "number" || marks.includes("#")
        ? "number"
        : typeof value === "boolean"
          ? "boolean"
          : "string",
    displayName: displayName(key),
    required: marks.includes("*"),
    ...(note === undefined ? {} : { description: note }),
    ...(value === undefined ? {} : { default: value }),
    ...(marks.includes("!") ? { secret: true as const } : {}),
    ...(options && { options: options.map(option => ({ label: displayName(option), value: option })) }),
  }
  return [key, field]
}

function literal(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true"
  return /^\d+$/.test(text) ? Number(text) : text
}

/** `sqlite_max_rows` → `Sqlite max rows`, `APIKey` → `API Key`. */
function displayName(key: string): string {
  const spaced = key
    .replaceAll("_", " ")
    .replaceAll(/([a-z])([A-Z])/g, "$1 $2")
    .replaceAll(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
  return spaced.charAt(0).toUpperCase() + spaced.slice(1)
}
