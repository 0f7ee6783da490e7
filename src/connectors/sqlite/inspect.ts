import { statSync } from "node:fs"
import type { Json, JsonObject } from "../../kernel/json.ts"
import { RowCollector, uniqueNames } from "../database/rows.ts"
import { Refused } from "../file-root.ts"
import type { SqliteHandle } from "./connections.ts"
import { LIST_MAX } from "./limits.ts"
import type { DatabaseFile } from "./path.ts"
import { type SqlValue, toJson } from "./values.ts"

/** What the file is: size, pages, encoding, how many of which objects. */
export function databaseInfo(handle: SqliteHandle, file: DatabaseFile): JsonObject {
  const pragma = (name: string): Json => toJson(handle.pragma(name, { simple: true }) as SqlValue)
  const counts = Object.fromEntries(
    rows(handle, "SELECT type, count(*) AS n FROM sqlite_schema GROUP BY type").map(r => [r.type, r.n]),
  )
  const [version] = rows(handle, "SELECT sqlite_version() AS v")
  return {
    database_path: file.spelling,
    size_bytes: statSync(file.path).size,
    sqlite_version: version?.v ?? null,
    page_size: pragma("page_size"),
    page_count: pragma("page_count"),
    freelist_count: pragma("freelist_count"),
    encoding: pragma("encoding"),
    journal_mode: pragma("journal_mode"),
    user_version: pragma("user_version"),
    application_id: pragma("application_id"),
    table_count: counts.table ?? 0,
    view_count: counts.view ?? 0,
    index_count: counts.index ?? 0,
    trigger_count: counts.trigger ?? 0,
  }
}

export function listTables(handle: SqliteHandle): JsonObject {
  const found = rows(
    handle,
    `SELECT l.name, l.type, l.ncol, l.wr, l.strict, s.sql FROM pragma_table_list AS l LEFT JOIN sqlite_schema AS s ON s.name = l.name
     WHERE l.schema = 'main' AND l.type IN ('table', 'virtual') AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY l.name`,
  )
  return list("tables", found, t => ({
    name: t.name ?? null,
    type: t.type ?? null,
    column_count: t.ncol ?? null,
    without_rowid: t.wr === 1,
    strict: t.strict === 1,
    sql: t.sql ?? null,
  }))
}

export function listViews(handle: SqliteHandle): JsonObject {
  return list("views", rows(handle, "SELECT name, sql FROM sqlite_schema WHERE type = 'view' ORDER BY name"), v => v)
}

export function listIndexes(handle: SqliteHandle, table: string | null): JsonObject {
  if (table !== null) requireTable(handle, table)
  return list("indexes", indexesOf(handle, table), i => i)
}

/** Columns, keys and references of one table or view. */
export function describeTable(handle: SqliteHandle, table: string): JsonObject {
  const { name, type } = requireTable(handle, table)
  const columns = rows(handle, "SELECT * FROM pragma_table_xinfo(?) ORDER BY cid", name).filter(c => c.hidden !== 1)
  const keys = columns.filter(c => Number(c.pk) > 0).sort((a, b) => Number(a.pk) - Number(b.pk))
  return {
    table: name,
    type,
    columns: columns.map(c => ({
      name: c.name ?? null,
      type: c.type ?? "",
      not_null: c.notnull === 1,
      default: c.dflt_value ?? null,
      primary_key: Number(c.pk) > 0,
      generated: c.hidden === 2 || c.hidden === 3,
    })),
    primary_key: keys.map(c => c.name ?? null),
    foreign_keys: rows(handle, "SELECT * FROM pragma_foreign_key_list(?) ORDER BY id, seq", name).map(f => ({
      id: f.id ?? null,
      column: f.from ?? null,
      references_table: f.table ?? null,
      references_column: f.to ?? null,
      on_update: f.on_update ?? null,
      on_delete: f.on_delete ?? null,
    })),
  }
}

/** The statements that made a table, its indexes and its triggers. */
export function tableSchema(handle: SqliteHandle, table: string): JsonObject {
  const { name, type, sql } = requireTable(handle, table)
  const triggers = rows(handle, "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? ORDER BY name", name)
  return { table: name, type, sql, indexes: indexesOf(handle, name), triggers }
}

export function sampleRows(handle: SqliteHandle, table: string, limit: number): JsonObject {
  const { name } = requireTable(handle, table)
  const prepared = handle
    .prepare(`SELECT * FROM "${name.replaceAll('"', '""')}"`)
    .safeIntegers(true)
    .raw(true)
  const collector = new RowCollector(uniqueNames(prepared.columns().map(c => c.name)), limit)
  for (const row of prepared.iterate()) if (!collector.add((row as SqlValue[]).map(toJson))) break
  return { table: name, ...collector.result() }
}

function indexesOf(handle: SqliteHandle, table: string | null): readonly JsonObject[] {
  const found = rows(
    handle,
    `SELECT i.name, t.name AS "table", i."unique", i.origin, i.partial, s.sql,
       (SELECT json_group_array(name) FROM (SELECT name FROM pragma_index_info(i.name) ORDER BY seqno)) AS columns
     FROM sqlite_schema AS t JOIN pragma_index_list(t.name) AS i LEFT JOIN sqlite_schema AS s ON s.type = 'index' AND s.name = i.name
     WHERE t.type = 'table' AND t.name = coalesce(?, t.name) ORDER BY t.name, i.name`,
    table,
  )
  return found.map(i => ({
    name: i.name ?? null,
    table: i.table ?? null,
    unique: i.unique === 1,
    /** `c`: CREATE INDEX, `u`: a UNIQUE constraint, `pk`: a primary key. */
    origin: i.origin ?? null,
    partial: i.partial === 1,
    /** Null stands for an expression or the rowid. */
    columns: JSON.parse(String(i.columns)) as Json,
    sql: i.sql ?? null,
  }))
}

interface TableEntry {
  readonly name: string
  readonly type: string
  readonly sql: string | null
}

/** Table names compare without case in ASCII, as SQLite does. */
function requireTable(handle: SqliteHandle, table: string): TableEntry {
  const [found] = rows(
    handle,
    "SELECT name, type, sql FROM sqlite_schema WHERE type IN ('table', 'view') AND name = ? COLLATE NOCASE",
    table,
  )
  if (!found) throw new Refused(`no such table: ${table.slice(0, 120)}`)
  return { name: String(found.name), type: String(found.type), sql: typeof found.sql === "string" ? found.sql : null }
}

function rows(handle: SqliteHandle, sql: string, ...args: SqlValue[]): readonly JsonObject[] {
  const prepared = handle.prepare(sql).safeIntegers(true).raw(true)
  const names = prepared.columns().map(c => c.name)
  return (prepared.all(...args) as SqlValue[][]).map(row =>
    Object.fromEntries(names.map((name, i) => [name, toJson(row[i] ?? null)])),
  )
}

function list(name: string, found: readonly JsonObject[], shape: (row: JsonObject) => JsonObject): JsonObject {
  const shown = found.slice(0, LIST_MAX).map(shape)
  return { [name]: shown, count: found.length, truncated: found.length > shown.length }
}
