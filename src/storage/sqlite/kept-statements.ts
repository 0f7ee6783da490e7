import type { SqliteConnection, SqliteStatement } from "./driver.ts"

/** Statements kept for one connection; the oldest give way. */
export const KEPT_STATEMENTS_MAX = 500

/** Runs something on the connection and looks at what it throws. */
export type Guard = <T>(run: () => T) => T

/**
 * The connection as drizzle is given it: each SQL text is prepared once. Left alone the builder prepares at every call, which
 * made a read of one row take 131 µs instead of 74. `connectionOf` is asked at every run of a statement.
 */
export function keepStatements(connectionOf: () => SqliteConnection, guard: Guard): SqliteConnection {
  const kept = new Map<string, KeptStatement>()
  const prepare = (sql: string) => {
    const known = kept.get(sql)
    if (known) return known
    const oldest = kept.size >= KEPT_STATEMENTS_MAX ? kept.keys().next().value : undefined
    if (oldest !== undefined) kept.delete(oldest)
    const made = new KeptStatement(connectionOf, sql, guard)
    kept.set(sql, made)
    return made
  }
  return { prepare } as unknown as SqliteConnection // the builder uses nothing else of it
}

/** What the builder uses of a statement. The driver's `raw()`, rows as arrays, sticks to a statement: that is another one. */
class KeptStatement {
  readonly #objects = new Map<SqliteConnection, SqliteStatement>()
  readonly #arrays = new Map<SqliteConnection, SqliteStatement>()

  constructor(
    private readonly connectionOf: () => SqliteConnection,
    private readonly sql: string,
    private readonly guard: Guard,
  ) {}

  run(...params: unknown[]) {
    return this.guard(() => this.#asObjects().run(...params))
  }

  all(...params: unknown[]) {
    return this.guard(() => this.#asObjects().all(...params))
  }

  get(...params: unknown[]) {
    return this.guard(() => this.#asObjects().get(...params))
  }

  raw() {
    return {
      all: (...params: unknown[]) => this.guard(() => this.#asArrays().all(...params)),
      get: (...params: unknown[]) => this.guard(() => this.#asArrays().get(...params)),
    }
  }

  #asObjects(): SqliteStatement {
    const connection = this.connectionOf()
    const known = this.#objects.get(connection)
    if (known) return known
    const made = connection.prepare(this.sql)
    this.#objects.set(connection, made)
    return made
  }

  #asArrays(): SqliteStatement {
    const connection = this.connectionOf()
    const known = this.#arrays.get(connection)
    if (known) return known
    const made = connection.prepare(this.sql).raw()
    this.#arrays.set(connection, made)
    return made
  }
}
