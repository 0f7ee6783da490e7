import { sql } from "drizzle-orm"
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core"
import {
  type Addition,
  type Database,
  MissingValue,
  type Reader,
  type Row,
  type Statement,
  UniqueViolation,
  type Writer,
} from "../database.ts"
import { GroupCommit } from "../group-commit.ts"
import { Mutex } from "../mutex.ts"
import { postgresTables } from "../tables.ts"

const UNIQUE_VIOLATION = "23505"
const NOT_NULL_VIOLATION = "23502"

/** Any drizzle driver of PostgreSQL: a pool on a server, or PGlite in the tests. */
export type PostgresDriver = PgDatabase<PgQueryResultHKT, Record<string, unknown>>

/** The same stores over PostgreSQL. Errors are told apart by SQLSTATE. */
export function openPostgres(driver: PostgresDriver, close: () => Promise<void>): Database {
  return new PostgresDatabase(driver, close)
}

class PostgresDatabase implements Database {
  readonly dialect = "postgres"
  readonly tables = postgresTables
  readonly read: Reader
  readonly #commits: GroupCommit

  constructor(
    private readonly driver: PostgresDriver,
    readonly close: () => Promise<void>,
  ) {
    // The builders' surfaces agree in what Reader and Writer name; the store suite runs on both to prove it.
    this.read = driver as unknown as Reader
    this.#commits = new GroupCommit(new Mutex(), batch => this.#apply(batch))
  }

  async write<T>(body: (tx: Writer) => Promise<T>): Promise<T> {
    try {
      return await this.driver.transaction(tx => body(tx as unknown as Writer))
    } catch (error) {
      throw classify(error)
    }
  }

  commit(statements: readonly Statement[], additions: readonly Addition[] = []): Promise<void> {
    return this.#commits.add(statements, additions)
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    const result = (await this.driver.execute(bind(statement))) as unknown as { rows: Row[] }
    return result.rows
  }

  async #apply(batch: readonly (readonly Statement[])[]): Promise<void> {
    try {
      await this.driver.transaction(async tx => {
        for (const statements of batch) for (const s of statements) await tx.execute(bind(s))
      })
    } catch (error) {
      throw classify(error)
    }
  }
}

/** Puts the parameters where the `?` stand. Statements hold no literal question mark. */
function bind(statement: Statement) {
  const parts = statement.sql.split("?")
  const chunks = parts.flatMap((part, i) => (i === 0 ? [sql.raw(part)] : [sql`${statement.params[i - 1]}`, sql.raw(part)]))
  return sql.join(chunks)
}

function classify(thrown: unknown): unknown {
  for (let error = thrown; error instanceof Error; error = error.cause) {
    const { code } = error as { code?: unknown }
    if (code === UNIQUE_VIOLATION) return new UniqueViolation(error.message)
    if (code === NOT_NULL_VIOLATION) return new MissingValue(error.message)
  }
  return thrown
}
