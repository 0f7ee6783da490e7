import type { Vault } from "../../adapters/vault/vault.ts"
import type { Writer } from "../../storage/database.ts"
import type { Also, ProfileRow } from "./store.ts"
import { sourcesOf, vaultNameOf, vaultPath, type Wiring } from "./wiring.ts"

/** Secrets that were given to a profile itself. They come and go in the transaction of its row. */
export class ProfileSecrets {
  constructor(private readonly vault: Vault<Writer>) {}

  /** Puts the new ones in, and takes out those that the wiring does not name any more. */
  change(tenantId: string, profileId: string, before: Wiring, after: Wiring, secrets: ReadonlyMap<string, string>): Also {
    const kept = new Set(namesIn(after))
    return async tx => {
      for (const name of namesIn(before)) if (!kept.has(name)) await this.vault.delete(tenantId, name, tx)
      for (const [key, value] of secrets) {
        const name = vaultNameOf(vaultPath(profileId, key))
        if (name !== null) await this.vault.put(tenantId, name, value, tx)
      }
    }
  }

  async forget(rows: readonly ProfileRow[], tx: Writer): Promise<void> {
    for (const row of rows) for (const name of namesIn(row)) await this.vault.delete(row.tenantId, name, tx)
  }
}

function namesIn(wiring: Wiring): readonly string[] {
  return sourcesOf(wiring).flatMap(([, source]) => {
    const name = source.source === "vault" ? vaultNameOf(source.path) : null
    return name === null ? [] : [name]
  })
}
