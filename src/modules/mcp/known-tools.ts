import type { Scope, Tool } from "../../connectors/connector.ts"
import { driftOf, type ToolDrift } from "./remote-tools.ts"

/** What a server said last counts for so long; then it is asked again. */
const FRESH_MS = 5 * 60_000
/** One that could not be asked is not asked again at once by every step. */
const PAUSE_MS = 30_000
const KEPT_MAX = 5_000

interface Known {
  readonly tools: readonly Tool[] | null
  readonly at: number
}

/**
 * What servers said of their tools, in memory. Kept for each instance: with other credentials a server may show other tools.
 */
export class KnownTools {
  /** By conversation; the oldest first. */
  readonly #known = new Map<string, Known>()
  /** By workspace and server. */
  readonly #said = new Map<string, readonly Tool[]>()

  remember(key: string, scope: Scope, serverId: string, tools: readonly Tool[], now: number): void {
    this.#set(key, { tools, at: now })
    keep(this.#said, placeOf(scope, serverId), tools)
  }

  /** It could not be asked; what it said before is as good as anything. */
  failed(key: string, now: number): void {
    this.#set(key, { tools: this.#known.get(key)?.tools ?? null, at: now - FRESH_MS + PAUSE_MS })
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
    keep(this.#known, key, known)
  }
}

function placeOf({ tenantId, projectId }: Scope, serverId: string): string {
  return `${tenantId}/${projectId}/${serverId}`
}

function keep<T>(map: Map<string, T>, key: string, value: T): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (map.size > KEPT_MAX && oldest !== undefined) map.delete(oldest)
}
