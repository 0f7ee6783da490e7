import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { ConnectionBody, ConnectionPatch, ConnectionWish } from "./contract.ts"
import { checkCount, checkedCredentials, checkService } from "./kinds.ts"
import { type SavedConnections, useBody } from "./saved.ts"
import type { ConnectionFilter, ConnectionRow, ConnectionStore, CredentialRow } from "./store.ts"
import { SIGN_IN } from "./tokens.ts"
import type { UseStore } from "./use-store.ts"

/** What every connection is made by hand of; those of other providers are made by signing in. */
const CUSTOM = "custom"

export interface ConnectionServiceDeps {
  readonly store: Pick<ConnectionStore, "page" | "credentials">
  readonly saved: SavedConnections
  readonly uses: UseStore
  readonly clock: Clock
}

/** The connections of a workspace as the API has them (contract §7, §7.1, G-19). No answer holds a secret. */
export class ConnectionService {
  constructor(private readonly deps: ConnectionServiceDeps) {}

  async list(caller: Caller, filter: ConnectionFilter, page: Page) {
    const { items, total } = await this.deps.store.page(caller.tenantId, filter, page)
    return { connections: await this.#bodies(caller.tenantId, items), total, ...page }
  }

  async get(caller: Caller, id: string): Promise<ConnectionBody> {
    return await this.body(await this.deps.saved.find(caller.tenantId, id))
  }

  async create(caller: Caller, wish: ConnectionWish): Promise<ConnectionBody> {
    const { service, provider = CUSTOM } = wish
    const displayName = wish.display_name ?? wish.name
    if (displayName === undefined) throw new AppError("invalid", "display_name is required")
    if (provider !== CUSTOM) {
      const sentence = `provider must be ${CUSTOM}: Google, WhatsApp and OAuth connections are made by their own routes`
      throw new AppError("invalid", sentence)
    }
    checkService(service)
    const values = present(checkedCredentials(service, wish.credentials))
    checkCount(new Set(Object.keys(values)))
    return await this.body(await this.deps.saved.create(caller, { displayName, provider, service, values }))
  }

  /** Credentials are merged: those that are not named stay, null takes one away. */
  async patch(caller: Caller, id: string, patch: ConnectionPatch): Promise<ConnectionBody> {
    const { saved, store, clock } = this.deps
    const displayName = patch.display_name ?? patch.name
    const row = await saved.change(caller.tenantId, id, async (before, tx) => {
      if (patch.credentials !== undefined && before.provider !== CUSTOM && before.provider !== "whatsapp") {
        throw new AppError("invalid", "the credentials of this connection come from signing in: connect it again instead")
      }
      const values = checkedCredentials(before.service, patch.credentials ?? {})
      const keys = new Set((await store.credentials([id], tx)).map(credential => credential.key))
      for (const [key, value] of Object.entries(values)) value === null ? keys.delete(key) : keys.add(key)
      if (patch.credentials !== undefined) checkCount(keys)
      const renamed = displayName === undefined ? {} : { displayName }
      // New secrets are the answer to whatever was wrong with the old ones.
      const mended = patch.credentials === undefined ? {} : { status: "active" as const, statusReason: null, expiresAt: null }
      return { fields: { ...renamed, ...mended, updatedAt: clock.now() }, values }
    })
    return await this.body(row)
  }

  async delete(caller: Caller, id: string, rule: "guarded" | "forced"): Promise<void> {
    await this.deps.saved.delete(caller.tenantId, id, rule)
  }

  /** What may be shown of its secrets. */
  async credentials(caller: Caller, id: string) {
    const row = await this.deps.saved.find(caller.tenantId, id)
    const credentials = shown(await this.deps.store.credentials([row.id]))
    return {
      connection_id: row.id,
      credentials: credentials.map(({ key, last4, updatedAt }) => ({
        ...{ key, set: true, last4: last4 === "" ? null : `…${last4}` },
        updated_at: rfc3339(updatedAt),
      })),
    }
  }

  async body(row: ConnectionRow): Promise<ConnectionBody> {
    const [body] = await this.#bodies(row.tenantId, [row])
    return body!
  }

  async #bodies(tenantId: string, rows: readonly ConnectionRow[]): Promise<ConnectionBody[]> {
    const ids = rows.map(row => row.id)
    const credentials = shown(await this.deps.store.credentials(ids))
    const uses = await this.deps.uses.uses(tenantId, ids)
    return rows.map(row => ({
      id: row.id,
      display_name: row.displayName,
      name: row.displayName,
      provider: row.provider,
      service: row.service,
      status: row.status,
      status_reason: row.statusReason,
      credential_keys: credentials.filter(credential => credential.connectionId === row.id).map(credential => credential.key),
      account: row.account,
      metadata: { ...row.metadata },
      used_by: uses.filter(use => use.connectionId === row.id).map(useBody),
      created_at: rfc3339(row.createdAt),
      updated_at: rfc3339(row.updatedAt),
    }))
  }
}

/** Not what is kept for renewing tokens only. */
function shown(credentials: readonly CredentialRow[]): readonly CredentialRow[] {
  return credentials.filter(credential => credential.key !== SIGN_IN)
}

/** A connection that is made has nothing that could be taken away. */
function present(values: Readonly<Record<string, string | null>>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).flatMap(([key, value]) => (value === null ? [] : [[key, value]])))
}
