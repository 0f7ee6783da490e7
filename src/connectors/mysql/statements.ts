import type { Json, JsonObject } from "../../kernel/json.ts"
import type { Limit } from "../database/call.ts"
import { LIST_MAX, SERVER_MARGIN_MS } from "../database/limits.ts"
import { integerOf } from "../database/values.ts"
import { ToolFailure } from "../kit.ts"
import type { MysqlSession } from "./session.ts"

/** Of the server's status: a transaction is open. */
const IN_TRANSACTION = 1

/**
 * What each call begins with: UTF-8 and UTC whatever the server's configuration says, a limit that the server keeps itself,
 * and no more rows of a SELECT without LIMIT than are wanted.
 */
async function prepare(session: MysqlSession, limit: Limit, maxRows: number): Promise<void> {
  const ms = Math.max(1, limit.left() - SERVER_MARGIN_MS)
  const timeLimit = session.mariadb ? `max_statement_time = ${ms / 1_000}` : `max_execution_time = ${ms}`
  await session.command(`SET NAMES utf8mb4, time_zone = '+00:00', sql_select_limit = ${maxRows + 1}, ${timeLimit}`)
}

/** One statement, committed when it succeeds. */
export async function execute(
  session: MysqlSession,
  { sql, args }: { readonly sql: string; readonly args: readonly Json[] },
  maxRows: number,
  limit: Limit,
): Promise<JsonObject> {
  await prepare(session, limit, maxRows)
  session.inDoubt = true
  const { rows, done } = await session.run(sql, args, maxRows)
  session.inDoubt = false
  if (done && (done.serverStatus & IN_TRANSACTION) !== 0)
    throw new ToolFailure("the statement began a transaction, which was rolled back: a transaction cannot span calls")
  // The driver takes it for a number with a sign, which it has not.
  const insertId = integerOf(String(BigInt.asUintN(64, BigInt(done?.insertId ?? 0))))
  return {
    ...(done === null ? {} : { rows_affected: integerOf(String(done.affectedRows)) }),
    ...(insertId === 0 ? {} : { last_insert_id: insertId }),
    ...(rows ? rows.result() : {}),
  }
}

/** Rows of one statement, in a read-only transaction that is rolled back. */
export async function read(
  session: MysqlSession,
  sql: string,
  args: readonly Json[],
  limit: Limit,
): Promise<readonly JsonObject[]> {
  await prepare(session, limit, LIST_MAX)
  await session.command("START TRANSACTION READ ONLY")
  const { rows } = await session.run(sql, args, LIST_MAX + 1)
  await session.command("ROLLBACK")
  return rows?.rows ?? []
}
