import type { Scope, Tool } from "../../connectors/connector.ts"
import { driftOf, type ToolDrift } from "./remote-tools.ts"
import { Shelf } from "./shelf.ts"

/** What a server said last counts for so long; then it is asked again. */
const FRESH_MS = 5 * 60_000
/** One that could not be asked is not asked again at once by every step. */
const PAUSE_MS = 30_000
const KEPT_MAX = 5_000
/** A list that has no room any more is asked for again. */
const KEPT_MAX_CHARS = 64 * 1024 * 1024

interface Known {
  readonly tools: readonly Tool[] | null
  readonly at: number
  readonly chars: number
}

/**
 * What servers said of their tools, in memory. Kept for each instance: with other credentials a server may show other tools.
 */
export class KnownTools {
  /** By conversation. */
  readonly #known = new Shelf<Known>(KEPT_MAX, KEPT_MAX_CHARS)
  /** By project and server; mostly the same lists. */
  readonly #said = new Shelf<readonly Tool[]>(KEPT_MAX, KEPT_MAX_CHARS)

  remember(key: string, scope: Scope, serverId: string, tools: readonly Tool[], now: number): void {
    const chars = JSON.stringify(tools).length
    this.#set(key, { tools, at: now, chars })
    this.#said.keep(placeOf(scope, serverId), tools, chars)
  }

  /** It could not be asked; what it said before is as good as anything. */
  failed(key: string, now: number): void {
    const { tools, chars } = this.#known.get(key) ?? { tools: null, chars: 0 }
    this.#set(key, { tools, at: now - FRESH_MS + PAUSE_MS, chars })
  }

  /** `fresh`: nobody needs to ask again yet. */
  get(key: string, now: number): { readonly tools: readonly Tool[] | null; readonly fresh: boolean } {
    const known = this.#known.get(key)
    return { tools: known?.tools ?? null, fresh: known !== undefined && now - known.at < FRESH_MS }
  }

  /** The server said that its tools changed. */
  stale(key: string): void {
    const known = this.#known.get(key)
    if (known) this.#set(key, { ...known, at: 0 })
  }

  /** How the tools that the server showed last differ from the published ones. */
  drift(
    scope: { readonly tenantId: string; readonly projectId: string },
    serverId: string,
    published: readonly Tool[],
  ): ToolDrift | null {
    const said = this.#said.get(placeOf(scope, serverId))
    return said ? driftOf(published, said) : null
  }

  said(scope: Scope, serverId: string): readonly Tool[] | null {
    return this.#said.get(placeOf(scope, serverId)) ?? null
  }

  /** The server was changed or removed. */
  forget(serverId: string): void {
    for (const key of this.#known.keys()) if (key.includes(`/${serverId}/`)) this.#known.delete(key)
    for (const place of this.#said.keys()) if (place.endsWith(`/${serverId}`)) this.#said.delete(place)
  }

  #set(key: string, known: Known): void {
    this.#known.keep(key, known, known.chars)
  }
}

function placeOf({ tenantId, projectId }: Scope, serverId: string): string {
  return `${tenantId}/${projectId}/${serverId}`
}
