import { setDefaultTimeout } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PGlite } from "@electric-sql/pglite"
import { drizzle } from "drizzle-orm/pglite"
import { migrate } from "drizzle-orm/pglite/migrator"
import type { Database } from "../../src/storage/database.ts"
import { migrateSqlite } from "../../src/storage/migrate.ts"
import { openPostgres } from "../../src/storage/postgres/open.ts"
import { openSqlite } from "../../src/storage/sqlite/open.ts"

// A cold PGlite takes seconds on a busy machine.
setDefaultTimeout(60_000)

const migrations = join(import.meta.dir, "../../migrations")

/** Every store suite runs on both: `for (const dialect of dialects) describe(dialect.name, …)`. */
export const dialects = [
  { name: "sqlite", open: openTemporarySqlite },
  { name: "postgres", open: openTemporaryPostgres },
] as const

export interface TemporaryDatabase {
  readonly db: Database
  close(): Promise<void>
}

export async function openTemporarySqlite(): Promise<TemporaryDatabase> {
  const folder = mkdtempSync(join(tmpdir(), "agentruntime-test-"))
  const path = join(folder, "agentruntime.db")
  await migrateSqlite(path, join(migrations, "sqlite"), Date.now())
  const db = openSqlite(path, {
    onFatal: error => {
      throw error
    },
  })
  return {
    db,
    close: async () => {
      await db.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

let template: Promise<Blob> | undefined

/** PostgreSQL in process; migrated once, then copied. */
export async function openTemporaryPostgres(): Promise<TemporaryDatabase> {
  template ??= migratedPostgres()
  const client = await PGlite.create({ loadDataDir: await template })
  const db = openPostgres(drizzle({ client }), () => client.close())
  return { db, close: () => db.close() }
}

async function migratedPostgres(): Promise<Blob> {
  const client = await PGlite.create()
  await migrate(drizzle({ client }), { migrationsFolder: join(migrations, "postgres") })
  const dump = await client.dumpDataDir("none")
  await client.close()
  return dump
}
