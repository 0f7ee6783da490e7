import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { existsSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { lacking, PASSWORD, type Server, startMariadb } from "../../helpers/servers.ts"
import { callContext } from "../call.ts"
import { mysqlOn, type Place } from "./place.ts"

setDefaultTimeout(60_000)

describe.skipIf(lacking("mariadbd") !== null)("MariaDB", () => {
  let server: Server
  let my: Place

  beforeAll(async () => {
    server = await startMariadb()
    my = mysqlOn(server)
    await my.run("CREATE TABLE kept (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(40) UNIQUE) CHARACTER SET latin1")
    await my.run("INSERT INTO kept (name) VALUES ('a'), ('b'), ('é')")
    await my.run("CREATE TABLE loose (a INT)")
    await my.run("CREATE FUNCTION wipes() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM kept; RETURN 1; END")
    await my.run("CREATE PROCEDURE two_results() BEGIN SELECT 1 AS a; SELECT 2 AS b; DELETE FROM loose; END")
  })
  afterAll(async () => {
    my?.connector.close?.()
    await server?.stop()
  })
  const kept = async () => (await my.run("SELECT COUNT(*) AS n FROM kept")).rows[0].n

  test.each([
    ["TINYINT(1)", "1", true],
    ["TINYINT(1)", "0", false],
    ["TINYINT(1)", "-2", -2],
    ["TINYINT UNSIGNED", "255", 255],
    ["SMALLINT", "-32768", -32_768],
    ["MEDIUMINT", "-8388608", -8_388_608],
    ["INT UNSIGNED", "4294967295", 4_294_967_295],
    ["BIGINT", "9007199254740991", 9_007_199_254_740_991],
    ["BIGINT", "-9223372036854775808", "-9223372036854775808"],
    ["BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615"],
    [
      "DECIMAL(50,20)",
      "123456789012345678901234567890.12345678901234567890",
      "123456789012345678901234567890.12345678901234567890",
    ],
    ["FLOAT", "0.1", 0.1],
    ["FLOAT", "16777216", 16_777_216],
    ["DOUBLE", "0.30000000000000004", 0.30000000000000004],
    ["BIT(10)", "b'0000000101'", "0000000101"],
    ["BIT(1)", "b'1'", "1"],
    ["DATE", "'2024-02-29'", "2024-02-29"],
    ["DATE", "'0000-00-00'", "0000-00-00"],
    ["DATETIME", "'2024-01-02 03:04:05'", "2024-01-02T03:04:05"],
    ["DATETIME(6)", "'2024-01-02 00:00:00'", "2024-01-02T00:00:00.000000"],
    ["DATETIME", "'0000-00-00 00:00:00'", "0000-00-00T00:00:00"],
    ["TIMESTAMP(3) NULL", "'2024-01-02 03:04:05.678'", "2024-01-02T03:04:05.678Z"],
    ["TIME(2)", "'-838:59:59'", "-838:59:59.00"],
    ["TIME", "'00:00:00'", "00:00:00"],
    ["YEAR", "2024", 2024],
    ["CHAR(5) CHARACTER SET utf8mb4", "'é\u{1F600}'", "é\u{1F600}"],
    ["VARCHAR(20) CHARACTER SET latin1", "'naïve'", "naïve"],
    ["LONGTEXT", "REPEAT('x', 70000)", "x".repeat(70_000)],
    ["ENUM('a','b c')", "'b c'", "b c"],
    ["SET('x','y','z')", "'x,z'", "x,z"],
    ["BLOB", "x'00ff'", { $base64: "AP8=" }],
    ["BINARY(3)", "x'01'", { $base64: "AQAA" }],
    ["JSON", `'{"a":12345678901234567890,"b":[null]}'`, { a: "12345678901234567890", b: [null] }],
    ["UUID", "'6ecd8c99-4036-403d-bf84-cf8400f67836'", "6ecd8c99-4036-403d-bf84-cf8400f67836"],
    ["INET6", "'2001:db8::1'", "2001:db8::1"],
    ["POINT", "POINT(1, 2)", { $base64: "AAAAAAEBAAAAAAAAAAAA8D8AAAAAAAAAQA==" }],
    ["INT", "NULL", null],
  ])("gives %s %s as JSON that loses nothing", async (type, literal, expected) => {
    await my.run("DROP TABLE IF EXISTS typed")
    await my.run(`CREATE TABLE typed (v ${type})`)
    await my.run(`INSERT INTO typed VALUES (${literal})`)
    expect((await my.run("SELECT v FROM typed")).rows).toEqual([{ v: expected }])
  })

  test("binds arguments of every kind", async () => {
    const args = [
      ...[null, 'it\'s \\ \0 "x"', true, 1.5, -7, { $integer: "18446744073709551615" }, { $base64: "AP8=" }],
      ...[[1, "a"], { b: null }, "x".repeat(70_000)],
    ]
    const { rows } = await my.run(`SELECT ${args.map((_, i) => `? AS a${i}`).join(", ")}`, ...args)
    expect(rows).toEqual([
      {
        ...{ a0: null, a1: 'it\'s \\ \0 "x"', a2: 1, a3: 1.5, a4: -7, a5: "18446744073709551615", a6: { $base64: "AP8=" } },
        ...{ a7: '[1,"a"]', a8: '{"b":null}', a9: "x".repeat(70_000) },
      },
    ])
    const wrong = await my.failure("mysql_execute_sql", { sql: "SELECT ?", args: [] })
    expect(wrong.message).toBe("the statement has 1 parameters, and args has 0 values")
    const large = await my.failure("mysql_execute_sql", { sql: "SELECT ?", args: [{ $integer: "18446744073709551616" }] })
    expect(large.message).toContain("not a whole number of 64 bits")
  })

  test("keeps columns of the same name, and one called __proto__", async () => {
    const { columns, rows } = await my.run("SELECT 1 AS a, 2 AS a, 3 AS `__proto__`")
    expect(columns).toEqual(["a", "a_2", "__proto__"])
    expect(JSON.stringify(rows)).toBe('[{"a":1,"a_2":2,"__proto__":3}]')
  })

  test("says what a statement changed", async () => {
    expect(await my.run("INSERT INTO loose VALUES (?), (?)", 1, 2)).toEqual({ rows_affected: 2 })
    expect(await my.run("INSERT INTO kept (name) VALUES ('new')")).toEqual({ rows_affected: 1, last_insert_id: 4 })
    expect(await my.run("DELETE FROM kept WHERE id = 4")).toEqual({ rows_affected: 1 })
    expect(await my.run("INSERT INTO loose VALUES (3), (4) RETURNING a")).toMatchObject({
      rows: [{ a: 3 }, { a: 4 }],
      row_count: 2,
    })
    const duplicate = await my.failure("mysql_execute_sql", { sql: "INSERT INTO kept (name) VALUES ('c'), ('a')" })
    expect(duplicate).toEqual({
      ok: false,
      message: "Duplicate entry 'a' for key 'name' (error 1062, SQLSTATE 23000)",
      retryable: false,
    })
    expect(await kept()).toBe(3)
  })

  test("gives the first rows of a procedure, and does all of it", async () => {
    expect(await my.run("CALL two_results()")).toMatchObject({ rows: [{ a: 1 }] })
    expect((await my.run("SELECT COUNT(*) AS n FROM loose")).rows).toEqual([{ n: 0 }])
  })

  test("stops at the limits of rows and bytes, and changes more rows than it shows", async () => {
    const few = await my.value("mysql_execute_sql", { sql: "SELECT seq FROM seq_1_to_10000000", limit: 3 })
    expect(few).toMatchObject({ row_count: 3, truncated: true, truncated_by: "rows" })
    const wide = await my.value("mysql_execute_sql", { sql: "SELECT REPEAT('x', 100000) AS x FROM seq_1_to_100", limit: 1_000 })
    expect(wide).toMatchObject({ truncated: true, truncated_by: "bytes" })
    expect(JSON.stringify(wide).length).toBeLessThan(1024 * 1024)
    expect(await my.run("INSERT INTO loose SELECT seq FROM seq_1_to_5000")).toEqual({ rows_affected: 5_000 })
    expect(await my.value("mysql_execute_sql", { sql: "DELETE FROM loose RETURNING a", limit: 2 })).toMatchObject({
      row_count: 2,
    })
    expect((await my.run("SELECT COUNT(*) AS n FROM loose")).rows).toEqual([{ n: 0 }])
    const flood = await my.failure("mysql_execute_sql", { sql: "SELECT REPEAT('x', 10000) FROM seq_1_to_10000000 LIMIT 9000000" })
    expect(flood.message).toContain("give it a LIMIT")
  })

  test("takes one statement, which cannot begin a transaction", async () => {
    for (const sql of [
      "SELECT 1; DROP TABLE kept",
      "DELETE FROM loose; DELETE FROM kept",
      "START TRANSACTION",
      "BEGIN",
      "COMMIT AND CHAIN",
    ]) {
      await my.failure("mysql_execute_sql", { sql })
    }
    expect(await kept()).toBe(3)
  })

  test("reads no file of this machine for the server", async () => {
    const failure = await my.failure("mysql_execute_sql", { sql: "LOAD DATA LOCAL INFILE '/etc/passwd' INTO TABLE loose (@x)" })
    expect(failure.retryable).toBe(false)
    expect((await my.run("SELECT COUNT(*) AS n FROM loose")).rows).toEqual([{ n: 0 }])
  })

  test("leaves nothing of one call to the next", async () => {
    await my.run("SET SESSION sql_mode = 'ANSI', time_zone = '+09:00', autocommit = 0")
    await my.run("SET @mine = 1")
    await my.run("SELECT GET_LOCK('held', 0)")
    await my.run("CREATE TEMPORARY TABLE mine (a INT)")
    const { rows } = await my.run("SELECT @mine AS v, @@autocommit AS auto, @@time_zone AS zone, IS_FREE_LOCK('held') AS free")
    expect(rows).toEqual([{ v: null, auto: 1, zone: "+00:00", free: 1 }])
    expect((await my.failure("mysql_execute_sql", { sql: "SELECT * FROM mine" })).message).toContain("error 1146")
  })

  test("lists tables, what they take, and what they lack", async () => {
    const names = ({ tables }: { tables: { name: string }[] }) => tables.map(t => t.name)
    expect(names(await my.value("mysql_list_tables"))).toEqual(expect.arrayContaining(["kept", "loose"]))
    expect(await my.value("mysql_list_tables", { database: "nowhere" })).toEqual({ tables: [], count: 0, truncated: false })
    const missing = names(await my.value("mysql_list_tables_missing_unique_indexes"))
    expect(missing).toContain("loose")
    expect(missing).not.toContain("kept")
    const { tables } = await my.value("mysql_list_table_stats", { table: "kept" })
    expect(tables).toMatchObject([{ database: "test", name: "kept", engine: "InnoDB", column_count: 2, index_count: 2 }])
    const fragmented = await my.value("mysql_list_table_fragmentation")
    expect(fragmented.tables.find((t: { name: string }) => t.name === "kept")).toMatchObject({ fragmentation_percent: "0.00" })
  })

  test("shows the plan of a statement and does nothing of it", async () => {
    const { plan } = await my.value("mysql_get_query_plan", { sql: "SELECT * FROM kept WHERE id = ?", args: [1] })
    expect(plan.query_block.select_id).toBe(1)
    const file = join(tmpdir(), `agentruntime-escaped-${server.port}`)
    const change = { config: my.config({ mysql_user: "root" }) }
    for (const sql of [
      ...["DELETE FROM kept", "UPDATE kept SET name = 'x'", "SELECT wipes()", "SELECT * FROM kept WHERE id = wipes()"],
      ...["SELECT * FROM (SELECT wipes()) AS x", "SELECT 1; DELETE FROM kept", "ANALYZE DELETE FROM kept"],
      ...[`SELECT * FROM kept INTO OUTFILE '${file}'`, `SELECT * FROM (SELECT 1) x INTO DUMPFILE '${file}'`],
    ]) {
      await my.call("mysql_get_query_plan", { sql }, change)
    }
    expect(existsSync(file)).toBe(false)
    expect(await kept()).toBe(3)
  })

  test("shows what runs, and ends it at the limit and at the stop of the run", async () => {
    const running = async () =>
      (await my.value("mysql_list_active_queries")).queries.filter((q: { query: string }) => q.query?.includes("SLEEP(60)"))
    const late = await my.failure("mysql_execute_sql", { sql: "SELECT SLEEP(60)" }, { timeoutMs: 600 })
    expect(late).toMatchObject({ timeout: true, retryable: true })
    const stop = new AbortController()
    const stopped = my.failure("mysql_execute_sql", { sql: "SELECT SLEEP(60)" }, { signal: stop.signal })
    await until(async () => (await running()).length === 1)
    expect((await running())[0]).toMatchObject({ user: "app", database: "test", command: expect.any(String) })
    stop.abort(new Error("stopped"))
    expect((await stopped).message).toBe("the call was cancelled")
    await until(async () => (await running()).length === 0)
  })

  test("checks the certificate against the name where tls:// is asked for, and encrypts anyway where it can", async () => {
    const cipher = async (mysql_host: string) => {
      const change = { config: my.config({ mysql_host }) }
      return (await my.value("mysql_execute_sql", { sql: "SHOW STATUS LIKE 'Ssl_cipher'" }, change)).rows[0].Value
    }
    expect(await cipher("tls://db.example.com")).not.toBe("")
    expect(await cipher("127.0.0.1")).not.toBe("")
    for (const host of ["other.example.com", "127.0.0.1"]) {
      const wrong = await my.failure("mysql_list_tables", {}, { config: my.config({ mysql_host: `tls://${host}` }) })
      expect(wrong.message).toContain(`the certificate of ${host}:${server.port} is not trusted`)
      expect(wrong.retryable).toBe(false)
    }
  })

  test("never opens more connections than its pool has, and reports a full server as one to try again", async () => {
    const counted = async () =>
      (await my.run("SELECT COUNT(*) AS n FROM information_schema.PROCESSLIST WHERE USER = 'app'")).rows[0].n
    await Promise.all(Array.from({ length: 25 }, () => my.run("SELECT SLEEP(0.02)")))
    expect(await counted()).toBeLessThanOrEqual(10)
    const full = await my.failure("mysql_execute_sql", {
      sql: "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock'",
    })
    expect(full).toMatchObject({ retryable: true, message: "Deadlock (error 1213, SQLSTATE 40001)" })
  })

  test("says that the credentials are wrong, and never which", async () => {
    const change = { config: my.config({ mysql_password: "c4nary/pass" }) }
    const failure = await my.failure("mysql_list_tables", {}, change)
    expect(failure.retryable).toBe(false)
    expect(failure.message).toStartWith("Access denied for user 'app'@")
    for (const encoding of ["utf8", "base64", "hex"] as const) {
      const sql = `SELECT * FROM \`${Buffer.from(PASSWORD).toString(encoding)}\``
      expect((await my.failure("mysql_execute_sql", { sql })).message).toContain("***")
    }
    expect(await my.connector.probe?.(callContext({ config: my.config() }))).toEqual({ ok: true, value: {} })
  })

  // The last one: no server is left after it.
  test("says of a server that ends in the middle whether the statement may have been done", async () => {
    const waiting = my.failure("mysql_execute_sql", { sql: "SELECT SLEEP(61)" })
    await until(async () => (await my.value("mysql_list_active_queries")).queries.length === 1)
    await server.kill()
    const failure = await waiting
    expect(failure.retryable).toBe(false)
    expect(failure.message).toContain("may or may not have been done")
    expect(await my.failure("mysql_list_tables")).toEqual({
      ok: false,
      retryable: true,
      message: `127.0.0.1:${server.port} could not be reached: ECONNREFUSED`,
    })
  })
})

async function until(done: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 400; i++) {
    if (await done()) return
    await Bun.sleep(25)
  }
  throw new Error("it did not happen")
}
