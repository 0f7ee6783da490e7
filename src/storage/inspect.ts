import { statSync } from "node:fs"
import { connect } from "./sqlite/driver.ts"

export interface SqliteFacts {
  /** `ok`, or what SQLite's quick check found first. */
  readonly integrity: string
  readonly migrations: number
  readonly sizeBytes: number
  readonly masterKeyFingerprint: string | null
  /** Start of the newest run, ms. */
  readonly newestRunAt: number | null
}

/** Looks at a database file without changing it; a running server is not disturbed. */
export function inspectSqlite(path: string): SqliteFacts {
  const connection = connect(path, { readonly: true })
  const one = (sql: string) => (connection.prepare(sql).get() as { value: unknown } | undefined)?.value ?? null
  const has = (table: string) =>
    connection.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?").get(table) !== undefined
  try {
    const fingerprint = has("instance_facts")
      ? one("SELECT value FROM instance_facts WHERE key = 'master_key_fingerprint'")
      : null
    const newest = has("runs") ? one("SELECT max(started_at) AS value FROM runs") : null
    return {
      integrity: String(connection.pragma("quick_check(1)", { simple: true })),
      migrations: has("__drizzle_migrations") ? Number(one("SELECT count(*) AS value FROM __drizzle_migrations")) : 0,
      sizeBytes: statSync(path).size,
      masterKeyFingerprint: fingerprint === null ? null : String(fingerprint),
      newestRunAt: newest === null ? null : Number(newest),
    }
  } finally {
    connection.close()
  }
}
