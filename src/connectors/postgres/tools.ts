import { Type } from "typebox"
import type { Json, JsonObject } from "../../kernel/json.ts"
import { LIST_MAX } from "../database/limits.ts"
import { ARGS, LIMIT, LISTING, NAME, ROW_FIELDS, SQL } from "../database/schemas.ts"
import { type ToolCall, type ToolDefinition, ToolFailure, tool } from "../kit.ts"
import * as catalog from "./catalog-queries.ts"
import type { WithSession } from "./connector.ts"
import { tableDdl } from "./ddl.ts"
import { read, select, write } from "./statements.ts"

const VALUES = ARGS(
  'Values for $1, $2 …: null, numbers, strings, booleans, lists as arrays, objects as JSON, {"$base64": "…"} for bytea, {"$integer": "…"} beyond 2^53.',
)
const SCHEMA = Type.Optional(NAME("Schema; without it the one that the search path leads to."))
const TABLE = NAME("Name of a table or view, as it is stored: without quotes.")

/** The nine documented tools (contract Appendix A). All but postgres_exec run in read-only transactions. */
export function postgresTools(withSession: WithSession): readonly ToolDefinition[] {
  /** Rows of a catalog query. */
  const rows = (call: ToolCall, sql: string, args: readonly Json[]) =>
    withSession(call, (session, limit) => select(session, sql, args, limit.left()))

  /** The one table that is meant; a failure when there is none. */
  const found = async (call: ToolCall, table: string, schema: string | undefined): Promise<JsonObject> => {
    const [one] = await rows(call, catalog.RELATION, [table, schema ?? null])
    if (!one)
      throw new ToolFailure(
        `there is no table or view ${schema === undefined ? "" : `${schema}.`}${table} that this user can see`,
      )
    return one
  }

  return [
    tool({
      name: "postgres_health",
      description: "Whether the server answers, who we are there, its version, and whether the connection is encrypted.",
      input: Type.Object({}, { additionalProperties: false }),
      output: Type.Object({ ok: Type.Boolean(), version: Type.String(), latency_ms: Type.Number(), encryption: Type.String() }),
      hints: "reads",
      run: (_args, call) =>
        withSession(call, async (session, limit) => {
          const started = performance.now()
          const [row] = await select(session, catalog.HEALTH, [], limit.left())
          const latency = Math.round((performance.now() - started) * 10) / 10
          return { ok: true, ...row, latency_ms: latency, encryption: session.encrypted }
        }),
    }),
    tool({
      name: "postgres_query",
      description:
        'Runs one statement that gives rows, in a read-only transaction that is rolled back. numeric and integers beyond 2^53 come as decimal strings, bytea as {"$base64": "…"}, times as ISO 8601; a second column of the same name gets _2.',
      input: Type.Object({ sql: SQL, args: VALUES, limit: LIMIT }, { additionalProperties: false }),
      output: Type.Object(ROW_FIELDS),
      hints: "reads",
      run: (args, call) => withSession(call, (session, limit) => read(session, statementOf(args), args.limit, limit.left())),
    }),
    tool({
      name: "postgres_exec",
      description:
        "Runs one statement that may change anything, in a transaction of its own: all of it or nothing. Rows of a RETURNING clause are part of the answer.",
      input: Type.Object({ sql: SQL, args: VALUES, limit: LIMIT }, { additionalProperties: false }),
      output: Type.Object({
        command: Type.String(),
        rows_affected: Type.Integer(),
        ...Type.Partial(Type.Object(ROW_FIELDS)).properties,
      }),
      hints: "adds",
      run: (args, call) => withSession(call, (session, limit) => write(session, statementOf(args), args.limit, limit.left())),
    }),
    tool({
      name: "postgres_list_tables",
      description: "Tables, views, materialized views and foreign tables with estimated rows and their size.",
      input: Type.Object({ schema: Type.Optional(NAME("One schema alone.")) }, { additionalProperties: false }),
      output: LISTING("tables"),
      hints: "reads",
      run: async (args, call) => listing("tables", await rows(call, catalog.TABLES, [args.schema ?? null])),
    }),
    tool({
      name: "postgres_describe_table",
      description: "Columns, primary key, foreign keys and other constraints of a table or view.",
      input: Type.Object({ table: TABLE, schema: SCHEMA }, { additionalProperties: false }),
      output: Type.Object({
        schema: Type.String(),
        table: Type.String(),
        columns: Type.Array(Type.Object({}, { additionalProperties: true })),
      }),
      hints: "reads",
      run: async (args, call) => {
        const { oid, ...relation } = await found(call, args.table, args.schema)
        const constraints = await rows(call, catalog.CONSTRAINTS, [oid ?? null])
        const ofKind = (kind: string) => constraints.filter(one => one.type === kind)
        return {
          ...relation,
          columns: await rows(call, catalog.COLUMNS, [oid ?? null]),
          primary_key: ofKind("primary key")[0]?.columns ?? [],
          foreign_keys: ofKind("foreign key"),
          constraints: constraints.filter(one => one.type !== "foreign key" && one.type !== "primary key"),
        }
      },
    }),
    tool({
      name: "postgres_list_schemas",
      description: "Schemas with their owners and the number of their tables.",
      input: Type.Object(
        { include_system: Type.Optional(Type.Boolean({ description: "Also those of PostgreSQL itself." })) },
        { additionalProperties: false },
      ),
      output: LISTING("schemas"),
      hints: "reads",
      run: async (args, call) => listing("schemas", await rows(call, catalog.SCHEMAS, [args.include_system ?? false])),
    }),
    tool({
      name: "postgres_list_indexes",
      description: "Indexes with the statements that made them, their size and how often they were used.",
      input: Type.Object(
        { table: Type.Optional(NAME("One table alone.")), schema: Type.Optional(NAME("One schema alone.")) },
        { additionalProperties: false },
      ),
      output: LISTING("indexes"),
      hints: "reads",
      run: async (args, call) => listing("indexes", await rows(call, catalog.INDEXES, [args.table ?? null, args.schema ?? null])),
    }),
    tool({
      name: "postgres_get_table_ddl",
      description: "The SQL that makes a table or view like this one, with its constraints, indexes and comments.",
      input: Type.Object({ table: TABLE, schema: SCHEMA }, { additionalProperties: false }),
      output: Type.Object({ schema: Type.String(), table: Type.String(), ddl: Type.String() }),
      hints: "reads",
      run: async (args, call) => {
        const relation = await found(call, args.table, args.schema)
        return await tableDdl(relation, sql => rows(call, sql, [relation.oid ?? null]))
      },
    }),
    tool({
      name: "postgres_explain_query",
      description:
        "The plan of a statement. With `analyze` the statement is run to measure it, in a read-only transaction: one that writes is refused then.",
      input: Type.Object(
        {
          sql: SQL,
          args: VALUES,
          analyze: Type.Optional(Type.Boolean({ description: "Run the statement and measure it." })),
        },
        { additionalProperties: false },
      ),
      output: Type.Object({ plan: Type.Unknown(), analyzed: Type.Boolean() }),
      hints: "reads",
      run: (args, call) =>
        withSession(call, async (session, limit) => {
          const options = args.analyze ? "FORMAT JSON, ANALYZE, BUFFERS" : "FORMAT JSON"
          const sql = `EXPLAIN (${options}) ${args.sql}`
          const { rows: answer } = await read(session, { sql, args: args.args as readonly Json[] }, 1, limit.left())
          const [row] = answer as readonly JsonObject[]
          const plan = row?.["QUERY PLAN"]
          return { plan: (Array.isArray(plan) ? plan[0] : plan) ?? null, analyzed: args.analyze ?? false }
        }),
    }),
  ]
}

function statementOf(args: { readonly sql: string; readonly args: readonly unknown[] }) {
  // Arguments came as JSON.
  return { sql: args.sql, args: args.args as readonly Json[] }
}

function listing(name: string, found: readonly JsonObject[]): JsonObject {
  const shown = found.slice(0, LIST_MAX)
  return { [name]: shown, count: found.length, truncated: found.length > shown.length }
}
