import type { ConnectionListener } from "../../connectors/credentials.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { CONNECTIONS_PER_WORKSPACE_MAX } from "../../kernel/limits.ts"
import type { Writer } from "../../storage/database.ts"
import type { PlatformEvents } from "../triggers/platform-events.ts"
import type { ConnectionSecrets, CredentialChanges } from "./secrets.ts"
import type { ConnectionFields, ConnectionRow, ConnectionStore } from "./store.ts"
import type { ConnectionUse, UseStore } from "./use-store.ts"

export interface NewConnection {
  readonly displayName: string
  readonly provider: string
  readonly service: string
  readonly values: Readonly<Record<string, string>>
  readonly account?: string | null
  readonly metadata?: JsonObject
  readonly expiresAt?: number | null
}

export interface ConnectionChange {
  readonly fields?: ConnectionFields
  readonly values?: CredentialChanges
}

export interface SavedConnectionsDeps {
  readonly store: ConnectionStore
  readonly uses: UseStore
  readonly secrets: ConnectionSecrets
  readonly events: PlatformEvents
  readonly clock: Clock
  readonly ids: Ids
}

/** Connections of whatever kind, each changed together with its secrets and with what is told of it, or not at all. */
export class SavedConnections {
  readonly #listeners: ConnectionListener[] = []

  constructor(private readonly deps: SavedConnectionsDeps) {}

  /** Called after every change and deletion was committed. */
  onChange(listener: ConnectionListener): void {
    this.#listeners.push(listener)
  }

  async find(tenantId: string, id: string): Promise<ConnectionRow> {
    const row = await this.deps.store.find(tenantId, id)
    if (!row) throw noConnection()
    return row
  }

  async create(owner: { readonly tenantId: string; readonly userId: string }, wish: NewConnection): Promise<ConnectionRow> {
    const { store, secrets, clock, ids } = this.deps
    const now = clock.now()
    const row: ConnectionRow = {
      ...{ id: ids.uuid(), tenantId: owner.tenantId, createdBy: owner.userId, createdAt: now, updatedAt: now },
      ...{ displayName: wish.displayName, provider: wish.provider, service: wish.service },
      ...{ status: "active", statusReason: null, account: wish.account ?? null, metadata: wish.metadata ?? {} },
      expiresAt: wish.expiresAt ?? null,
    }
    await store.transaction(async tx => {
      if ((await store.countIn(row.tenantId, tx)) >= CONNECTIONS_PER_WORKSPACE_MAX) {
        const sentence = `the workspace has ${CONNECTIONS_PER_WORKSPACE_MAX} connections already; delete one first`
        throw new AppError("conflict", sentence, { code: "CONNECTION_LIMIT" })
      }
      await store.insert(row, tx)
      await secrets.put(row, wish.values, tx)
      await this.#tell("connection.created", row, tx)
    })
    return row
  }

  /** `decide` sees it as it stands, and may refuse (by throwing) or let it be (null). */
  async change(
    tenantId: string,
    id: string,
    decide: (row: ConnectionRow, tx: Writer) => Promise<ConnectionChange | null>,
  ): Promise<ConnectionRow> {
    const { store, secrets } = this.deps
    let changed = false
    const row = await store.transaction(async tx => {
      const before = await store.find(tenantId, id, tx)
      if (!before) throw noConnection()
      const change = await decide(before, tx)
      if (change === null) return before
      const after = { ...before, ...change.fields }
      await store.update(tenantId, id, change.fields ?? {}, tx)
      await secrets.put(before, change.values ?? {}, tx)
      if (before.status === "active" && after.status === "reconnect_required") await this.#tell("connection.revoked", after, tx)
      changed = true
      return after
    })
    if (changed) this.#notify(tenantId, id)
    return row
  }

  /** With its secrets. Throws `conflict` while somebody uses it, unless it is forced. */
  async delete(tenantId: string, id: string, rule: "guarded" | "forced"): Promise<void> {
    const { store, uses, secrets } = this.deps
    await store.transaction(async tx => {
      const row = await store.find(tenantId, id, tx)
      if (!row) throw noConnection()
      const inUse = (await uses.uses(tenantId, [id], tx)).filter(use => use.active)
      if (rule === "guarded" && inUse.length > 0) throw connectionInUse(inUse)
      await secrets.forget(row, tx)
      await store.delete(tenantId, id, tx)
      await this.#tell("connection.revoked", row, tx)
    })
    this.#notify(tenantId, id)
  }

  #notify(tenantId: string, id: string): void {
    for (const listener of this.#listeners) listener(tenantId, id)
  }

  /** In every project: a connection is the workspace's. */
  async #tell(type: "connection.created" | "connection.revoked", row: ConnectionRow, tx: Writer): Promise<void> {
    const { store, events } = this.deps
    const data = { connection_id: row.id, provider: row.provider, service: row.service }
    for (const projectId of await store.projectIds(row.tenantId, tx))
      await events.publish({ tenantId: row.tenantId, projectId, type, data }, tx)
  }
}

export function noConnection(): AppError {
  return new AppError("not_found", "no such connection")
}

/** As the API shows it. */
export function useBody({ instanceId, profileId, workflowId, active }: ConnectionUse) {
  const workflow = workflowId === null ? {} : { workflow_id: workflowId }
  return { instance_id: instanceId, profile_id: profileId, active, ...workflow }
}

function connectionInUse(inUse: readonly ConnectionUse[]): AppError {
  const sentence = "the connection is in use: wire its instances to another one first, or delete it with ?force=true"
  return new AppError("conflict", sentence, { code: "CONNECTION_IN_USE", fields: { used_by: inUse.map(useBody) } })
}
