import { mkdirSync, statfsSync, statSync } from "node:fs"
import { dirname } from "node:path"
import { quoted, Refused } from "../file-root.ts"
import { OPEN_CONNECTIONS_MAX } from "./limits.ts"
import type { DatabaseFile } from "./path.ts"
import type { SqlValue } from "./values.ts"

/** What is used of the driver; given by the child's caller, because only storage/ may name it. */
export interface SqliteHandle {
  prepare(sql: string): SqliteStatement
  pragma(text: string, options?: { simple?: boolean }): unknown
  close(): unknown
  readonly inTransaction: boolean
}

export type Binding = SqlValue | { readonly [name: string]: SqlValue }
/** Values by position, or one record by name. */
export type Bindings = readonly Binding[]

export interface SqliteStatement {
  /** It returns rows. */
  readonly reader: boolean
  /** It does not change the file (`sqlite3_stmt_readonly`). */
  readonly readonly: boolean
  columns(): { readonly name: string }[]
  /** Whole numbers as BigInt; rows as lists. */
  safeIntegers(on: boolean): this
  raw(on: boolean): this
  run(...args: Binding[]): { changes: number | bigint; lastInsertRowid: number | bigint }
  all(...args: Binding[]): unknown[]
  iterate(...args: Binding[]): IterableIterator<unknown>
}

export type Connect = (path: string, options: { readonly?: boolean; timeoutMs?: number }) => SqliteHandle

export interface WriteLimits {
  /** How long to wait for another process's lock, in ms. */
  readonly lockMs: number
  /** What the database may grow to. */
  readonly maxDatabaseMb: number
}

interface Kept {
  readonly identity: string
  readonly handle: SqliteHandle
}

/**
 * The connections of one child. Those for reading are kept: `query_only`, they hold no temporary tables or triggers, so
 * nothing of one call is left for the next. One for writing lives for its call.
 */
export class Connections {
  readonly #kept = new Map<string, Kept>()

  constructor(private readonly connect: Connect) {}

  read<T>(file: DatabaseFile, lockMs: number, body: (handle: SqliteHandle) => T): T {
    const identity = file.identity
    if (identity === null)
      throw new Refused(
        `the database ${quoted(file.spelling)} does not exist in the data root; the first sqlite_execute makes it`,
      )
    try {
      return body(this.#reader(file.path, identity, lockMs))
    } catch (error) {
      if (!needsRecovery(error)) throw error
    }
    this.#forget(file.path)
    this.#recover(file.path, lockMs)
    return body(this.#reader(file.path, identity, lockMs))
  }

  /** Makes the file when it is not there. */
  write<T>(file: DatabaseFile, { lockMs, maxDatabaseMb }: WriteLimits, body: (handle: SqliteHandle) => T): T {
    if (file.identity === null) mkdirSync(dirname(file.path), { recursive: true, mode: 0o700 })
    const handle = this.connect(file.path, { timeoutMs: lockMs })
    try {
      harden(handle)
      handle.pragma("synchronous = FULL")
      limitSize(handle, maxDatabaseMb)
      return body(handle)
    } catch (error) {
      if (codeOf(error) !== "SQLITE_FULL" || !hasRoom(file.path)) throw error
      const quota = `the database may not grow beyond ${maxDatabaseMb} MB (the operator's sqlite.max_database_mb)`
      throw new Refused(`${quota}; nothing was changed. Delete what is not needed, or use another database`)
    } finally {
      handle.close()
    }
  }

  #reader(path: string, identity: string, lockMs: number): SqliteHandle {
    const kept = this.#kept.get(path)
    if (kept && kept.identity !== identity) this.#forget(path)
    const handle = kept?.identity === identity ? kept.handle : openReader(this.connect, path, lockMs)
    this.#kept.delete(path)
    this.#kept.set(path, { identity, handle }) // the latest used comes last
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > OPEN_CONNECTIONS_MAX && oldest !== undefined) this.#forget(oldest)
    handle.pragma(`busy_timeout = ${lockMs}`)
    return handle
  }

  #forget(path: string): void {
    this.#kept.get(path)?.handle.close()
    this.#kept.delete(path)
  }

  /** A writer was killed in the middle: SQLite takes its half transaction back at the first look of a connection that may write. */
  #recover(path: string, lockMs: number): void {
    statSync(path) // never make the file here
    const handle = this.connect(path, { timeoutMs: lockMs })
    try {
      harden(handle)
      handle.prepare("SELECT count(*) FROM sqlite_schema").all()
    } finally {
      handle.close()
    }
  }
}

function openReader(connect: Connect, path: string, lockMs: number): SqliteHandle {
  const handle = connect(path, { readonly: true, timeoutMs: lockMs })
  harden(handle)
  handle.pragma("query_only = ON")
  return handle
}

/** The file may be anybody's: its views and triggers get no dangerous functions. The driver sets SQLite's defensive mode. */
function harden(handle: SqliteHandle): void {
  handle.pragma("trusted_schema = OFF")
  handle.pragma("cell_size_check = ON")
}

/** SQLite itself never goes below what the file has already. */
function limitSize(handle: SqliteHandle, maxDatabaseMb: number): void {
  const pageBytes = Number(handle.pragma("page_size", { simple: true }))
  handle.pragma(`max_page_count = ${Math.max(1, Math.floor((maxDatabaseMb * MB) / pageBytes))}`)
}

const MB = 1024 * 1024
const ROOM_MB = 16

/** SQLite has one code for a database and for a disk that is full. */
function hasRoom(path: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(path))
  return bavail * bsize > ROOM_MB * MB
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as { code?: unknown }).code : undefined
}

function needsRecovery(error: unknown): boolean {
  const code = codeOf(error)
  return typeof code === "string" && (code.startsWith("SQLITE_READONLY_") || code === "SQLITE_BUSY_RECOVERY")
}
