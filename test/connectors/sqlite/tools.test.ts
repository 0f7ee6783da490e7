import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { connect } from "../../../src/storage/sqlite/driver.ts"
import { type Ask, askIn, makePlace, messageIn, type TestPlace, valueIn } from "./place.ts"

let here: TestPlace
let ask: Ask
beforeEach(() => {
  here = makePlace()
  ask = askIn(here.place)
  valueIn(ask("sqlite_execute_sql", { sql: SHOP }))
})
afterEach(() => here.remove())

const SHOP = `
  CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT UNIQUE, joined TEXT DEFAULT '2024-01-01');
  CREATE TABLE orders (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
    cents INTEGER NOT NULL, euros REAL GENERATED ALWAYS AS (cents / 100.0) VIRTUAL
  ) STRICT;
  CREATE INDEX orders_customer ON orders (customer_id, cents DESC) WHERE cents > 0;
  CREATE VIEW big_orders AS SELECT * FROM orders WHERE cents > 5000;
  CREATE TABLE log (what TEXT);
  -- a trigger's body has semicolons of its own
  CREATE TRIGGER orders_log AFTER INSERT ON orders BEGIN
    INSERT INTO log VALUES ('order ' || CASE WHEN new.cents > 5000 THEN 'big' ELSE 'small' END);
    INSERT INTO log SELECT 'second; statement';
  END;
  INSERT INTO customers (id, name, email) VALUES (1, 'Ada', 'ada@example.com'), (2, 'Bo', 'bo@example.com');
  INSERT INTO orders (customer_id, cents) VALUES (1, 10000), (1, 250), (2, 7500);
`

const query = (sql: string, args: readonly (string | number | boolean | null | JsonObject)[] = [], more: JsonObject = {}) =>
  ask("sqlite_query", { sql, args, ...more })

describe("the reading tools", () => {
  test("sqlite_query gives rows as objects, columns in order, and binds arguments by position", () => {
    const value = valueIn(
      query("SELECT name, cents FROM orders JOIN customers c ON c.id = customer_id WHERE cents >= ? ORDER BY cents", [7500]),
    )
    expect(value).toEqual({
      columns: ["name", "cents"],
      rows: [
        { name: "Bo", cents: 7500 },
        { name: "Ada", cents: 10000 },
      ],
      row_count: 2,
      truncated: false,
    })
  })

  test("arguments may be numbered, and used twice", () => {
    expect(valueIn(query("SELECT $2 AS b, $1 AS a, $2 AS c", ["x", 2])).rows).toEqual([{ b: 2, a: "x", c: 2 }])
    expect(valueIn(query("SELECT ?1 AS a", ["x"])).rows).toEqual([{ a: "x" }])
    expect(messageIn(query("SELECT $1", [1, 2]))).toContain("more arguments")
    expect(messageIn(query("SELECT $1, $2", [1]))).toContain("Missing named parameter")
  })

  test("a second column of the same name keeps its value under another name", () => {
    const value = valueIn(
      query("SELECT c.id, o.id, o.customer_id AS id_2 FROM orders o JOIN customers c ON c.id = o.customer_id WHERE o.id = 3"),
    )
    expect(value.rows).toEqual([{ id: 2, id_2: 3, id_2_2: 2 }])
  })

  test("a column may be called __proto__", () => {
    const [row] = valueIn(query('SELECT 7 AS "__proto__"')).rows as JsonObject[]
    expect(JSON.stringify(row)).toBe('{"__proto__":7}')
  })

  test("rows beyond the limit are cut and said to be", () => {
    const value = valueIn(query("SELECT id FROM orders", [], { limit: 2 }))
    expect(value).toMatchObject({ row_count: 2, truncated: true, truncated_by: "rows" })
    expect(valueIn(ask("sqlite_query", { sql: "SELECT id FROM orders", limit: 50 }, { maxRows: 1 })).row_count).toBe(1)
  })

  test("an answer stays under 1 MiB, cut between rows", () => {
    const value = valueIn(
      query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 500) SELECT i, hex(zeroblob(5000)) AS x FROM n",
      ),
    )
    expect(value).toMatchObject({ truncated: true, truncated_by: "bytes" })
    expect(JSON.stringify(value).length).toBeLessThan(1024 * 1024)
    expect(value.row_count as number).toBeGreaterThan(50)
  })

  test("sqlite_get_database_info counts what is there", () => {
    expect(valueIn(ask("sqlite_get_database_info", {}))).toMatchObject({
      database_path: "shop.db",
      encoding: "UTF-8",
      page_size: 4096,
      table_count: 3,
      view_count: 1,
      index_count: 2,
      trigger_count: 1,
      user_version: 0,
    })
  })

  test("sqlite_list_tables names tables with their SQL, and none of SQLite's own", () => {
    const { tables, count } = valueIn(ask("sqlite_list_tables", {}))
    expect(count).toBe(3)
    expect((tables as JsonObject[]).map(t => [t.name, t.type, t.strict])).toEqual([
      ["customers", "table", false],
      ["log", "table", false],
      ["orders", "table", true],
    ])
    expect(String((tables as JsonObject[])[1]?.sql)).toBe("CREATE TABLE log (what TEXT)")
  })

  test("sqlite_list_views names views", () => {
    expect(valueIn(ask("sqlite_list_views", {})).views).toEqual([
      { name: "big_orders", sql: "CREATE VIEW big_orders AS SELECT * FROM orders WHERE cents > 5000" },
    ])
  })

  test("sqlite_list_indexes names indexes of the database or of one table", () => {
    const all = valueIn(ask("sqlite_list_indexes", {})).indexes as JsonObject[]
    expect(all.map(i => i.table)).toEqual(["customers", "orders"])
    expect(valueIn(ask("sqlite_list_indexes", { table: "orders" })).indexes).toEqual([
      {
        name: "orders_customer",
        table: "orders",
        unique: false,
        origin: "c",
        partial: true,
        columns: ["customer_id", "cents"],
        sql: "CREATE INDEX orders_customer ON orders (customer_id, cents DESC) WHERE cents > 0",
      },
    ])
  })

  test("sqlite_describe_table tells columns, keys and references", () => {
    const value = valueIn(ask("sqlite_describe_table", { table: "ORDERS" }))
    expect(value).toMatchObject({ table: "orders", type: "table", primary_key: ["id"] })
    expect(value.columns).toContainEqual({
      name: "euros",
      type: "REAL",
      not_null: false,
      default: null,
      primary_key: false,
      generated: true,
    })
    expect(value.foreign_keys).toEqual([
      {
        id: 0,
        column: "customer_id",
        references_table: "customers",
        references_column: "id",
        on_update: "NO ACTION",
        on_delete: "CASCADE",
      },
    ])
    expect(valueIn(ask("sqlite_describe_table", { table: "big_orders" })).type).toBe("view")
  })

  test("sqlite_get_table_schema gives the SQL of a table, its indexes and triggers", () => {
    const value = valueIn(ask("sqlite_get_table_schema", { table: "orders" }))
    expect(String(value.sql)).toStartWith("CREATE TABLE orders (")
    expect((value.indexes as JsonObject[]).map(i => i.name)).toEqual(["orders_customer"])
    expect((value.triggers as JsonObject[]).map(t => t.name)).toEqual(["orders_log"])
  })

  test("sqlite_sample_table_rows gives the first rows, whatever the table is called", () => {
    valueIn(
      ask("sqlite_execute_sql", {
        sql: 'CREATE TABLE "odd ""name; DROP TABLE log" (x); INSERT INTO "odd ""name; DROP TABLE log" VALUES (1), (2)',
      }),
    )
    const value = valueIn(ask("sqlite_sample_table_rows", { table: 'odd "name; DROP TABLE log', limit: 1 }))
    expect(value).toMatchObject({ rows: [{ x: 1 }], truncated: true })
    expect(messageIn(ask("sqlite_sample_table_rows", { table: "nowhere" }))).toBe("no such table: nowhere")
  })

  test("a query can explain, ask PRAGMAs and use window functions, CTEs and comments", () => {
    for (const sql of [
      "EXPLAIN QUERY PLAN SELECT * FROM orders WHERE customer_id = 1 AND cents > 0",
      "PRAGMA table_info(orders)",
      "PRAGMA main.foreign_key_list('orders')",
      "PRAGMA user_version;",
      "/* first */ WITH x AS (SELECT 1 AS a) SELECT a FROM x -- last",
      "SELECT sum(cents) OVER (PARTITION BY customer_id ORDER BY id) AS s FROM orders",
      "VALUES (1, 2)",
      "SELECT 'ATTACH; VACUUM -- no' AS \"pragma\", [id] AS `attach` FROM orders",
      "SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]')",
    ]) {
      expect([sql, ask("sqlite_query", { sql }).ok]).toEqual([sql, true])
    }
  })

  test("what SQLite says about a mistake reaches the caller", () => {
    expect(messageIn(query("SELECT * FROM nowhere"))).toBe("no such table: nowhere")
    expect(messageIn(query("SELEC 1"))).toContain('cannot start with "selec"')
    expect(messageIn(query("SELECT 1 FROM orders WHERE"))).toBe("incomplete input")
    expect(messageIn(query("SELECT ?, ?", [1]))).toContain("Too few parameter values")
    expect(messageIn(query("SELECT 1", [1]))).toContain("Too many parameter values")
    expect(messageIn(query(""))).toContain("no statement")
  })

  test("a database that is not there is named, and reading does not make it", () => {
    const answer = ask("sqlite_list_tables", {}, { path: "sub/none.db" })
    const message = 'the database "sub/none.db" does not exist in the data root; the first sqlite_execute makes it'
    expect(answer).toEqual({ ok: false, message, retryable: false })
    expect(Bun.file(join(here.root, "sub/none.db")).size).toBe(0)
  })

  test("a file that is no database is said to be none", () => {
    writeFileSync(join(here.root, "notes.txt"), "just some text, longer than a header of a database would be".repeat(20))
    expect(messageIn(ask("sqlite_list_tables", {}, { path: "notes.txt" }))).toBe("file is not a database")
  })

  test("a database that was replaced is read anew", () => {
    expect(valueIn(query("SELECT count(*) AS n FROM orders")).rows).toEqual([{ n: 3 }])
    const other = connect(join(here.root, "new.db"))
    other.exec("CREATE TABLE orders (id); INSERT INTO orders VALUES (1)")
    other.close()
    require("node:fs").renameSync(join(here.root, "new.db"), join(here.root, "shop.db"))
    expect(valueIn(query("SELECT count(*) AS n FROM orders")).rows).toEqual([{ n: 1 }])
  })
})

describe("the writing tools", () => {
  test("sqlite_execute runs one statement and counts what it changed", () => {
    expect(valueIn(ask("sqlite_execute", { sql: "INSERT INTO customers (name) VALUES (?)", args: ["Cy"] }))).toEqual({
      changes: 1,
      last_insert_rowid: 3,
    })
    expect(valueIn(ask("sqlite_execute", { sql: "DELETE FROM customers WHERE id > ?", args: [2] })).changes).toBe(1)
    expect(valueIn(ask("sqlite_execute", { sql: "CREATE TABLE more (x)" })).changes).toBe(0)
  })

  test("rows of RETURNING are part of the answer, and cutting them loses no change", () => {
    const value = valueIn(
      ask("sqlite_execute", { sql: "UPDATE orders SET cents = cents + 1 RETURNING id, cents" }, { maxRows: 1 }),
    )
    expect(value).toMatchObject({ changes: 3, rows: [{ id: 1, cents: 10001 }], truncated: true })
    expect(valueIn(query("SELECT sum(cents) AS s FROM orders")).rows).toEqual([{ s: 17753 }])
  })

  test("a script is all or nothing, and its failure names the statement", () => {
    const answer = ask("sqlite_execute_sql", {
      sql: "INSERT INTO log VALUES ('kept?'); INSERT INTO customers (id, name) VALUES (1, 'twice');",
    })
    expect(messageIn(answer)).toBe("statement 2: UNIQUE constraint failed: customers.id; nothing was changed")
    expect(valueIn(query("SELECT count(*) AS n FROM log WHERE what = 'kept?'")).rows).toEqual([{ n: 0 }])
    expect(
      valueIn(ask("sqlite_execute_sql", { sql: "INSERT INTO log VALUES ('a'), ('b'); DELETE FROM log WHERE what = 'a';" })),
    ).toMatchObject({
      statement_count: 2,
      changes: 3,
    })
  })

  test("the trigger of the script fired", () => {
    expect(valueIn(query("SELECT count(*) AS n FROM log")).rows).toEqual([{ n: 6 }])
  })

  test("foreign keys hold", () => {
    expect(messageIn(ask("sqlite_execute", { sql: "INSERT INTO orders (customer_id, cents) VALUES (99, 1)" }))).toBe(
      "FOREIGN KEY constraint failed",
    )
  })

  test("a write makes the database and the folders to it", () => {
    valueIn(ask("sqlite_execute", { sql: "CREATE TABLE t (x)" }, { path: "deep/er/made.db" }))
    expect(valueIn(ask("sqlite_list_tables", {}, { path: "deep/er/made.db" })).count).toBe(1)
  })

  test("nothing is written where writing is off", () => {
    const off = { allowWrite: false }
    expect(messageIn(ask("sqlite_execute", { sql: "DELETE FROM log" }, off))).toBe("writing is switched off")
    expect(messageIn(ask("sqlite_execute_sql", { sql: "DELETE FROM log" }, { ...off, path: "new.db" }))).toBe(
      "writing is switched off",
    )
    expect(Bun.file(join(here.root, "new.db")).size).toBe(0)
  })

  test("a temporary trigger of one call is gone in the next", () => {
    valueIn(
      ask("sqlite_execute", {
        sql: "CREATE TEMP TRIGGER spy AFTER INSERT ON customers BEGIN INSERT INTO log VALUES ('spied'); END",
      }),
    )
    valueIn(ask("sqlite_execute", { sql: "INSERT INTO customers (name) VALUES ('Di')" }))
    expect(valueIn(query("SELECT count(*) AS n FROM log WHERE what = 'spied'")).rows).toEqual([{ n: 0 }])
  })

  test("a lock held by somebody else is SQLite's own message, and worth another try", () => {
    const other = connect(join(here.root, "shop.db"))
    other.exec("BEGIN IMMEDIATE")
    expect(ask("sqlite_execute", { sql: "DELETE FROM log" }, { lockMs: 50 })).toEqual({
      ok: false,
      message: "database is locked",
      retryable: true,
    })
    other.close()
  })
})

describe("values", () => {
  const roundTrip = (value: string | number | boolean | null | JsonObject) =>
    (valueIn(query("SELECT ? AS v, typeof(?) AS t", [value, value])).rows as JsonObject[])[0]

  test("numbers, text, null, booleans and blobs come back as they went in", () => {
    expect(roundTrip(3_000_000_000)).toEqual({ v: 3_000_000_000, t: "integer" })
    expect(roundTrip(-1)).toEqual({ v: -1, t: "integer" })
    expect(roundTrip(1.5)).toEqual({ v: 1.5, t: "real" })
    expect(roundTrip(null)).toEqual({ v: null, t: "null" })
    expect(roundTrip(true)).toEqual({ v: 1, t: "integer" })
    expect(roundTrip("héllo \u{1F30D} '; --")).toEqual({ v: "héllo \u{1F30D} '; --", t: "text" })
    expect(roundTrip({ $base64: "AP/+gA==" })).toEqual({ v: { $base64: "AP/+gA==" }, t: "blob" })
    expect(roundTrip("2024-02-29T23:59:59.123Z")).toEqual({ v: "2024-02-29T23:59:59.123Z", t: "text" })
  })

  test("integers beyond 2^53 are exact, as decimal strings", () => {
    for (const big of ["9223372036854775807", "-9223372036854775808", "9007199254740993"]) {
      expect(roundTrip({ $integer: big })).toEqual({ v: big, t: "integer" })
      // A column that is an INTEGER takes the decimal string as well.
      valueIn(ask("sqlite_execute", { sql: "INSERT INTO customers (id, name) VALUES (?, 'big')", args: [big] }))
      expect(valueIn(query("SELECT typeof(id) AS t FROM customers WHERE id = ?", [big])).rows).toEqual([{ t: "integer" }])
    }
    expect(roundTrip({ $integer: "9007199254740991" })).toEqual({ v: 9007199254740991, t: "integer" })
    expect(valueIn(query("SELECT 9e999 AS inf, -9e999 AS ninf")).rows).toEqual([{ inf: "Infinity", ninf: "-Infinity" }])
  })

  test("what SQLite has no form for is refused by its position", () => {
    expect(messageIn(query("SELECT ?", [{ a: 1 }]))).toContain("argument 1 is an object")
    expect(messageIn(query("SELECT ?, ?", [1, { $base64: "*" }]))).toContain("argument 2: $base64")
    expect(messageIn(query("SELECT ?", [{ $integer: "9223372036854775808" }]))).toContain("64 bits")
  })
})
