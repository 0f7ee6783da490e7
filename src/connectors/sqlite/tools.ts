import type { JsonObject } from "../../kernel/json.ts"
import type { Tool } from "../connector.ts"
import { PATH_MAX_CHARS } from "../file-root.ts"
import { MAX_ROWS, SAMPLE_ROWS_DEFAULT } from "./limits.ts"

const PATH: JsonObject = {
  type: "string",
  maxLength: PATH_MAX_CHARS,
  description: "Database file, relative to the data root. Default: sqlite_default_database_path of the configuration.",
}
const TABLE: JsonObject = { type: "string", minLength: 1, description: "Name of a table or view." }
const SQL: JsonObject = { type: "string", minLength: 1 }
const ARGS: JsonObject = {
  type: "array",
  default: [],
  description:
    'Values for `?` in order, or for `$1`, `$2` by number: null, numbers, strings, booleans, {"$base64": "…"} for a BLOB, {"$integer": "…"} beyond 2^53.',
}
const LIMIT: JsonObject = { type: "integer", minimum: 1, maximum: MAX_ROWS }

const ROWS: JsonObject = {
  columns: { type: "array", items: { type: "string" } },
  rows: { type: "array", items: { type: "object" } },
  row_count: { type: "integer" },
  truncated: { type: "boolean", description: "There were more rows than the limits let through." },
  truncated_by: { enum: ["rows", "bytes"] },
}
const CHANGES: JsonObject = { changes: { type: "integer" }, last_insert_rowid: { type: ["integer", "string"] } }

const READS = { readOnlyHint: true, idempotentHint: true, destructiveHint: false }
const WRITES = { readOnlyHint: false, idempotentHint: false, destructiveHint: true }

/** The ten documented tools (contract Appendix A); their arguments are ours, after the habits of postgres_query. */
export const SQLITE_TOOLS: readonly Tool[] = [
  {
    name: "sqlite_get_database_info",
    description: "Size, pages, encoding, version numbers and the number of tables, views, indexes and triggers of a database.",
    inputSchema: input({ database_path: PATH }),
    outputSchema: output({
      database_path: { type: "string" },
      size_bytes: { type: "integer" },
      table_count: { type: "integer" },
    }),
    annotations: READS,
  },
  {
    name: "sqlite_query",
    description:
      'Runs one read-only query. Integers beyond 2^53 come as decimal strings, BLOBs as {"$base64": "…"}; a second column of the same name gets _2.',
    inputSchema: input({ sql: SQL, args: ARGS, limit: LIMIT, database_path: PATH }, ["sql"]),
    outputSchema: output(ROWS, ["columns", "rows", "row_count", "truncated"]),
    annotations: READS,
  },
  {
    name: "sqlite_list_tables",
    description: "Tables of a database with the statements that made them.",
    inputSchema: input({ database_path: PATH }),
    outputSchema: listing("tables"),
    annotations: READS,
  },
  {
    name: "sqlite_list_views",
    description: "Views of a database with the statements that made them.",
    inputSchema: input({ database_path: PATH }),
    outputSchema: listing("views"),
    annotations: READS,
  },
  {
    name: "sqlite_list_indexes",
    description: "Indexes of a database, or of one table.",
    inputSchema: input({ table: TABLE, database_path: PATH }),
    outputSchema: listing("indexes"),
    annotations: READS,
  },
  {
    name: "sqlite_describe_table",
    description: "Columns, primary key and foreign keys of a table or view.",
    inputSchema: input({ table: TABLE, database_path: PATH }, ["table"]),
    outputSchema: output({ table: { type: "string" }, columns: { type: "array" }, primary_key: { type: "array" } }),
    annotations: READS,
  },
  {
    name: "sqlite_get_table_schema",
    description: "The SQL that made a table or view, its indexes and its triggers.",
    inputSchema: input({ table: TABLE, database_path: PATH }, ["table"]),
    outputSchema: output({ table: { type: "string" }, sql: { type: ["string", "null"] }, indexes: { type: "array" } }),
    annotations: READS,
  },
  {
    name: "sqlite_sample_table_rows",
    description: `The first rows of a table or view, ${SAMPLE_ROWS_DEFAULT} unless \`limit\` says otherwise.`,
    inputSchema: input({ table: TABLE, limit: { ...LIMIT, default: SAMPLE_ROWS_DEFAULT }, database_path: PATH }, ["table"]),
    outputSchema: output({ table: { type: "string" }, ...ROWS }, ["table", "rows"]),
    annotations: READS,
  },
  {
    name: "sqlite_execute",
    description:
      "Runs one statement that writes; needs sqlite_allow_write. Makes the file when it does not exist. Rows of RETURNING are in `rows`.",
    inputSchema: input({ sql: SQL, args: ARGS, database_path: PATH }, ["sql"]),
    outputSchema: output({ ...CHANGES, ...ROWS }, ["changes", "last_insert_rowid"]),
    annotations: WRITES,
  },
  {
    name: "sqlite_execute_sql",
    description: "Runs a script of several statements in one transaction, all or nothing; needs sqlite_allow_write.",
    inputSchema: input({ sql: SQL, database_path: PATH }, ["sql"]),
    outputSchema: output({ statement_count: { type: "integer" }, ...CHANGES }, ["statement_count", "changes"]),
    annotations: WRITES,
  },
]

function input(properties: JsonObject, required: readonly string[] = []): JsonObject {
  return { type: "object", properties, required, additionalProperties: false }
}

function output(properties: JsonObject, required: readonly string[] = []): JsonObject {
  return { type: "object", properties, required }
}

function listing(name: string): JsonObject {
  return output(
    { [name]: { type: "array", items: { type: "object" } }, count: { type: "integer" }, truncated: { type: "boolean" } },
    [name, "count"],
  )
}
