import { accessSync, constants, existsSync, mkdirSync, statfsSync, statSync } from "node:fs"
import { join } from "node:path"
import { AppError, messageOf } from "../kernel/errors.ts"
import { connect, type SqliteConnection } from "./sqlite/driver.ts"
import { sqliteCode } from "./sqlite/errors.ts"

/** Everything the runtime keeps is under one directory (S-4). */
export interface DataDirectory {
  readonly path: string
  readonly database: string
  readonly masterKey: string
  readonly lock: string
  /** Contents that steps gave, named by their hashes. */
  readonly blobs: string
  /** Default root of the files connector. */
  readonly filesRoot: string
  /** Default root of the sqlite connector's databases. */
  readonly sqliteRoot: string
}

export function dataDirectory(path: string): DataDirectory {
  return {
    path,
    database: join(path, "agentruntime.db"),
    masterKey: join(path, "master.key"),
    lock: join(path, "agentruntime.lock"),
    blobs: join(path, "blobs"),
    filesRoot: join(path, "files"),
    sqliteRoot: join(path, "sqlite"),
  }
}

/** Creates what is missing; throws `AppError("unavailable")` for a place where nothing can be kept safely. */
export function prepareDataDirectory(directory: DataDirectory): void {
  try {
    for (const path of [directory.path, directory.blobs, directory.filesRoot, directory.sqliteRoot])
      mkdirSync(path, { recursive: true, mode: 0o700 })
    accessSync(directory.path, constants.W_OK)
  } catch (error) {
    const sentence = `the data directory ${directory.path} cannot be written (${messageOf(error)}); choose another with --data`
    throw new AppError("unavailable", sentence)
  }
  const network = networkFileSystem(directory.path)
  if (network) {
    const sentence = `the data directory ${directory.path} is on a network file system (${network}), where SQLite can lose data; `
    throw new AppError("unavailable", `${sentence}choose a local disk with --data`)
  }
}

/** File systems whose locks and syncs SQLite cannot rely on, by the magic number of statfs(2) on Linux. */
const NETWORK_FILE_SYSTEMS: Readonly<Record<number, string>> = {
  26985: "NFS",
  20859: "SMB",
  4283649346: "CIFS",
  4266872130: "SMB2",
  16914839: "9p",
  12805120: "Ceph",
  1397113167: "AFS",
  198183888: "Lustre",
  1196443219: "GPFS",
}

export function networkFileSystem(path: string): string | null {
  if (process.platform !== "linux" || !existsSync(path)) return null
  return NETWORK_FILE_SYSTEMS[Number(statfsSync(path).type) >>> 0] ?? null
}

/** Room left for this user on the data directory's file system, bytes. */
export function freeBytes(directory: DataDirectory): number {
  const { bavail, bsize } = statfsSync(directory.path)
  return Number(bavail) * Number(bsize)
}

/**
 * A database without its file system entry acknowledges what nobody will find again, and a lock without one keeps nobody
 * out. The returned check calls `onFatal` when one of the files in use was deleted or replaced.
 */
export function watchFiles(directory: DataDirectory, onFatal: (error: Error) => void): () => void {
  const files = [directory.database, `${directory.database}-wal`, directory.lock]
  const known = new Map(files.map(path => [path, inodeOf(path)]))
  return () => {
    for (const [path, inode] of known) {
      if (inode !== null && inodeOf(path) !== inode) onFatal(new Error(`${path} was deleted or replaced while it was in use`))
    }
  }
}

function inodeOf(path: string): number | null {
  return statSync(path, { throwIfNoEntry: false })?.ino ?? null
}

/**
 * Refuses a directory whose key is there without its database: it would become an empty instance that greets whoever comes
 * first as its admin. Throws `AppError("unavailable")`.
 */
export function refuseLostDatabase(directory: DataDirectory): void {
  const size = statSync(directory.database, { throwIfNoEntry: false })?.size ?? 0
  if (size > 0 || !existsSync(directory.masterKey)) return
  const sentence =
    `${directory.path} has a master key but no database: restore agentruntime.db from a backup, ` +
    "or move the whole directory away to begin anew"
  throw new AppError("unavailable", sentence, { code: "DATABASE_MISSING" })
}

export interface Lock {
  release(): void
}

/**
 * One process for each data directory. The lock is a transaction that stays open on a little database of its own: the
 * system lets it go with the process, however that ends, and the owner's pid can be read beside it.
 *
 * Throws `AppError("unavailable")` that names the owner.
 */
export function lockDataDirectory(directory: DataDirectory, pid: number): Lock {
  const connection = connect(directory.lock, { timeoutMs: 0 })
  try {
    connection.exec("BEGIN IMMEDIATE")
    notePid(connection, pid)
  } catch (error) {
    const owner = ownerOf(connection)
    connection.close()
    if (!messageOf(error).includes("locked")) throw error
    const sentence = `another agentruntime (process ${owner ?? "unknown"}) is using ${directory.path}; stop it first, or choose another directory with --data`
    throw new AppError("unavailable", sentence, { code: "DATA_DIRECTORY_IN_USE" })
  }
  return {
    release() {
      connection.exec("ROLLBACK")
      connection.close()
    },
  }
}

/** For whoever finds the directory locked. The lock holds without it, so a full disk is no obstacle. */
function notePid(connection: SqliteConnection, pid: number): void {
  try {
    connection.exec("CREATE TABLE IF NOT EXISTS owner (pid INTEGER NOT NULL)")
    connection.exec("DELETE FROM owner")
    connection.prepare("INSERT INTO owner (pid) VALUES (?)").run(pid)
    connection.exec("COMMIT")
  } catch (error) {
    if (sqliteCode(error) !== "SQLITE_FULL") throw error
    if (connection.inTransaction) connection.exec("ROLLBACK")
  }
  connection.exec("BEGIN IMMEDIATE")
}

/** Pid of the process that holds the directory now; null when none does. */
export function lockHolder(directory: DataDirectory): number | null {
  if (!existsSync(directory.lock)) return null
  const connection = connect(directory.lock, { timeoutMs: 0 })
  try {
    connection.exec("BEGIN IMMEDIATE; ROLLBACK")
    return null
  } catch {
    return ownerOf(connection)
  } finally {
    connection.close()
  }
}

function ownerOf(connection: SqliteConnection): number | null {
  try {
    const row = connection.prepare("SELECT pid FROM owner").get() as { pid: number } | undefined
    return row?.pid ?? null
  } catch {
    return null
  }
}
