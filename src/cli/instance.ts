import { randomBytes } from "node:crypto"
import { join } from "node:path"
import pino from "pino"
import { type App, createApp } from "../app.ts"
import type { Config } from "../config.ts"
import { messageOf } from "../kernel/errors.ts"
import type { Ids } from "../kernel/ids.ts"
import {
  type DataDirectory,
  dataDirectory,
  type Lock,
  lockDataDirectory,
  prepareDataDirectory,
  refuseLostDatabase,
} from "../storage/data-directory.ts"
import { type MigrationReport, migrateSqlite } from "../storage/migrate.ts"
import { openSqlite } from "../storage/sqlite/open.ts"
import { embeddedRoot } from "./embedded.ts"
import { VERSION } from "./version.ts"

/** The file can no longer be trusted; sysexits' EX_IOERR. */
export const EXIT_STORAGE = 74

/** The workspace and project of a fresh data directory (S-3). */
export const DEFAULT_WORKSPACE = "default"
export const DEFAULT_PROJECT = "default"

export interface Instance {
  readonly app: App
  readonly directory: DataDirectory
  readonly migration: MigrationReport
  readonly log: pino.Logger
  /** Stops the app and lets the data directory go; how many runs were in flight. */
  close(): Promise<number>
}

/** Locks the data directory, brings the database up to date and builds the app on it. */
export async function openInstance(config: Config): Promise<Instance> {
  const log = createLog(config)
  process.umask(0o077) // whatever is kept is this user's alone
  const directory = dataDirectory(config.data)
  prepareDataDirectory(directory)
  refuseLostDatabase(directory)
  const lock: Lock = lockDataDirectory(directory, process.pid)
  const root = embeddedRoot()
  const migration = await migrateSqlite(directory.database, join(root, "migrations", "sqlite"), Date.now())
  const onFatal = (error: Error) => {
    log.fatal(
      { error: messageOf(error) },
      "the database file cannot be trusted any more; stopping so that nothing is acknowledged that is not stored",
    )
    process.exit(EXIT_STORAGE)
  }
  const db = openSqlite(directory.database, { onFatal })
  const app = await createApp({
    ...{ config, directory, db, log, onFatal },
    clock: { now: Date.now },
    ids: systemIds,
    version: VERSION,
    bootId: Bun.randomUUIDv7(),
    assetsFolder: join(root, "assets"),
  })
  return {
    app,
    directory,
    migration,
    log,
    async close() {
      const inFlight = await app.stop()
      lock.release()
      return inFlight
    },
  }
}

/** JSON lines on stderr; stdout is for what people asked to see. Written at once, so that a crash loses no line. */
function createLog(config: Config): pino.Logger {
  const options = {
    level: config["log.level"],
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
  }
  return pino(options, pino.destination({ dest: 2, sync: true }))
}

const systemIds: Ids = {
  uuid: () => Bun.randomUUIDv7(),
  secret: bytes => randomBytes(bytes).toString("base64url"),
}
