import { existsSync } from "node:fs"
import { AppError } from "../../kernel/errors.ts"
import { createMasterKey, type MasterKey, readMasterKey, replaceMasterKey } from "./master-key.ts"
import { seal, unseal } from "./seal.ts"
import type { VaultRows, WrappedKey } from "./vault.ts"

const BATCH_ROWS = 100

/** The next master key waits under this name until every data key is wrapped by it. */
export const nextKeyFile = (keyFile: string) => `${keyFile}.next`

export function rotationIsOpen(keyFile: string): boolean {
  return existsSync(nextKeyFile(keyFile))
}

/**
 * Gives the instance a new master key: every data key is wrapped anew, the secrets themselves stay as they are. Runs
 * while no server does. May be cut off at any point and called again, which finishes what was begun: each data key
 * carries the fingerprint of the master key that wraps it, and the new key is on disk before the first one uses it.
 * Returns the fingerprint that now counts.
 */
export async function rotateMasterKey<Tx>(keyFile: string, rows: VaultRows<Tx>): Promise<string> {
  const nextFile = nextKeyFile(keyFile)
  const next = existsSync(nextFile) ? readMasterKey(nextFile) : createMasterKey(nextFile)
  // Cut off after the last data key: the database knows the new master key already, only the file's name is missing.
  if ((await rows.fingerprint()) !== next.fingerprint) {
    const current = readMasterKey(keyFile)
    while (!(await rewrapSome(rows, current, next))) {}
  }
  replaceMasterKey(keyFile, nextFile)
  return next.fingerprint
}

/** One batch. True when none is left; the instance's fingerprint changes in the same transaction. */
function rewrapSome<Tx>(rows: VaultRows<Tx>, current: MasterKey, next: MasterKey): Promise<boolean> {
  return rows.transaction(async tx => {
    const batch = await rows.keysNotUnder(next.fingerprint, BATCH_ROWS, tx)
    for (const row of batch) await rows.rewrapKey(rewrap(row, current, next), tx)
    const done = batch.length < BATCH_ROWS
    if (done) await rows.setFingerprint(next.fingerprint, tx)
    return done
  })
}

function rewrap(row: WrappedKey, current: MasterKey, next: MasterKey): WrappedKey {
  const place = ["data-key", row.tenantId] as const
  const dataKey = row.masterFingerprint === current.fingerprint ? unseal(current.bytes, row.wrappedKey, place) : null
  if (!dataKey)
    throw new AppError(
      "unavailable",
      `the data key of workspace ${row.tenantId} does not open with the current master key (${current.fingerprint}); ` +
        "restore the database and the key file that belong together and rotate again",
      { code: "MASTER_KEY_WRONG" },
    )
  return { tenantId: row.tenantId, wrappedKey: seal(next.bytes, dataKey, place), masterFingerprint: next.fingerprint }
}
