import type { SqliteConnection, SqliteStatement } from "./driver.ts"

/** Statements kept for one connection; the oldest give way. */
const KEPT_MAX = 500

/**
 * The connection as drizzle is given it: each SQL text is prepared once. Without this the builder prepares anew at every call,
 * which took 80 µs of a 370 µs read of one row.
 */
export function keepStatements(connection: SqliteConnection): SqliteConnection {
  const kept = new Map<string, KeptStatement>()
  const prepare = (sql: string) => {
    const known = kept.get(sql)
    if (known) return known
    const oldest = kept.size >= KEPT_MAX ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    const made = new KeptStatement(connection, sql)
    kept.set(sql, made)
    return made
  }
  return { prepare } as unknown as SqliteConnection // the builder uses nothing else of it
}

/** What the builder uses of a statement. `raw()`, rows as arrays, sticks to a statement of the driver: it is another one. */
class KeptStatement {
  #plain: SqliteStatement | undefined
  #raw: SqliteStatement | undefined

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
    this.#raw ??= this.connection.prepare(this.sql).raw()
    return this.#raw
  }

  #prepared(): SqliteStatement {
    this.#plain ??= this.connection.prepare(this.sql)
    return this.#plain
  }
}
