import type { Clock } from "../../kernel/clock.ts"
import { AppError, messageOf } from "../../kernel/errors.ts"
import {
  TOKEN_GOOD_FOR_MS,
  TOKEN_REFRESH_AHEAD_MS,
  TOKEN_REFRESH_PAUSE_MS,
  TOKEN_REFRESHES_PARALLEL_MAX,
} from "../../kernel/limits.ts"
import type { SavedConnections } from "./saved.ts"
import type { ConnectionSecrets } from "./secrets.ts"
import type { ConnectionRow, ConnectionStore } from "./store.ts"

export const ACCESS_TOKEN = "access_token"
export const REFRESH_TOKEN = "refresh_token"
/** What else an MCP server's tokens are renewed with: the client it registered, and where it signs people in. Never shown. */
export const SIGN_IN = "sign_in"

/** What a service gave in place of a refresh token. */
export type Refreshed =
  /** `refreshToken` null: the old one stays good. */
  | {
      readonly type: "tokens"
      readonly accessToken: string
      readonly refreshToken: string | null
      readonly expiresInMs: number | null
    }
  /** The grant is over; a sentence. */
  | { readonly type: "gone"; readonly reason: string }
  /** Not now; a sentence. */
  | { readonly type: "later"; readonly reason: string }

/** How the tokens of one provider are renewed. */
export type Refresh = (row: ConnectionRow, refreshToken: string) => Promise<Refreshed>

export type FreshToken = { readonly ok: true; readonly token: string } | { readonly ok: false; readonly message: string }

export interface TokensDeps {
  readonly store: Pick<ConnectionStore, "expiring" | "find">
  readonly saved: SavedConnections
  readonly secrets: ConnectionSecrets
  /** By provider. */
  readonly refreshers: ReadonlyMap<string, Refresh>
  readonly clock: Clock
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * Access tokens that are good when somebody asks: they are renewed ahead of their end by a loop, and else by whoever comes
 * first, while all others wait for the same answer.
 */
export class Tokens {
  readonly #underWay = new Map<string, Promise<FreshToken>>()
  /** Connections that the loop has tried, and until when it lets them be. */
  readonly #heldBack = new Map<string, number>()

  constructor(private readonly deps: TokensDeps) {}

  /** Whether its access token is one that can be renewed here. */
  isOAuth(row: ConnectionRow): boolean {
    return this.deps.refreshers.has(row.provider)
  }

  /** Of an active connection. */
  async accessToken(row: ConnectionRow): Promise<FreshToken> {
    const { secrets, clock } = this.deps
    const { expiresAt } = row
    if (expiresAt !== null && expiresAt - clock.now() < TOKEN_GOOD_FOR_MS) return await this.#refreshOnce(row)
    const token = await secrets.get(row, ACCESS_TOKEN)
    return token === null ? await this.#refreshOnce(row) : { ok: true, token }
  }

  /** The service did not take this token: true when there is another one now. */
  async replace(row: ConnectionRow, refused: string): Promise<boolean> {
    const present = await this.deps.secrets.get(row, ACCESS_TOKEN)
    if (present !== null && present !== refused) return true
    const fresh = await this.#refreshOnce(row)
    return fresh.ok && fresh.token !== refused
  }

  /** A round of the loop that renews what will soon run out; resolves with how many it tried. */
  async round(now: number): Promise<number> {
    for (const [id, until] of this.#heldBack) if (until <= now) this.#heldBack.delete(id)
    const except = [...this.#heldBack.keys()]
    const rows = await this.deps.store.expiring(now + TOKEN_REFRESH_AHEAD_MS, except, TOKEN_REFRESHES_PARALLEL_MAX)
    await Promise.all(
      rows.map(async row => {
        this.#heldBack.set(row.id, now + TOKEN_REFRESH_PAUSE_MS)
        const fresh = await this.#refreshOnce(row).catch(error => ({ ok: false, message: messageOf(error) }) as const)
        if (!fresh.ok) this.deps.log.warn({ connection_id: row.id, reason: fresh.message }, "tokens could not be renewed")
      }),
    )
    return rows.length
  }

  #refreshOnce(row: ConnectionRow): Promise<FreshToken> {
    const known = this.#underWay.get(row.id)
    if (known) return known
    const refreshing = this.#refresh(row).finally(() => this.#underWay.delete(row.id))
    this.#underWay.set(row.id, refreshing)
    return refreshing
  }

  async #refresh(seen: ConnectionRow): Promise<FreshToken> {
    const { store, secrets, refreshers, clock } = this.deps
    const row = await store.find(seen.tenantId, seen.id)
    // Whoever came here may have looked before the last refresh had ended.
    if (row?.status !== "active" || row.expiresAt !== seen.expiresAt) return await this.#present(seen)
    const { expiresAt } = row
    const refreshToken = await secrets.get(row, REFRESH_TOKEN)
    const outcome: Refreshed =
      refreshToken === null
        ? { type: "gone", reason: "its access has run out, and the service gave nothing to renew it with" }
        : await refreshers.get(row.provider)!(row, refreshToken)
    switch (outcome.type) {
      case "tokens":
        return await this.#keep(row, refreshToken, outcome)
      case "gone": {
        // Without a refresh token the access token is still good until its end.
        const isOver = refreshToken !== null || expiresAt === null || expiresAt <= clock.now()
        if (!isOver) return await this.#present(row)
        return await this.#end(row, refreshToken, outcome.reason)
      }
      case "later": {
        if (expiresAt !== null && expiresAt > clock.now()) return await this.#present(row)
        return { ok: false, message: `the access token could not be renewed: ${outcome.reason}; try again` }
      }
    }
  }

  async #keep(row: ConnectionRow, used: string | null, tokens: Extract<Refreshed, { type: "tokens" }>): Promise<FreshToken> {
    const { saved, secrets, clock } = this.deps
    const { accessToken, refreshToken, expiresInMs } = tokens
    const expiresAt = expiresInMs === null ? null : clock.now() + expiresInMs
    let isKept = false
    await ifThere(() =>
      saved.change(row.tenantId, row.id, async (_, tx) => {
        // Somebody connected it again meanwhile: those tokens are the newer ones.
        if ((await secrets.get(row, REFRESH_TOKEN, tx)) !== used) return null
        isKept = true
        const rotated = refreshToken === null ? {} : { [REFRESH_TOKEN]: refreshToken }
        return { fields: { expiresAt }, values: { [ACCESS_TOKEN]: accessToken, ...rotated } }
      }),
    )
    if (isKept) return { ok: true, token: accessToken }
    return await this.#present(row)
  }

  async #end(row: ConnectionRow, used: string | null, reason: string): Promise<FreshToken> {
    const { saved, secrets } = this.deps
    let isOver = false
    await ifThere(() =>
      saved.change(row.tenantId, row.id, async (_, tx) => {
        // Another process may have renewed them: then it was only our refresh token that was over.
        if ((await secrets.get(row, REFRESH_TOKEN, tx)) !== used) return null
        isOver = true
        return { fields: { status: "reconnect_required", statusReason: reason } }
      }),
    )
    if (!isOver) return await this.#present(row)
    return { ok: false, message: `the connection ${JSON.stringify(row.displayName)} has to be connected again: ${reason}` }
  }

  async #present({ tenantId, id }: ConnectionRow): Promise<FreshToken> {
    const { store, secrets } = this.deps
    const row = await store.find(tenantId, id)
    const token = row === null ? null : await secrets.get(row, ACCESS_TOKEN)
    if (row?.status !== "active" || token === null)
      return { ok: false, message: "the connection is gone, or has to be connected again" }
    return { ok: true, token }
  }
}

/** A connection that was deleted meanwhile needs nothing any more. */
async function ifThere(work: () => Promise<unknown>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof AppError && error.kind === "not_found")) throw error
  }
}
