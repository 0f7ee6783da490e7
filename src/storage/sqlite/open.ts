import { drizzle } from "drizzle-orm/better-sqlite3"
import { type Database, type Row, type SqlValue, type Statement, StorageFull, UniqueViolation, type Writer } from "../database.ts"
import { GroupCommit } from "../group-commit.ts"
import { Mutex } from "../mutex.ts"
import { sqliteTables } from "../tables.ts"
import { connect, type SqliteConnection, type SqliteStatement } from "./driver.ts"

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
    this.read = drizzle({ client: keepStatements(reader) })
    this.#builder = drizzle({ client: keepStatements(writer) })
    this.#commits = new GroupCommit(this.#mutex, batch => this.#apply(batch))
  }

  write<T>(body: (tx: Writer) => Promise<T>): Promise<T> {
    return this.#mutex.run(async () => {
      this.#begin()
      let result: T
      try {
        result = await body(this.#builder)
      } catch (error) {
        this.#rollback()
        throw this.#classify(error)
      }
      this.#end()
      return result
    })
  }

  commit(statements: readonly Statement[]): Promise<void> {
    return this.#commits.add(statements)
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    return this.#statement(this.reader, this.#preparedReads, statement.sql).all(...statement.params) as Row[]
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
      this.#rollback()
      throw this.#classify(error)
    }
    this.#end()
  }

  #run(sql: string, params: readonly SqlValue[]): void {
    this.#statement(this.writer, this.#prepared, sql).run(...params)
  }

  #statement(connection: SqliteConnection, cache: Map<string, SqliteStatement>, sql: string): SqliteStatement {
    const known = cache.get(sql)
    if (known) return known
    const made = connection.prepare(sql)
    cache.set(sql, made)
    return made
  }

  #begin(): void {
    if (this.#dead) throw this.#dead
    try {
      this.#run("BEGIN IMMEDIATE", [])
    } catch (error) {
      throw this.#classify(error)
    }
  }

  #end(): void {
    try {
      this.#run("COMMIT", [])
    } catch (error) {
      this.#rollback()
      throw this.#classify(error)
    }
  }

  #rollback(): void {
    if (this.writer.inTransaction) this.#run("ROLLBACK", [])
  }

  #classify(thrown: unknown): unknown {
    const code = sqliteCode(thrown)
    if (code === undefined) return thrown
    const error = thrown as Error
    if (code === "SQLITE_CONSTRAINT_UNIQUE" || code === "SQLITE_CONSTRAINT_PRIMARYKEY") return new UniqueViolation(error.message)
    if (code === "SQLITE_FULL") return new StorageFull("the disk is full")
    if (code.startsWith("SQLITE_IOERR") || code === "SQLITE_CORRUPT" || code === "SQLITE_NOTADB") {
      this.#dead ??= error
      this.onFatal(error)
    }
    return thrown
  }
}

/** Statements kept for one connection's builder; the oldest give way. */
const KEPT_STATEMENTS_MAX = 500

/**
 * The connection as drizzle is given it: each SQL text is prepared once. Left alone the builder prepares at every call, which
 * made a read of one row take 131 µs instead of 74.
 */
function keepStatements(connection: SqliteConnection): SqliteConnection {
  const kept = new Map<string, KeptStatement>()
  const prepare = (sql: string) => {
    const known = kept.get(sql)
    if (known) return known
    const oldest = kept.size >= KEPT_STATEMENTS_MAX ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    const made = new KeptStatement(connection, sql)
    kept.set(sql, made)
    return made
  }
  return { prepare } as unknown as SqliteConnection // the builder uses nothing else of it
}

/** What the builder uses of a statement. The driver's `raw()`, rows as arrays, sticks to a statement: that is another one. */
class KeptStatement {
  #objects: SqliteStatement | undefined
  #arrays: SqliteStatement | undefined

  constructor(
    private readonly connection: SqliteConnection,
    private readonly sql: string,
  ) {}

  run(...params: unknown[]) {
    return this.#prepared().run(...params)
  }

  all(...params: unknown[]) {
    return this.#prepared().all(...params)
  }

  get(...params: unknown[]) {
    return this.#prepared().get(...params)
  }

  raw(): SqliteStatement {
    this.#arrays ??= this.connection.prepare(this.sql).raw()
    return this.#arrays
  }

  #prepared(): SqliteStatement {
    this.#objects ??= this.connection.prepare(this.sql)
    return this.#objects
  }
}

/** drizzle wraps the driver's error as its cause. */
function sqliteCode(thrown: unknown): string | undefined {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const code = (error as { code?: unknown }).code
    if (typeof code === "string" && code.startsWith("SQLITE_")) return code
  }
  return undefined
}
