import { type ChildAnswer, serveJobs } from "../../adapters/sandbox/child-loop.ts"
import { assert, messageOf } from "../../kernel/errors.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import { SQLITE_CHILD_MEMORY_MAX_BYTES } from "../../kernel/limits.ts"
import { Refused } from "../file-root.ts"
import { type Connect, Connections, type SqliteHandle } from "./connections.ts"
import { databaseInfo, describeTable, listIndexes, listTables, listViews, sampleRows, tableSchema } from "./inspect.ts"
import { SAMPLE_ROWS_DEFAULT } from "./limits.ts"
import { execute, executeScript, query } from "./operations.ts"
import { type DatabaseFile, dataRoot, locateDatabase } from "./path.ts"
import { PROBE_ROOT, type SqliteAnswer, type SqliteRequest } from "./protocol.ts"

/**
 * The child that does the SQLite work, one call at a time: the driver is synchronous, and a long query here stops nobody
 * else. It may be killed at any moment; SQLite takes back what was not committed.
 */
export function serveSqlite(connect: Connect): void {
  const handle = createSqliteHandler(connect)
  serveJobs((request): ChildAnswer => {
    const json = JSON.stringify(handle(request as SqliteRequest))
    // SQLite may build large values on the way to a small answer; what it keeps of them would be missing for the next call.
    return { json, spent: process.memoryUsage.rss() > SQLITE_CHILD_MEMORY_MAX_BYTES / 4 }
  }, SQLITE_CHILD_MEMORY_MAX_BYTES)
}

export function createSqliteHandler(connect: Connect): (request: SqliteRequest) => SqliteAnswer {
  const connections = new Connections(connect)
  return request => {
    try {
      return { ok: true, value: perform(connections, request) }
    } catch (error) {
      return failure(error)
    }
  }
}

function perform(connections: Connections, request: SqliteRequest): JsonObject {
  if (request.tool === PROBE_ROOT) {
    dataRoot(request.place)
    return {}
  }
  const file = locateDatabase(request.place, request.path)
  const write = WRITERS[request.tool]
  if (write) {
    if (!request.allowWrite) throw new Refused("writing is switched off")
    return connections.write(file, request, handle => write(handle, request))
  }
  const read = READERS[request.tool]
  assert(read, `an SQLite operation for ${request.tool}`)
  return connections.read(file, request.lockMs, handle => read(handle, request, file))
}

const WRITERS: { readonly [tool: string]: (handle: SqliteHandle, request: SqliteRequest) => JsonObject } = {
  sqlite_execute: (handle, { args, maxRows }) => execute(handle, text(args.sql), list(args.args), maxRows),
  sqlite_execute_sql: (handle, { args, maxRows }) => executeScript(handle, text(args.sql), maxRows),
}

const READERS: { readonly [tool: string]: (handle: SqliteHandle, request: SqliteRequest, file: DatabaseFile) => JsonObject } = {
  sqlite_get_database_info: (handle, _, file) => databaseInfo(handle, file),
  sqlite_query: (handle, { args, maxRows }) =>
    query(handle, text(args.sql), list(args.args), limit(args.limit, maxRows, maxRows)),
  sqlite_list_tables: handle => listTables(handle),
  sqlite_list_views: handle => listViews(handle),
  sqlite_list_indexes: (handle, { args }) => listIndexes(handle, typeof args.table === "string" ? args.table : null),
  sqlite_describe_table: (handle, { args }) => describeTable(handle, text(args.table)),
  sqlite_get_table_schema: (handle, { args }) => tableSchema(handle, text(args.table)),
  sqlite_sample_table_rows: (handle, { args, maxRows }) =>
    sampleRows(handle, text(args.table), limit(args.limit, SAMPLE_ROWS_DEFAULT, maxRows)),
}

function text(value: Json | undefined): string {
  return typeof value === "string" ? value : ""
}

function list(value: Json | undefined): readonly Json[] {
  return Array.isArray(value) ? value : []
}

function limit(value: Json | undefined, fallback: number, max: number): number {
  return Math.min(typeof value === "number" ? value : fallback, max)
}

/** Another try may help when somebody else held the file, the disk was full, or the device failed. */
const PASSING = /^SQLITE_(BUSY|LOCKED|FULL|IOERR|PROTOCOL)/

const TOO_MUCH_MEMORY = "the statement needs more memory than a call may have; nothing was changed. Ask for less at a time"

function failure(error: unknown): SqliteAnswer {
  const code = error instanceof Error ? (error as { code?: unknown }).code : undefined
  if (code === "SQLITE_NOMEM") return { ok: false, message: TOO_MUCH_MEMORY, retryable: false }
  const retryable = typeof code === "string" && PASSING.test(code)
  // RangeError and TypeError are the driver's: a wrong number of arguments, a value that does not fit.
  return { ok: false, message: messageOf(error).slice(0, 2_000), retryable }
}
