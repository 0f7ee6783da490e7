import { drizzle } from "drizzle-orm/better-sqlite3"
import {
  type Addition,
  type Database,
  MissingValue,
  type Row,
  type SqlValue,
  type Statement,
  StorageFull,
  UniqueViolation,
  type Writer,
} from "../database.ts"
import { GroupCommit } from "../group-commit.ts"
import { Mutex } from "../mutex.ts"
import { sqliteTables } from "../tables.ts"
import { connect, type SqliteConnection, type SqliteStatement } from "./driver.ts"
import { isFatal, sqliteCode } from "./errors.ts"
import { KEPT_STATEMENTS_MAX, keepStatements } from "./kept-statements.ts"

export interface SqliteOptions {
  /**
   * Called once when the file can no longer be trusted (`SQLITE_IOERR*`, `SQLITE_CORRUPT`). A failed COMMIT may have
   * happened, so the process must end without acknowledging anything more; the next start recovers from the file.
   */
  readonly onFatal: (error: Error) => void
}

/** Opens the one writer and the read connection of a migrated file. */
export function openSqlite(path: string, options: SqliteOptions): Database {
  const writer = connectWriter(path)
  const reader = connect(path, { readonly: true })
  reader.pragma("query_only = ON")
  return new SqliteDatabase(writer, reader, options.onFatal)
}

/** The writer's settings hold for the whole file: WAL, a sync at every commit, foreign keys, space given back in steps. */
export function connectWriter(path: string): SqliteConnection {
  const writer = connect(path)
  // It takes effect in a new file only; in any other it would still write the header, at every start.
  if (writer.pragma("page_count", { simple: true }) === 0) writer.pragma("auto_vacuum = INCREMENTAL")
  writer.pragma("journal_mode = WAL")
  writer.pragma("synchronous = FULL")
  writer.pragma("foreign_keys = ON")
  writer.pragma("journal_size_limit = 67108864")
  return writer
}

class SqliteDatabase implements Database {
  readonly dialect = "sqlite"
  readonly tables = sqliteTables
  readonly read
  readonly #builder: Writer
  readonly #mutex = new Mutex()
  readonly #commits: GroupCommit
  readonly #prepared = new Map<string, SqliteStatement>()
  readonly #preparedReads = new Map<string, SqliteStatement>()
  #dead: Error | null = null

  constructor(
    private readonly writer: SqliteConnection,
    private readonly reader: SqliteConnection,
    private readonly onFatal: (error: Error) => void,
  ) {
    this.read = drizzle({
      client: keepStatements(
        () => this.#readConnection,
        run => this.#guard(run),
      ),
    })
    this.#builder = drizzle({
      client: keepStatements(
        () => writer,
        run => this.#guard(run),
      ),
    })
    this.#commits = new GroupCommit(this.#mutex, batch => this.#apply(batch))
  }

  write<T>(body: (tx: Writer) => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      this.#begin()
      let result: T
      try {
        result = await body(this.#builder)
      } catch (error) {
        const classified = this.#classify(error)
        this.#rollback()
        throw classified
      }
      this.#end()
      return result
    })
  }

  commit(statements: readonly Statement[], additions: readonly Addition[] = []): Promise<void> {
    return this.#commits.add(statements, additions)
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    const connection = this.#readConnection
    const prepared = connection === this.writer ? this.#prepared : this.#preparedReads
    return this.#guard(() => this.#statement(connection, prepared, statement.sql).all(...statement.params) as Row[])
  }

  /**
   * The writer itself, unless a transaction is open on it, whose rows are not committed. Its own commits leave its pages in
   * memory, while every other connection has to read them again: behind a commit the same row took 60 µs instead of 7.
   */
  get #readConnection(): SqliteConnection {
    return this.writer.inTransaction ? this.reader : this.writer
  }

  async close(): Promise<void> {
    await this.#mutex.run(async () => {
      this.reader.close()
      this.writer.close()
    })
  }

  #apply(batch: readonly (readonly Statement[])[]): void {
    this.#begin()
    try {
      for (const statements of batch) for (const s of statements) this.#run(s.sql, s.params)
    } catch (error) {
      const classified = this.#classify(error)
      this.#rollback()
      throw classified
    }
    this.#end()
  }

  #run(sql: string, params: readonly SqlValue[]): void {
    this.#statement(this.writer, this.#prepared, sql).run(...params)
  }

  #statement(connection: SqliteConnection, cache: Map<string, SqliteStatement>, sql: string): SqliteStatement {
    const known = cache.get(sql)
    if (known) return known
    const oldest = cache.size >= KEPT_STATEMENTS_MAX ? cache.keys().next().value : undefined
    if (oldest !== undefined) cache.delete(oldest)
    const made = connection.prepare(sql)
    cache.set(sql, made)
    return made
  }

  #begin(): void {
    if (this.#dead) throw this.#dead
    this.#guard(() => this.#run("BEGIN IMMEDIATE", []))
  }

  #end(): void {
    try {
      this.#run("COMMIT", [])
    } catch (error) {
      const classified = this.#classify(error)
      this.#rollback()
      throw classified
    }
  }

  #rollback(): void {
    if (this.writer.inTransaction) this.#run("ROLLBACK", [])
  }

  #guard<T>(run: () => T): T {
    try {
      return run()
    } catch (error) {
      throw this.#classify(error)
    }
  }

  #classify(thrown: unknown): unknown {
    const code = sqliteCode(thrown)
    if (code === undefined) return thrown
    const error = thrown as Error
    if (code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY") return new UniqueViolation(error.message)
    if (code === "SQLITE_CONSTRAINT_NOTNULL") return new MissingValue(error.message)
    if (code === "SQLITE_FULL") return new StorageFull("the disk is full")
    if (isFatal(code)) {
      this.#dead ??= error
      this.onFatal(error)
    }
    return thrown
  }
}
