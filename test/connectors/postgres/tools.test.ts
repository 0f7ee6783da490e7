import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { lacking, type Server, startPostgres } from "../../helpers/servers.ts"
import { type Place, postgresOn } from "./place.ts"

setDefaultTimeout(60_000)

describe.skipIf(lacking("postgres") !== null)("PostgreSQL", () => {
  let server: Server
  let pg: Place

  beforeAll(async () => {
    server = await startPostgres()
    pg = postgresOn(server)
    for (const sql of [
      "CREATE SCHEMA shop",
      "CREATE TYPE mood AS ENUM ('sad', 'very happy')",
      "CREATE DOMAIN positive AS bigint CHECK (value > 0)",
      `CREATE TABLE shop.customer (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL DEFAULT 'no "name"',
        mail varchar(80) UNIQUE, loud text GENERATED ALWAYS AS (upper(name)) STORED, CHECK (length(name) < 100))`,
      `CREATE TABLE shop."Order" (id int PRIMARY KEY, customer bigint REFERENCES shop.customer (id) ON DELETE CASCADE, at timestamptz)`,
      `CREATE INDEX recent ON shop."Order" (at DESC) WHERE at IS NOT NULL`,
      "CREATE VIEW shop.names AS SELECT name FROM shop.customer",
      "COMMENT ON TABLE shop.customer IS 'who''s buying'",
      "COMMENT ON COLUMN shop.customer.mail IS 'verified'",
    ]) {
      await pg.value("postgres_exec", { sql })
    }
  })
  afterAll(async () => {
    pg?.connector.close?.()
    await server?.stop()
  })

  test("says how it is", async () => {
    const health = await pg.value("postgres_health")
    expect(health).toMatchObject({ ok: true, database: "postgres", user: "postgres", superuser: true, in_recovery: false })
    expect(health.version).toStartWith("PostgreSQL ")
    expect(await pg.connector.probe?.({ ...contextOf(pg) })).toEqual({ ok: true, value: {} })
  })

  test("gives rows for a query with arguments of every kind", async () => {
    const { rows, columns, truncated } = await pg.value("postgres_query", {
      sql: `SELECT $1::int AS i, $2::text AS t, $3::boolean AS b, $4::numeric AS n, $5::bigint AS big, $6::bytea AS bytes,
        $7::int[] AS list, $8::jsonb AS doc, $9::text AS nothing, $10::text[] AS texts, $11::jsonb AS docs, $12::uuid AS id`,
      args: [
        ...[7, 'it\'s \\ "x"', true, "123456789012345678901234567890.5", { $integer: "9007199254740993" }, { $base64: "AP8=" }],
        ...[[1, null, 3], { a: [1, { b: null }] }, null, ["a,b", '"', "\\", "NULL", null, ""], [1, "x"]],
        "00000000-0000-4000-8000-000000000000",
      ],
    })
    expect(truncated).toBe(false)
    expect(columns).toHaveLength(12)
    expect(rows).toEqual([
      {
        ...{ i: 7, t: 'it\'s \\ "x"', b: true, n: "123456789012345678901234567890.5", big: "9007199254740993" },
        ...{ bytes: { $base64: "AP8=" }, list: [1, null, 3], doc: { a: [1, { b: null }] }, nothing: null },
        ...{ texts: ["a,b", '"', "\\", "NULL", null, ""], docs: [1, "x"], id: "00000000-0000-4000-8000-000000000000" },
      },
    ])
  })

  test.each([
    ["true", true],
    ["32767::int2", 32_767],
    ["(-2147483648)::int4", -2_147_483_648],
    ["9007199254740991::int8", 9_007_199_254_740_991],
    ["9007199254740992::int8", "9007199254740992"],
    ["(-9223372036854775808)::int8", "-9223372036854775808"],
    ["1.10::numeric", "1.10"],
    ["'NaN'::numeric", "NaN"],
    ["0.1::float8 + 0.2::float8", 0.1 + 0.2],
    ["1e-7::float4", 1e-7],
    ["'NaN'::float8", "NaN"],
    ["'-Infinity'::float4", "-Infinity"],
    ["'12.50'::money", "$12.50"],
    ["'é\u{1F600}'::text", "é\u{1F600}"],
    ["'ab'::char(4)", "ab  "],
    ["''::bytea", { $base64: "" }],
    ["'\\x00ff'::bytea", { $base64: "AP8=" }],
    ["date '2024-02-29'", "2024-02-29"],
    ["'infinity'::date", "infinity"],
    ["'0044-03-15 BC'::date", "0044-03-15 BC"],
    ["timestamp '2024-01-02 03:04:05.123456'", "2024-01-02T03:04:05.123456"],
    ["timestamptz '2024-01-02 03:04:05.5+05:30'", "2024-01-01T21:34:05.5Z"],
    ["'-infinity'::timestamptz", "-infinity"],
    ["timestamp '10000-01-01'", "10000-01-01T00:00:00"],
    ["time '23:59:59.999999'", "23:59:59.999999"],
    ["timetz '10:00+02'", "10:00:00+02"],
    ["interval '1 year -2 days 3 hours 0.5 seconds'", "P1Y-2DT3H0.5S"],
    ["'6ecd8c99-4036-403d-bf84-cf8400f67836'::uuid", "6ecd8c99-4036-403d-bf84-cf8400f67836"],
    [
      '\'{"a":1.10,"b":12345678901234567890,"c":1e400,"d":[null]}\'::json',
      { a: 1.1, b: "12345678901234567890", c: "1e400", d: [null] },
    ],
    ["'null'::jsonb", null],
    ["B'0101'", "0101"],
    ["'very happy'::mood", "very happy"],
    ["array['sad','very happy',null]::mood[]", ["sad", "very happy", null]],
    ["array[7]::positive[]", [7]],
    [
      "array[[1,2],[3,4]]",
      [
        [1, 2],
        [3, 4],
      ],
    ],
    ["'{}'::int[]", []],
    ["'[0:1]={1,2}'::int[]", "[0:1]={1,2}"],
    ["array[9007199254740993]", ["9007199254740993"]],
    ["array[timestamptz '2024-01-01 00:00Z']", ["2024-01-01T00:00:00Z"]],
    ["array['\\x01'::bytea]", [{ $base64: "AQ==" }]],
    ['array[\'{"a":"}"}\'::jsonb]', [{ a: "}" }]],
    ["int4range(1, 5)", "[1,5)"],
    ["tstzrange('2024-01-01 00:00Z', null)", '["2024-01-01 00:00:00+00",)'],
    ["point(1, 2)", "(1,2)"],
    ["inet '10.0.0.1/8'", "10.0.0.1/8"],
    ["row(1, 'a b')", '(1,"a b")'],
    ["null::int", null],
    ["pg_sleep(0)", null],
  ])("gives %s as JSON that loses nothing", async (sql, expected) => {
    const { rows } = await pg.value("postgres_query", { sql: `SELECT ${sql} AS v` })
    expect(rows).toEqual([{ v: expected }])
  })

  test("keeps columns of the same name, and one called __proto__", async () => {
    const { columns, rows } = await pg.value("postgres_query", { sql: 'SELECT 1 AS a, 2 AS a, 3 AS "__proto__"' })
    expect(columns).toEqual(["a", "a_2", "__proto__"])
    expect(JSON.stringify(rows)).toBe('[{"a":1,"a_2":2,"__proto__":3}]')
  })

  test("says what a statement changed, with the rows of RETURNING", async () => {
    const made = await pg.value("postgres_exec", {
      sql: "INSERT INTO shop.customer (name, mail) SELECT 'n' || g, g || '@example.com' FROM generate_series(1, 5) g RETURNING id, loud",
      limit: 2,
    })
    expect(made).toMatchObject({ command: "INSERT", rows_affected: 5, row_count: 2, truncated: true, truncated_by: "rows" })
    expect(made.rows[0]).toEqual({ id: 1, loud: "N1" })
    const changed = await pg.value("postgres_exec", { sql: "UPDATE shop.customer SET name = 'x' WHERE id <= $1", args: ["3"] })
    expect(changed).toEqual({ command: "UPDATE", rows_affected: 3 })
    expect(await pg.value("postgres_query", { sql: "SELECT count(*) FROM shop.customer" })).toMatchObject({
      rows: [{ count: 5 }],
    })
  })

  test("runs what cannot be in a transaction outside of one", async () => {
    expect(await pg.value("postgres_exec", { sql: "VACUUM shop.customer" })).toEqual({ command: "VACUUM", rows_affected: 0 })
    await pg.value("postgres_exec", { sql: "CREATE INDEX CONCURRENTLY by_name ON shop.customer (name)" })
  })

  test("undoes all of a statement that fails, and says what the server said", async () => {
    const sql = "INSERT INTO shop.customer (name, mail) VALUES ('a', 'new@example.com'), ('b', '4@example.com')"
    const failure = await pg.failure("postgres_exec", { sql })
    expect(failure).toEqual({
      ok: false,
      message:
        'duplicate key value violates unique constraint "customer_mail_key" (SQLSTATE 23505): Key (mail)=(4@example.com) already exists.',
      retryable: false,
    })
    const { rows } = await pg.value("postgres_query", { sql: "SELECT 1 FROM shop.customer WHERE mail = 'new@example.com'" })
    expect(rows).toEqual([])
  })

  test("lists schemas, tables and indexes", async () => {
    const schemas = await pg.value("postgres_list_schemas")
    expect(schemas.schemas).toContainEqual({ name: "shop", owner: "postgres", table_count: 2 })
    const { tables } = await pg.value("postgres_list_tables", { schema: "shop" })
    expect(tables.map((t: { name: string; type: string }) => `${t.name}: ${t.type}`)).toEqual([
      ...["Order: table", "customer: table", "names: view"],
    ])
    const { indexes } = await pg.value("postgres_list_indexes", { schema: "shop", table: "Order" })
    expect(indexes).toMatchObject([
      { name: "Order_pkey", unique: true, primary: true },
      { name: "recent", unique: false, method: "btree", predicate: "(at IS NOT NULL)" },
    ])
  })

  test("describes a table", async () => {
    const described = await pg.value("postgres_describe_table", { schema: "shop", table: "Order" })
    expect(described).toMatchObject({ schema: "shop", table: "Order", type: "table", primary_key: ["id"] })
    expect(described.columns[2]).toMatchObject({ name: "at", type: "timestamp with time zone", not_null: false, default: null })
    expect(described.foreign_keys).toMatchObject([
      { columns: ["customer"], references_table: "shop.customer", references_columns: ["id"] },
    ])
    const missing = await pg.failure("postgres_describe_table", { table: "nothing" })
    expect(missing.message).toBe("there is no table or view nothing that this user can see")
  })

  test("gives DDL that makes the same table again", async () => {
    const { ddl } = await pg.value("postgres_get_table_ddl", { schema: "shop", table: "customer" })
    await pg.value("postgres_exec", { sql: "CREATE SCHEMA copy" })
    for (const sql of ddl.replaceAll("shop.", "copy.").split(/;\n|;$/)) {
      if (sql.trim() !== "") await pg.value("postgres_exec", { sql })
    }
    const again = await pg.value("postgres_get_table_ddl", { schema: "copy", table: "customer" })
    expect(again.ddl.replaceAll("copy.", "shop.")).toBe(ddl)
    expect(ddl).toContain("COMMENT ON TABLE shop.customer IS 'who''s buying';")
    const view = await pg.value("postgres_get_table_ddl", { schema: "shop", table: "names" })
    expect(view.ddl).toContain("CREATE VIEW shop.names AS")
  })

  test("explains a statement without running it, and runs only what reads", async () => {
    const { plan } = await pg.value("postgres_explain_query", { sql: "DELETE FROM shop.customer" })
    expect(plan.Plan["Node Type"]).toBe("ModifyTable")
    const analyzed = await pg.value("postgres_explain_query", { sql: "SELECT $1::int", args: [1], analyze: true })
    expect(analyzed.plan["Execution Time"]).toBeNumber()
    const failure = await pg.failure("postgres_explain_query", { sql: "DELETE FROM shop.customer", analyze: true })
    expect(failure.message).toContain("read-only transaction")
  })

  test("stops at the limits of rows and bytes", async () => {
    const few = await pg.value("postgres_query", { sql: "SELECT g FROM generate_series(1, 1000000) g", limit: 3 })
    expect(few).toMatchObject({ row_count: 3, truncated: true, truncated_by: "rows" })
    const exact = await pg.value("postgres_query", { sql: "SELECT g FROM generate_series(1, 3) g", limit: 3 })
    expect(exact).toMatchObject({ row_count: 3, truncated: false })
    const before = process.memoryUsage().rss
    const wide = await pg.value("postgres_query", {
      sql: "SELECT repeat('x', 100000) AS x FROM generate_series(1, 2000) g CROSS JOIN generate_series(1, 1) h",
      limit: 100_000,
    })
    expect(wide).toMatchObject({ truncated: true, truncated_by: "bytes" })
    expect(JSON.stringify(wide).length).toBeLessThan(1024 * 1024)
    expect(process.memoryUsage().rss - before).toBeLessThan(150 * 1024 * 1024)
    const huge = await pg.failure("postgres_query", { sql: "SELECT repeat('x', 20000000)" })
    expect(huge.message).toContain("more than the 16777216 that are taken")
  })

  test("says which argument is wrong", async () => {
    expect((await pg.failure("postgres_query", { sql: "SELECT $1::int", args: [] })).message).toContain(
      "1 parameters, and args has 0",
    )
    expect((await pg.failure("postgres_query", { sql: "SELECT $1::text", args: ["a\0b"] })).message).toContain(
      "argument 1 holds a NUL",
    )
    expect((await pg.failure("postgres_query", { sql: "SELECT 1\0; DROP" })).message).toContain("NUL")
    expect((await pg.failure("postgres_query", { sql: "SELECT $1::int", args: ["x"] })).message).toContain("SQLSTATE 22P02")
    expect((await pg.failure("postgres_query", { sql: "SELECT $1::bytea", args: [{ $base64: "!" }] })).message).toContain(
      "base64",
    )
  })
})

function contextOf(pg: Place) {
  return {
    config: { postgres_dsn: pg.dsn() },
    scope: { tenantId: "acme", projectId: "p1" },
    signal: new AbortController().signal,
    timeoutMs: 10_000,
    idempotencyKey: "k",
    asker: { what: "test", tenantId: null, projectId: null, userId: null, runId: null, stepId: null },
  }
}
