import type { Vault } from "../../adapters/vault/vault.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { Writer } from "../../storage/database.ts"
import { InTurn } from "../../storage/in-turn.ts"
import type { SubscriptionRow } from "./store.ts"

/** 32 bytes of randomness; the whole text is the key (contract §6.2). */
const SECRET_BYTES = 32

/** Signing secrets of subscriptions, in the vault: the present one, and for a while the one before. */
export class SigningSecrets {
  readonly #inTurn = new InTurn<readonly string[]>()

  constructor(
    private readonly vault: Vault<Writer>,
    private readonly ids: Ids,
  ) {}

  /** Of a new subscription; `wanted`: one that its senders have already. */
  async make(tenantId: string, id: string, wanted: string | null, tx: Writer): Promise<string> {
    const secret = wanted ?? `whsec_${this.ids.secret(SECRET_BYTES)}`
    await this.vault.put(tenantId, presentName(id), secret, tx)
    return secret
  }

  /** The present one becomes the one before, whose own predecessor ends. */
  async rotate(tenantId: string, id: string, keepPrevious: boolean, tx: Writer): Promise<string> {
    const present = await this.vault.get(tenantId, presentName(id), tx)
    if (keepPrevious && present !== null) await this.vault.put(tenantId, previousName(id), present, tx)
    else await this.vault.delete(tenantId, previousName(id), tx)
    return await this.make(tenantId, id, null, tx)
  }

  async delete(tenantId: string, id: string, tx: Writer): Promise<void> {
    await this.vault.delete(tenantId, presentName(id), tx)
    await this.vault.delete(tenantId, previousName(id), tx)
  }

  /** Those that are good now, the present one first. */
  good({ tenantId, id, previousSecretUntil, updatedAt }: SubscriptionRow, now: number): Promise<readonly string[]> {
    const names =
      previousSecretUntil !== null && now < previousSecretUntil ? [presentName(id), previousName(id)] : [presentName(id)]
    // A rotation changes the row, too.
    return this.#inTurn.read(`${updatedAt} ${names.join(" ")}`, () => this.#read(tenantId, names))
  }

  async #read(tenantId: string, names: readonly string[]): Promise<readonly string[]> {
    const secrets: string[] = []
    for (const name of names) {
      const secret = await this.vault.get(tenantId, name)
      if (secret !== null) secrets.push(secret)
    }
    return secrets
  }
}

const presentName = (id: string) => `webhook:${id}`
const previousName = (id: string) => `webhook:${id}:previous`
