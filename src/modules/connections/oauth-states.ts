import type { Vault } from "../../adapters/vault/vault.ts"
import type { Caller } from "../../http/permission.ts"
import { hashToken, isToken, newToken } from "../../http/tokens.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { OAUTH_STATE_MS, OAUTH_STATES_PER_USER_MAX } from "../../kernel/limits.ts"
import type { Writer } from "../../storage/database.ts"
import type { OAuthStateRow, OAuthStateStore } from "./oauth-state-store.ts"

export type OAuthFlow = "google" | "mcp"

/** Rows deleted in one transaction of the sweep. */
const SWEEP_SLICE = 500

export interface BegunSignIn {
  readonly state: string
  readonly expiresAt: number
}

/** A sign-in that was ended by whoever began it. */
export interface TakenSignIn {
  readonly row: OAuthStateRow
  /** What was kept secret meanwhile, e.g. the verifier of PKCE. */
  readonly secret: string
}

export interface OAuthStatesDeps {
  readonly store: OAuthStateStore
  readonly vault: Vault<Writer>
  readonly clock: Clock
  readonly ids: Ids
}

/**
 * Sign-ins at other services that are under way (contract G-20). A state is good once, for some minutes, for the person who
 * began it: of it only its hash is kept.
 */
export class OAuthStates {
  constructor(private readonly deps: OAuthStatesDeps) {}

  newState(): string {
    return newToken(this.deps.ids)
  }

  async begin(
    caller: Caller,
    state: string,
    wish: {
      readonly flow: OAuthFlow
      readonly connectionId: string | null
      readonly request: JsonObject
      readonly secret: string
    },
  ): Promise<BegunSignIn> {
    const { store, vault, clock } = this.deps
    const { tenantId, projectId, userId } = caller
    const now = clock.now()
    const { flow, connectionId, request } = wish
    const whose = { tenantId, projectId, userId }
    const row = {
      ...{ id: hashToken(state), ...whose, flow, connectionId, request },
      expiresAt: now + OAUTH_STATE_MS,
      usedAt: null,
    }
    await store.transaction(async tx => {
      if ((await store.countOpen(caller, now, tx)) >= OAUTH_STATES_PER_USER_MAX) {
        const sentence = "too many sign-ins were begun and not ended; end one of them, or wait some minutes"
        throw new AppError("rate_limited", sentence, { retryAfterS: OAUTH_STATE_MS / 1000 })
      }
      await store.insert(row, tx)
      await vault.put(row.tenantId, secretName(row.id), wish.secret, tx)
    })
    return { state, expiresAt: row.expiresAt }
  }

  /** Uses it up. The same error for whatever is wrong with a state: nobody learns of another's. */
  async take(caller: Caller, flow: OAuthFlow, state: string): Promise<TakenSignIn> {
    const { store, vault, clock } = this.deps
    const id = isToken(state) ? hashToken(state) : null
    if (id === null) throw badState()
    return await store.transaction(async tx => {
      const row = await store.take(id, flow, caller, clock.now(), tx)
      const secret = row === null ? null : await vault.get(row.tenantId, secretName(id), tx)
      if (row === null || secret === null) throw badState()
      await vault.delete(row.tenantId, secretName(id), tx)
      return { row, secret }
    })
  }

  /** What the bearer of a state began, without using it up. */
  async peek(state: string): Promise<Pick<OAuthStateRow, "flow" | "tenantId" | "projectId"> | null> {
    return isToken(state) ? await this.deps.store.find(hashToken(state), this.deps.clock.now()) : null
  }

  /** Deletes what is over; resolves with how many. */
  async sweep(now: number): Promise<number> {
    const { store, vault } = this.deps
    return await store.transaction(async tx => {
      const rows = await store.over(now, SWEEP_SLICE, tx)
      for (const { tenantId, id } of rows) {
        await vault.delete(tenantId, secretName(id), tx)
        await store.delete(id, tx)
      }
      return rows.length
    })
  }
}

const secretName = (id: string) => `oauth_state:${id}`

function badState(): AppError {
  const sentence = "this sign-in is unknown, was ended already, is too old, or was begun by somebody else: begin again"
  return new AppError("invalid", sentence, { code: "OAUTH_STATE_INVALID" })
}
