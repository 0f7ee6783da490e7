import type { Json, JsonObject } from "../../kernel/json.ts"
import { RowCollector, uniqueNames } from "../database/rows.ts"
import { Refused } from "../file-root.ts"
import type { Bindings, SqliteHandle, SqliteStatement } from "./connections.ts"
import { checkStatement, oneStatement, type SqlStatement, splitStatements } from "./statements.ts"
import { type SqlValue, toJson, toSql } from "./values.ts"

/** One query; nothing else can run. */
export function query(handle: SqliteHandle, sql: string, args: readonly Json[], maxRows: number): JsonObject {
  const statement = oneStatement(sql)
  checkStatement(statement, "read")
  const values = bindings(statement, args)
  const prepared = prepare(handle, statement, values)
  if (!prepared.readonly) throw new Refused("the statement changes the database; sqlite_query only reads")
  if (!prepared.reader) throw new Refused("the statement returns no rows")
  return collect(prepared, values, maxRows).result()
}

/** One statement, which is a transaction of its own. Rows of a RETURNING clause are part of the answer. */
export function execute(handle: SqliteHandle, sql: string, args: readonly Json[], maxRows: number): JsonObject {
  const statement = oneStatement(sql)
  checkStatement(statement, "write")
  const values = bindings(statement, args)
  const { rows, ...counts } = inTransaction(handle, () => runOne(handle, statement, values, maxRows))
  return rows ? { ...counts, ...rows.result() } : counts
}

/** All statements or none. */
export function executeScript(handle: SqliteHandle, sql: string, maxRows: number): JsonObject {
  const statements = splitStatements(sql)
  for (const [i, statement] of statements.entries()) atStatement(i, () => checkStatement(statement, "write"))
  return inTransaction(handle, () => {
    let changes = 0
    let lastInsertRowid: Json = 0
    for (const [i, statement] of statements.entries()) {
      const done = atStatement(i, () => runOne(handle, statement, [], maxRows))
      changes += done.changes
      lastInsertRowid = done.last_insert_rowid
    }
    return { statement_count: statements.length, changes, last_insert_rowid: lastInsertRowid }
  })
}

const NUMBERED = /^[?$:@]\d+$/

/** In order for `?`; by number for `?1` and for `$1`, the habit of PostgreSQL. */
function bindings({ tokens }: SqlStatement, args: readonly Json[]): Bindings {
  const values = args.map((value, i) => toSql(value, i + 1))
  const numbered = tokens.filter(t => t.kind === "variable" && NUMBERED.test(t.text)).map(t => Number(t.text.slice(1)))
  if (numbered.length === 0) return values
  if (values.length > Math.max(...numbered)) throw new Refused("there are more arguments than the statement has parameters")
  return [Object.fromEntries(values.map((value, i) => [String(i + 1), value]))]
}

interface Done {
  readonly changes: number
  readonly last_insert_rowid: Json
  readonly rows?: RowCollector
}

function runOne(handle: SqliteHandle, statement: SqlStatement, values: Bindings, maxRows: number): Done {
  const prepared = prepare(handle, statement, values)
  const before = totalChanges(handle)
  const rows = prepared.reader ? collect(prepared, values, maxRows) : undefined
  if (!rows) prepared.run(...values)
  const rowid = handle.prepare("SELECT last_insert_rowid()").safeIntegers(true).raw(true).all()[0] as [bigint]
  return { changes: totalChanges(handle) - before, last_insert_rowid: toJson(rowid[0]), ...(rows ? { rows } : {}) }
}

/** Rows changed on this connection so far, by triggers and foreign keys too. */
function totalChanges(handle: SqliteHandle): number {
  const [count] = handle.prepare("SELECT total_changes()").raw(true).all()[0] as [number]
  return count
}

function collect(prepared: SqliteStatement, values: Bindings, maxRows: number): RowCollector {
  const collector = new RowCollector(uniqueNames(prepared.columns().map(column => column.name)), maxRows)
  // SQLite makes all changes of a RETURNING statement before its first row, so stopping early loses none.
  for (const row of prepared
    .safeIntegers(true)
    .raw(true)
    .iterate(...values))
    if (!collector.add((row as SqlValue[]).map(toJson))) break
  return collector
}

/** Opcodes that leave the file, or change how it is opened, and functions compiled from ATTACH and DETACH. */
const REFUSED_OPCODES: ReadonlySet<string> = new Set(["Vacuum", "JournalMode", "Checkpoint", "MaxPgcnt"])
const REFUSED_CALLS = /^(sqlite_attach|sqlite_detach|load_extension|fts3_tokenizer)\b/

/** A row of EXPLAIN. */
interface Step {
  readonly opcode: string
  readonly p3: number
  readonly p4: unknown
}

/** What SQLite compiles for `IF NOT EXISTS` of something that does exist: only a question. */
function asksJournalMode(step: Step): boolean {
  return step.opcode === "JournalMode" && step.p3 === -1
}

/**
 * Compiles one statement. The words were judged already; here SQLite itself says what they mean: its program is read
 * before it runs, so that a spelling which slipped through the tokenizer still cannot leave the file.
 */
function prepare(handle: SqliteHandle, statement: SqlStatement, values: Bindings): SqliteStatement {
  const prepared = handle.prepare(statement.text)
  const first = statement.tokens[0]?.text
  if (first === "pragma" || first === "explain") return prepared
  for (const step of handle.prepare(`EXPLAIN ${statement.text}`).all(...values) as Step[]) {
    if (
      (REFUSED_OPCODES.has(step.opcode) && !asksJournalMode(step)) ||
      (typeof step.p4 === "string" && REFUSED_CALLS.test(step.p4))
    ) {
      throw new Refused("the statement reaches beyond the opened database")
    }
  }
  return prepared
}

function inTransaction<T>(handle: SqliteHandle, body: () => T): T {
  handle.prepare("BEGIN IMMEDIATE").run()
  try {
    const result = body()
    handle.prepare("COMMIT").run()
    return result
  } catch (error) {
    if (handle.inTransaction) handle.prepare("ROLLBACK").run()
    throw error
  }
}

/** Says which statement of a script failed; SQLite's code stays on the error. */
function atStatement<T>(index: number, body: () => T): T {
  try {
    return body()
  } catch (error) {
    if (error instanceof Error) error.message = `statement ${index + 1}: ${error.message}; nothing was changed`
    throw error
  }
}
