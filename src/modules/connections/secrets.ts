import type { Vault } from "../../adapters/vault/vault.ts"
import type { Clock } from "../../kernel/clock.ts"
import { CREDENTIAL_SHOWN_FROM_CHARS } from "../../kernel/limits.ts"
import type { Writer } from "../../storage/database.ts"
import type { ConnectionStore } from "./store.ts"

/** Of which connection. */
export interface ConnectionKey {
  readonly tenantId: string
  readonly id: string
}

/** Values by key; null takes one away. */
export type CredentialChanges = Readonly<Record<string, string | null>>

export interface ConnectionSecretsDeps {
  readonly vault: Vault<Writer>
  readonly store: Pick<ConnectionStore, "credentials" | "putCredential" | "dropCredential">
  readonly clock: Clock
}

/** The secrets of connections: whole in the vault, and beside them what may be shown. */
export class ConnectionSecrets {
  constructor(private readonly deps: ConnectionSecretsDeps) {}

  async put({ tenantId, id }: ConnectionKey, changes: CredentialChanges, tx: Writer): Promise<void> {
    const { vault, store, clock } = this.deps
    for (const [key, value] of Object.entries(changes)) {
      if (value === null) {
        await vault.delete(tenantId, nameOf(id, key), tx)
        await store.dropCredential(id, key, tx)
      } else {
        await vault.put(tenantId, nameOf(id, key), value, tx)
        await store.putCredential({ connectionId: id, key, last4: endOf(value), updatedAt: clock.now() }, tx)
      }
    }
  }

  async get({ tenantId, id }: ConnectionKey, key: string, tx?: Writer): Promise<string | null> {
    return await this.deps.vault.get(tenantId, nameOf(id, key), tx)
  }

  /** All of them. */
  async values(connection: ConnectionKey): Promise<Record<string, string>> {
    const values: [string, string][] = []
    for (const { key } of await this.deps.store.credentials([connection.id])) {
      const value = await this.get(connection, key)
      if (value !== null) values.push([key, value])
    }
    return Object.fromEntries(values)
  }

  async forget(connection: ConnectionKey, tx: Writer): Promise<void> {
    for (const { key } of await this.deps.store.credentials([connection.id], tx)) await this.put(connection, { [key]: null }, tx)
  }
}

const nameOf = (id: string, key: string) => `connection:${id}:${key}`

function endOf(secret: string): string {
  return secret.length < CREDENTIAL_SHOWN_FROM_CHARS ? "" : secret.slice(-4)
}
