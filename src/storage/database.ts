import type { BetterSQLite3Database } from "drizzle-orm/better-sqlite3"
import type { Tables } from "./tables.ts"

/** drizzle's builder as far as both dialects share it. Always awaited. */
export type Reader = Pick<BetterSQLite3Database, "select" | "selectDistinct" | "$count">
export type Writer = Pick<BetterSQLite3Database, "select" | "selectDistinct" | "$count" | "insert" | "update" | "delete">

export type SqlValue = string | number | null | Uint8Array

/** One prepared statement of a hot path: SQL that both dialects understand, with `?` for each parameter. */
export interface Statement {
  readonly sql: string
  readonly params: readonly SqlValue[]
}

/**
 * A change of a number. The changes of one group commit that have the same key are added up and written once, so that a row
 * everybody changes costs little.
 */
export interface Addition {
  readonly key: readonly (string | number)[]
  readonly n: number
  /** Statements that change the number by the sum; the same function for all changes of its kind. */
  readonly write: (key: readonly (string | number)[], sum: number) => readonly Statement[]
}

export type Row = { readonly [column: string]: unknown }

/**
 * The database behind every store. Stores speak in coarse named operations and hand no builder out.
 *
 * Errors: `UniqueViolation`, `MissingValue` and `StorageFull` as below; what breaks the file itself never returns, see `onFatal` of the
 * dialect.
 */
export interface Database {
  readonly dialect: "sqlite" | "postgres"
  readonly tables: Tables
  /** Reads what is committed; never waits for a writer. */
  readonly read: Reader
  /**
   * The one door of a transaction. One writer at a time; the body is rolled back when it throws. Await nothing in it but
   * `tx`: everybody else waits.
   */
  write<T>(body: (tx: Writer) => Promise<T>): Promise<T>
  /**
   * Group commit: the statements of one caller are applied together or not at all, and share transaction and fsync with
   * those of every other caller of the same turn. Resolves when they are durable. A caller whose statements are refused
   * (`UniqueViolation`, `MissingValue`) does not disturb the others.
   */
  commit(statements: readonly Statement[], additions?: readonly Addition[]): Promise<void>
  /** A prepared read of a hot path. */
  query(statement: Statement): Promise<readonly Row[]>
  close(): Promise<void>
}

/** A row with this key is there already. */
export class UniqueViolation extends Error {
  override readonly name = "UniqueViolation"
}

/** A column that must have a value was given none: a statement's condition did not hold. Nothing was written. */
export class MissingValue extends Error {
  override readonly name = "MissingValue"
}

/** The disk is full. Nothing was written; the same call may succeed later. */
export class StorageFull extends Error {
  override readonly name = "StorageFull"
}
