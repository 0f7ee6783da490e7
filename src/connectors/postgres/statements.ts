import type { Json, JsonObject } from "../../kernel/json.ts"
import { SERVER_MARGIN_MS } from "../database/limits.ts"
import { RowCollector, uniqueNames } from "../database/rows.ts"
import { ToolFailure } from "../kit.ts"
import { decode, type PgType } from "./decode.ts"
import { isServerError } from "./failures.ts"
import type { PgSession, Reader, Statement } from "./session.ts"

/** How answers are spelt, whatever the server's configuration says. */
const SPELLING = "SET LOCAL IntervalStyle = iso_8601; SET LOCAL bytea_output = hex; SET LOCAL extra_float_digits = 1"

/**
 * One statement that gives rows, in a read-only transaction that is never committed. A statement without rows is refused
 * before it runs: no COMMIT, SET, COPY or DO can get there. `SELECT 1` comes first because a transaction that has read
 * something can no longer be made one that writes.
 */
export async function read(session: PgSession, statement: Statement, maxRows: number, leftMs: number): Promise<JsonObject> {
  await session.command(`BEGIN READ ONLY; SET LOCAL statement_timeout = ${serverMs(leftMs)}; ${SPELLING}; SELECT 1`)
  const prepared = await session.prepare(statement.sql)
  if (!prepared.fields) throw new ToolFailure("the statement gives no rows, and this tool only reads")
  const rows = new Rows(maxRows, maxRows + 1)
  await session.run(prepared, statement.args, rows)
  if (session.usable) await session.command("ROLLBACK")
  return rows.result()
}

/** All rows of a query of ours. */
export async function select(
  session: PgSession,
  sql: string,
  args: readonly Json[],
  leftMs: number,
): Promise<readonly JsonObject[]> {
  const { rows } = await read(session, { sql, args }, 10_000, leftMs)
  return rows as readonly JsonObject[]
}

/**
 * One statement in a transaction of its own, committed when it succeeds. What PostgreSQL runs outside transactions alone
 * (VACUUM, CREATE INDEX CONCURRENTLY, …) is run so, after the server said that it is such a statement.
 */
export async function write(session: PgSession, statement: Statement, maxRows: number, leftMs: number): Promise<JsonObject> {
  try {
    return await writeInTransaction(session, statement, maxRows, leftMs)
  } catch (error) {
    if (!isServerError(error) || error.code !== ACTIVE_TRANSACTION || !session.usable) throw error
    await session.command("ROLLBACK")
    await session.command(`SET statement_timeout = ${serverMs(leftMs)}; ${SPELLING.replaceAll("SET LOCAL", "SET")}`)
    return await settling(session, () => runOnce(session, statement, maxRows))
  }
}

const ACTIVE_TRANSACTION = "25001"

async function writeInTransaction(
  session: PgSession,
  statement: Statement,
  maxRows: number,
  leftMs: number,
): Promise<JsonObject> {
  await session.command(`BEGIN READ WRITE; SET LOCAL statement_timeout = ${serverMs(leftMs)}; ${SPELLING}`)
  const result = await runOnce(session, statement, maxRows)
  if (session.status !== "T")
    throw new ToolFailure("the statement ended the transaction that each call has; a transaction cannot span calls")
  await settling(session, () => session.command("COMMIT"))
  return result
}

/** What takes effect at a moment that we may not hear of. */
async function settling<T>(session: PgSession, work: () => Promise<T>): Promise<T> {
  session.inDoubt = true
  try {
    const result = await work()
    session.inDoubt = false
    return result
  } catch (error) {
    if (!isServerError(error) || !session.usable)
      throw new ToolFailure("the connection broke before the change was confirmed: it may or may not have been done")
    session.inDoubt = false
    throw error
  }
}

async function runOnce(session: PgSession, statement: Statement, maxRows: number): Promise<JsonObject> {
  const prepared = await session.prepare(statement.sql)
  const rows = new Rows(maxRows, 0)
  const tag = (await session.run(prepared, statement.args, rows)) ?? ""
  const [command = "", count] = /^(.*?)(?: (?:\d+ )?(\d+))?$/.exec(tag)?.slice(1) ?? []
  return {
    command,
    rows_affected: count === undefined ? 0 : Number(count),
    ...(prepared.fields ? rows.result() : {}),
  }
}

/** Decodes and gathers. */
class Rows implements Reader {
  #types: readonly PgType[] = []
  #collector = new RowCollector([], 0)

  constructor(
    private readonly limit: number,
    readonly maxRows: number,
  ) {}

  columns(fields: readonly { readonly name: string }[], types: readonly PgType[]): void {
    this.#types = types
    this.#collector = new RowCollector(uniqueNames(fields.map(f => f.name)), this.limit)
  }

  row(values: readonly (string | null)[]): boolean {
    if (this.#collector.truncated) return false
    const decoded = values.map((value, i) => decode(value, this.#types[i] ?? { kind: "text" }))
    // A full collector is no reason to break off: with rows to spare the server stops by itself after this one.
    return this.#collector.add(decoded) || this.#collector.truncated === "rows"
  }

  result(): JsonObject {
    return this.#collector.result()
  }
}

function serverMs(leftMs: number): number {
  return Math.max(1, leftMs - SERVER_MARGIN_MS)
}
