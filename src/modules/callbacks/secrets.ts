import type { Vault } from "../../adapters/vault/vault.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { Writer } from "../../storage/database.ts"
import { newSigningSecret } from "./signature.ts"
import type { CallbackStore, ProjectKey } from "./store.ts"

export interface CallbackSecretDeps {
  readonly store: Pick<CallbackStore, "transaction">
  readonly vault: Vault<Writer>
  readonly ids: Ids
}

/** The signing secret of each project; the vault alone has it. */
export class CallbackSecrets {
  constructor(private readonly deps: CallbackSecretDeps) {}

  /** Null before the first callback and the first rotation. */
  find({ tenantId, projectId }: ProjectKey): Promise<string | null> {
    return this.deps.vault.get(tenantId, secretName(projectId))
  }

  /** Made where there is none. The transaction lets one of two who need the first one make it. */
  async need(key: ProjectKey): Promise<string> {
    const { store, vault, ids } = this.deps
    const known = await this.find(key)
    if (known !== null) return known
    return store.transaction(async tx => {
      const meanwhile = await vault.get(key.tenantId, secretName(key.projectId), tx)
      const secret = meanwhile ?? newSigningSecret(ids)
      if (meanwhile === null) await vault.put(key.tenantId, secretName(key.projectId), secret, tx)
      return secret
    })
  }

  /** The new one signs from the next attempt on; the old one is gone. */
  async rotate({ tenantId, projectId }: ProjectKey): Promise<string> {
    const secret = newSigningSecret(this.deps.ids)
    await this.deps.vault.put(tenantId, secretName(projectId), secret)
    return secret
  }
}

const secretName = (projectId: string) => `callbacks:${projectId}`
