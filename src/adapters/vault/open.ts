import { randomBytes } from "node:crypto"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { type MasterKey, openMasterKey } from "./master-key.ts"
import { rotateMasterKey, rotationIsOpen } from "./rotate.ts"
import { KEY_BYTES, seal, unseal } from "./seal.ts"
import type { Vault, VaultRows, WrappedKey } from "./vault.ts"

/** Unwrapped data keys held in memory. */
const KEYS_IN_MEMORY_MAX = 10_000

export interface VaultDeps<Tx> {
  /** Path of the master key, e.g. `<data>/master.key`. */
  readonly keyFile: string
  readonly rows: VaultRows<Tx>
  readonly clock: Clock
}

/**
 * The vault of the instance: finishes a rotation that was cut off, loads the master key or makes the first one, and
 * checks that it is the one this database was written with.
 *
 * Throws `AppError("unavailable")` with a sentence for the operator when the key is missing, wrong, damaged or exposed.
 */
export async function openVault<Tx>({ keyFile, rows, clock }: VaultDeps<Tx>): Promise<Vault<Tx>> {
  if (rotationIsOpen(keyFile)) await rotateMasterKey(keyFile, rows)
  const expected = await rows.fingerprint()
  const masterKey = openMasterKey(keyFile, expected)
  if (expected === null) await rows.transaction(tx => rows.setFingerprint(masterKey.fingerprint, tx))
  return new SealedVault(rows, masterKey, clock)
}

class SealedVault<Tx> implements Vault<Tx> {
  /**
   * Filled from committed rows only: a key that was made in a transaction which then failed must not seal anything
   * later. Data keys never change, so an entry is never wrong.
   */
  readonly #keys = new Map<string, Uint8Array>()

  constructor(
    private readonly rows: VaultRows<Tx>,
    private readonly masterKey: MasterKey,
    private readonly clock: Clock,
  ) {}

  async put(tenantId: string, name: string, plaintext: string, tx?: Tx): Promise<void> {
    if (tx === undefined) return this.rows.transaction(own => this.put(tenantId, name, plaintext, own))
    const key = this.#keys.get(tenantId) ?? (await this.#keyForWrite(tenantId, tx))
    const sealed = seal(key, Buffer.from(plaintext), ["secret", tenantId, name])
    await this.rows.putSecret(tenantId, name, sealed, this.clock.now(), tx)
  }

  async get(tenantId: string, name: string, tx?: Tx): Promise<string | null> {
    const sealed = await this.rows.secret(tenantId, name, tx)
    if (!sealed) return null
    const key = this.#keys.get(tenantId) ?? (await this.#keyForRead(tenantId, tx))
    const plaintext = key && unseal(key, sealed, ["secret", tenantId, name])
    if (!plaintext)
      throw new AppError(
        "unavailable",
        "a stored secret cannot be opened: its row was changed or moved. Save the secret again, or restore the database from a backup.",
        { code: "VAULT_DAMAGED" },
      )
    return plaintext.toString("utf8")
  }

  async delete(tenantId: string, name: string, tx?: Tx): Promise<void> {
    if (tx === undefined) return this.rows.transaction(own => this.delete(tenantId, name, own))
    await this.rows.deleteSecret(tenantId, name, tx)
  }

  async #keyForRead(tenantId: string, tx: Tx | undefined): Promise<Uint8Array | null> {
    const row = await this.rows.key(tenantId, tx)
    if (!row) return null
    const key = this.#unwrap(row)
    if (tx === undefined) {
      if (this.#keys.size >= KEYS_IN_MEMORY_MAX) this.#keys.clear()
      this.#keys.set(tenantId, key)
    }
    return key
  }

  async #keyForWrite(tenantId: string, tx: Tx): Promise<Uint8Array> {
    const known = await this.rows.key(tenantId, tx)
    if (known) return this.#unwrap(known)
    const wrappedKey = seal(this.masterKey.bytes, randomBytes(KEY_BYTES), ["data-key", tenantId])
    const made = { tenantId, wrappedKey, masterFingerprint: this.masterKey.fingerprint }
    return this.#unwrap(await this.rows.addKey(made, this.clock.now(), tx))
  }

  #unwrap(row: WrappedKey): Uint8Array {
    const key = unseal(this.masterKey.bytes, row.wrappedKey, ["data-key", row.tenantId])
    if (key) return key
    throw new AppError(
      "unavailable",
      `the data key of workspace ${row.tenantId} cannot be opened: its row was changed, or belongs to another master key ` +
        `(${row.masterFingerprint}). Restore the database from a backup.`,
      { code: "VAULT_DAMAGED" },
    )
  }
}
