import { existsSync, mkdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { type MigrationMeta, readMigrationFiles } from "drizzle-orm/migrator"
import { rfc3339 } from "../kernel/clock.ts"
import { AppError } from "../kernel/errors.ts"
import { connect, type SqliteConnection } from "./sqlite/driver.ts"
import { connectWriter } from "./sqlite/open.ts"

export interface MigrationReport {
  readonly before: number
  readonly after: number
  /** Path of the verified copy made before an upgrade; null when there was nothing to lose. */
  readonly backup: string | null
}

/**
 * Brings the file to this executable's schema. Forward only; all pending migrations are one transaction. Before the
 * first one of an upgrade the file is copied and the copy verified.
 *
 * Throws `AppError("unavailable")` when the file was written by a newer executable: it is left untouched, and the
 * sentence names the newest backup.
 */
export async function migrateSqlite(path: string, migrationsFolder: string, now: number): Promise<MigrationReport> {
  const known = readMigrationFiles({ migrationsFolder })
  const fresh = !existsSync(path)
  if (!fresh) refuseNewer(path, new Set(known.map(m => m.hash)))
  const connection = connectWriter(path)
  try {
    const applied = appliedMigrations(connection)
    if (applied.length === known.length) return { before: applied.length, after: applied.length, backup: null }
    const backup = fresh || applied.length === 0 ? null : await backupVerified(connection, path, now)
    connection.pragma("foreign_keys = OFF") // a rebuilt table must not drop the rows that point at it
    const pending = known.filter(m => !applied.includes(m.hash))
    connection.transaction(() => apply(connection, pending)).immediate()
    return { before: applied.length, after: known.length, backup }
  } finally {
    connection.close()
  }
}

function appliedMigrations(connection: SqliteConnection): readonly string[] {
  const there = connection.prepare("SELECT 1 FROM sqlite_master WHERE name = '__drizzle_migrations'").get()
  if (!there) return []
  const rows = connection.prepare("SELECT hash FROM __drizzle_migrations ORDER BY created_at").all() as { hash: string }[]
  return rows.map(r => r.hash)
}

/** What drizzle's own `migrate` does and notes, which would commit before the rows can be checked. */
function apply(connection: SqliteConnection, pending: readonly MigrationMeta[]): void {
  connection.exec(
    "CREATE TABLE IF NOT EXISTS __drizzle_migrations (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)",
  )
  const note = connection.prepare("INSERT INTO __drizzle_migrations (hash, created_at) VALUES (?, ?)")
  for (const migration of pending) {
    for (const statement of migration.sql) connection.exec(statement)
    note.run(migration.hash, migration.folderMillis)
  }
  const broken = connection.pragma("foreign_key_check") as unknown[]
  if (broken.length > 0) {
    throw new Error(`the migration would leave ${broken.length} rows without what they point at; nothing was changed`)
  }
}

/** Looks through a connection that cannot write, so that the file stays as it is to the byte. */
function refuseNewer(path: string, known: ReadonlySet<string>): void {
  const reader = connect(path, { readonly: true })
  try {
    if (appliedMigrations(reader).every(hash => known.has(hash))) return
  } finally {
    reader.close()
  }
  const folder = dirname(path)
  throw new AppError(
    "unavailable",
    `${path} was written by a newer version of agentruntime, and this one cannot read it. Start the newer executable again, ` +
      `or restore the copy it made before the upgrade (${join(folder, "backups")}, newest file) as ${path}, without the old ${path}-wal beside it.`,
    { code: "DATABASE_NEWER" },
  )
}

/** An online copy under `backups/`, opened and checked before it counts. */
export async function backupVerified(connection: SqliteConnection, path: string, now: number): Promise<string> {
  const folder = join(dirname(path), "backups")
  mkdirSync(folder, { recursive: true })
  const target = join(folder, `agentruntime-${rfc3339(now).replaceAll(/[:.]/g, "-")}.db`)
  await connection.backup(target)
  const copy = connect(target, { readonly: true })
  const verdict = copy.pragma("integrity_check", { simple: true })
  copy.close()
  if (verdict !== "ok") {
    rmSync(target)
    throw new Error(`the backup before the upgrade failed its integrity check (${String(verdict)}); nothing was changed`)
  }
  return target
}
