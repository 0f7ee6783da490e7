import { join } from "node:path"
import type { Config } from "../config.ts"
import { dataDirectory, lockDataDirectory, prepareDataDirectory } from "../storage/data-directory.ts"
import { migrateSqlite } from "../storage/migrate.ts"
import { embeddedRoot } from "./embedded.ts"

/** Brings the database up to date without serving; `serve` does the same at its start. */
export async function migrate(config: Config): Promise<number> {
  const directory = dataDirectory(config.data)
  prepareDataDirectory(directory)
  const lock = lockDataDirectory(directory, process.pid)
  try {
    const report = await migrateSqlite(directory.database, join(embeddedRoot(), "migrations", "sqlite"), Date.now())
    const done = report.after - report.before
    console.log(done === 0 ? `up to date (${report.after} migrations)` : `applied ${done} of ${report.after} migrations`)
    if (report.backup) console.log(`the database as it was before: ${report.backup}`)
    return 0
  } finally {
    lock.release()
  }
}
