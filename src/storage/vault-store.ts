import { and, asc, eq, ne, sql } from "drizzle-orm"
import type { Database, Reader, Writer } from "./database.ts"
import { hotSelect } from "./hot-select.ts"

/** A workspace's data key as it lies at rest. */
export interface WrappedKey {
  readonly tenantId: string
  readonly wrappedKey: Uint8Array
  /** Of the master key that wrapped it. */
  readonly masterFingerprint: string
}

const FINGERPRINT = "master_key_fingerprint"

/** The rows behind adapters/vault: ciphertext only, nothing here can open it. Without `tx` a call stands for itself. */
export class VaultStore {
  /** Every delivery to a webhook is checked with one. */
  readonly #findSecret

  constructor(private readonly db: Database) {
    const { sealed } = db.tables.vaultSecrets
    this.#findSecret = hotSelect(db, { sealed }, "tenant_id = ? AND name = ?")
  }

  transaction<T>(body: (tx: Writer) => Promise<T>): Promise<T> {
    return this.db.write(body)
  }

  /** Fingerprint of the master key of this instance; null before the first start. */
  async fingerprint(): Promise<string | null> {
    const { instanceFacts } = this.db.tables
    const [row] = await this.db.read.select().from(instanceFacts).where(eq(instanceFacts.key, FINGERPRINT))
    return row?.value ?? null
  }

  async setFingerprint(value: string, tx: Writer): Promise<void> {
    const { instanceFacts } = this.db.tables
    await tx
      .insert(instanceFacts)
      .values({ key: FINGERPRINT, value })
      .onConflictDoUpdate({ target: instanceFacts.key, set: { value } })
  }

  async key(tenantId: string, tx?: Writer): Promise<WrappedKey | null> {
    const { vaultKeys } = this.db.tables
    const [row] = await this.#from(tx).select().from(vaultKeys).where(eq(vaultKeys.tenantId, tenantId))
    return row ?? null
  }

  /** Of two nodes that make a first key at once, one wins; both go on with the row that is returned. */
  async addKey(key: WrappedKey, now: number, tx: Writer): Promise<WrappedKey> {
    const { vaultKeys } = this.db.tables
    await tx
      .insert(vaultKeys)
      .values({ ...key, wrappedKey: Buffer.from(key.wrappedKey), createdAt: now })
      .onConflictDoNothing()
    return (await this.key(key.tenantId, tx)) ?? key
  }

  /** Data keys that are still wrapped by another master key. */
  async keysNotUnder(fingerprint: string, limit: number, tx: Writer): Promise<readonly WrappedKey[]> {
    const { vaultKeys } = this.db.tables
    return await tx
      .select()
      .from(vaultKeys)
      .where(ne(vaultKeys.masterFingerprint, fingerprint))
      .orderBy(asc(vaultKeys.tenantId))
      .limit(limit)
  }

  async rewrapKey(key: WrappedKey, tx: Writer): Promise<void> {
    const { vaultKeys } = this.db.tables
    await tx
      .update(vaultKeys)
      .set({ wrappedKey: Buffer.from(key.wrappedKey), masterFingerprint: key.masterFingerprint })
      .where(eq(vaultKeys.tenantId, key.tenantId))
  }

  async secret(tenantId: string, name: string, tx?: Writer): Promise<Uint8Array | null> {
    if (tx === undefined) return (await this.#findSecret([tenantId, name]))[0]?.sealed ?? null
    const { vaultSecrets } = this.db.tables
    const [row] = await tx
      .select({ sealed: vaultSecrets.sealed })
      .from(vaultSecrets)
      .where(and(eq(vaultSecrets.tenantId, tenantId), eq(vaultSecrets.name, name)))
    return row?.sealed ?? null
  }

  async putSecret(tenantId: string, name: string, sealed: Uint8Array, now: number, tx: Writer): Promise<void> {
    const { vaultSecrets } = this.db.tables
    await tx
      .insert(vaultSecrets)
      .values({ tenantId, name, sealed: Buffer.from(sealed), createdAt: now, updatedAt: now })
      .onConflictDoUpdate({
        target: [vaultSecrets.tenantId, vaultSecrets.name],
        set: { sealed: sql`excluded.sealed`, updatedAt: now },
      })
  }

  async deleteSecret(tenantId: string, name: string, tx: Writer): Promise<void> {
    const { vaultSecrets } = this.db.tables
    await tx.delete(vaultSecrets).where(and(eq(vaultSecrets.tenantId, tenantId), eq(vaultSecrets.name, name)))
  }

  /** Inside a transaction everything must be read through it: on one connection another read would wait for ever. */
  #from(tx: Writer | undefined): Reader {
    return tx ?? this.db.read
  }
}
