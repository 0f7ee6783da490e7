/**
 * Secrets of workspaces, at rest only as ciphertext. Names say what a secret belongs to, e.g. `pat:<id>`.
 *
 * `Tx` is the storage's transaction (`Vault<Writer>`): with it a write is part of the caller's own transaction and
 * happens or fails with it. Inside a transaction pass it to reads, too.
 *
 * Errors: `AppError("unavailable")` when a stored secret cannot be opened because it was changed or moved.
 */
export interface Vault<Tx = unknown> {
  put(tenantId: string, name: string, plaintext: string, tx?: Tx): Promise<void>
  /** Null when there is no such secret. */
  get(tenantId: string, name: string, tx?: Tx): Promise<string | null>
  delete(tenantId: string, name: string, tx?: Tx): Promise<void>
}

export interface WrappedKey {
  readonly tenantId: string
  readonly wrappedKey: Uint8Array
  readonly masterFingerprint: string
}

/** What the vault needs of a database; storage/vault-store.ts has it. */
export interface VaultRows<Tx> {
  transaction<T>(body: (tx: Tx) => Promise<T>): Promise<T>
  fingerprint(): Promise<string | null>
  setFingerprint(value: string, tx: Tx): Promise<void>
  key(tenantId: string, tx?: Tx): Promise<WrappedKey | null>
  /** Returns the row that stands, should another writer have been first. */
  addKey(key: WrappedKey, now: number, tx: Tx): Promise<WrappedKey>
  keysNotUnder(fingerprint: string, limit: number, tx: Tx): Promise<readonly WrappedKey[]>
  rewrapKey(key: WrappedKey, tx: Tx): Promise<void>
  secret(tenantId: string, name: string, tx?: Tx): Promise<Uint8Array | null>
  putSecret(tenantId: string, name: string, sealed: Uint8Array, now: number, tx: Tx): Promise<void>
  deleteSecret(tenantId: string, name: string, tx: Tx): Promise<void>
}
