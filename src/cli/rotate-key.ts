import { rotateMasterKey } from "../adapters/vault/rotate.ts"
import type { Config } from "../config.ts"
import { dataDirectory, lockDataDirectory } from "../storage/data-directory.ts"
import { openSqlite } from "../storage/sqlite/open.ts"
import { VaultStore } from "../storage/vault-store.ts"

/** Puts a new master key under every workspace's data key. Interrupted, it is finished by the next start. */
export async function rotateKey(config: Config): Promise<number> {
  const directory = dataDirectory(config.data)
  const lock = lockDataDirectory(directory, process.pid)
  const db = openSqlite(directory.database, {
    onFatal: error => {
      throw error
    },
  })
  try {
    const fingerprint = await rotateMasterKey(directory.masterKey, new VaultStore(db))
    console.log(
      `the master key is new (fingerprint ${fingerprint.slice(0, 12)}); back up ${directory.masterKey} and destroy old copies`,
    )
    return 0
  } finally {
    await db.close()
    lock.release()
  }
}
