import { Type } from "typebox"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import type { Limit } from "../database/call.ts"
import { LIST_MAX } from "../database/limits.ts"
import { ARGS, LIMIT, LISTING, NAME, ROW_FIELDS, SQL } from "../database/schemas.ts"
import { parseDocument } from "../database/values.ts"
import { type ToolCall, type ToolDefinition, tool } from "../kit.ts"
import * as information from "./information-queries.ts"
import type { MysqlSession } from "./session.ts"
import { execute, read } from "./statements.ts"

/** Does something with a connection of the call's configuration, within its time. */
export type WithSession = <T>(call: ToolCall, work: (session: MysqlSession, limit: Limit) => Promise<T>) => Promise<T>

const VALUES = ARGS(
  'Values for `?` in order: null, numbers, strings, booleans, lists and objects as JSON, {"$base64": "…"} for bytes, {"$integer": "…"} beyond 2^53.',
)
const DATABASE = Type.Optional(NAME("Another database than that of the configuration."))

/** The seven documented tools (contract Appendix A). All but mysql_execute_sql run in read-only transactions. */
export function mysqlTools(withSession: WithSession): readonly ToolDefinition[] {
  const list = async (call: ToolCall, name: string, sql: string, args: readonly Json[]): Promise<JsonObject> => {
    const found = await withSession(call, (session, limit) => read(session, sql, args, limit))
    const shown = found.slice(0, LIST_MAX)
    return { [name]: shown, count: found.length, truncated: found.length > shown.length }
  }

  return [
    tool({
      name: "mysql_execute_sql",
      description:
        'Runs one statement that may change anything, and commits it. DECIMAL and integers beyond 2^53 come as decimal strings, bytes as {"$base64": "…"}, times as ISO 8601 (TIMESTAMP in UTC), TINYINT(1) as boolean; a second column of the same name gets _2.',
      input: Type.Object({ sql: SQL, args: VALUES, limit: LIMIT }, { additionalProperties: false }),
      output: Type.Object({
        rows_affected: Type.Optional(Type.Union([Type.Integer(), Type.String()])),
        last_insert_id: Type.Optional(Type.Union([Type.Integer(), Type.String()])),
        ...Type.Partial(Type.Object(ROW_FIELDS)).properties,
      }),
      hints: "adds",
      run: ({ sql, args, limit: maxRows }, call) =>
        // Arguments came as JSON.
        withSession(call, (session, limit) => execute(session, { sql, args: args as readonly Json[] }, maxRows, limit)),
    }),
    tool({
      name: "mysql_get_query_plan",
      description: "The plan of one statement, which is not run.",
      input: Type.Object({ sql: SQL, args: VALUES }, { additionalProperties: false }),
      output: Type.Object({ plan: Type.Unknown() }),
      hints: "reads",
      run: async ({ sql, args }, call) => {
        const work = (session: MysqlSession, limit: Limit) =>
          read(session, `EXPLAIN FORMAT=JSON ${sql}`, args as readonly Json[], limit)
        const [row = {}] = await withSession(call, work)
        const [plan = null] = Object.values(row)
        return { plan: typeof plan === "string" ? parseDocument(plan) : isJsonObject(plan) ? plan : null }
      },
    }),
    tool({
      name: "mysql_list_tables",
      description: "Tables and views of a database with engines and estimated rows.",
      input: Type.Object({ database: DATABASE }, { additionalProperties: false }),
      output: LISTING("tables"),
      hints: "reads",
      run: ({ database }, call) => list(call, "tables", information.TABLES, [database ?? null]),
    }),
    tool({
      name: "mysql_list_table_stats",
      description: "Rows, sizes, columns and indexes of the tables of a database, the largest first.",
      input: Type.Object({ database: DATABASE, table: Type.Optional(NAME("One table alone.")) }, { additionalProperties: false }),
      output: LISTING("tables"),
      hints: "reads",
      run: ({ database, table }, call) => list(call, "tables", information.STATS, [database ?? null, table ?? null]),
    }),
    tool({
      name: "mysql_list_table_fragmentation",
      description: "How much room of the tables of a database is free and could be given back, the most first.",
      input: Type.Object(
        {
          database: DATABASE,
          min_free_bytes: Type.Integer({ minimum: 0, default: 0, description: "Only tables with so much free room." }),
        },
        { additionalProperties: false },
      ),
      output: LISTING("tables"),
      hints: "reads",
      run: ({ database, min_free_bytes }, call) =>
        list(call, "tables", information.FRAGMENTATION, [database ?? null, min_free_bytes]),
    }),
    tool({
      name: "mysql_list_tables_missing_unique_indexes",
      description: "Tables of a database that have neither a primary key nor a unique index.",
      input: Type.Object({ database: DATABASE }, { additionalProperties: false }),
      output: LISTING("tables"),
      hints: "reads",
      run: ({ database }, call) => list(call, "tables", information.WITHOUT_UNIQUE_INDEX, [database ?? null]),
    }),
    tool({
      name: "mysql_list_active_queries",
      description: "What the server does at the moment for all users that this one may see, the longest first.",
      input: Type.Object(
        { min_seconds: Type.Integer({ minimum: 0, default: 0, description: "Only what takes so long already." }) },
        { additionalProperties: false },
      ),
      output: LISTING("queries"),
      hints: "reads",
      run: ({ min_seconds }, call) => list(call, "queries", information.ACTIVE_QUERIES, [min_seconds]),
    }),
  ]
}
