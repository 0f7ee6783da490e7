import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { type ChildPool, createChildPool } from "../../../src/adapters/sandbox/child-pool.ts"
import type { CallContext, Connector, ToolResult } from "../../../src/connectors/connector.ts"
import { createSqliteConnector } from "../../../src/connectors/sqlite/connector.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { connect } from "../../../src/storage/sqlite/driver.ts"
import { callContext } from "../call.ts"
import { makePlace, messageIn, type TestPlace, valueIn } from "./place.ts"

// Real children on a shared machine.
const SLOW_MS = 60_000

let children: ChildPool
beforeAll(() => {
  children = createChildPool({ command: [process.execPath, join(import.meta.dir, "child-main.ts")], size: 3, maxWaiting: 100 })
})
afterAll(() => children.close())

let here: TestPlace
let sqlite: Connector
beforeEach(async () => {
  here = makePlace()
  sqlite = createSqliteConnector({
    children,
    dataRootOf: ({ tenantId, projectId }) => join(here.root, tenantId, projectId),
    allowedRoots: [],
    forbiddenRoots: [here.data],
    maxDatabaseMb: 64,
  })
  await write("CREATE TABLE t (id INTEGER PRIMARY KEY, x)")
})
afterEach(() => here.remove())

const context = (change: Partial<CallContext> = {}): CallContext =>
  callContext({ config: { sqlite_default_database_path: "main.db", sqlite_allow_write: true }, ...change })
const call = (tool: string, args: JsonObject, change?: Partial<CallContext>): Promise<ToolResult> =>
  sqlite.call(tool, args, context(change))
const write = async (sql: string, args: readonly (string | number)[] = []) => valueIn(await call("sqlite_execute", { sql, args }))
const count = async () => valueIn(await call("sqlite_query", { sql: "SELECT count(*) AS n FROM t" })).rows

/** Runs for hours. */
const FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

describe("the SQLite connector", () => {
  test(
    "has the documented tools and works through a child",
    async () => {
      expect(sqlite).toMatchObject({ slug: "sqlite", authKind: "none", status: "ga" })
      await write("INSERT INTO t (x) VALUES (?)", ["hello"])
      expect(valueIn(await call("sqlite_query", { sql: "SELECT * FROM t" })).rows).toEqual([{ id: 1, x: "hello" }])
    },
    SLOW_MS,
  )

  test("refuses to write unless the configuration allows it, without asking a child", async () => {
    const config = { sqlite_default_database_path: "main.db" }
    for (const tool of ["sqlite_execute", "sqlite_execute_sql"]) {
      expect(await call(tool, { sql: "DELETE FROM t" }, { config })).toEqual({
        ok: false,
        message: `${tool} writes, and sqlite_allow_write is not switched on in the configuration of this instance`,
        retryable: false,
      })
    }
  })

  test("wants to know which database, which tool, and limits in their range", async () => {
    expect(messageIn(await call("sqlite_list_tables", {}, { config: {} }))).toContain("no database is named")
    expect(messageIn(await call("sqlite_drop_everything", {}))).toContain("no tool")
    expect(messageIn(await call("sqlite_list_tables", {}, { config: { sqlite_max_rows: 0 } }))).toContain("sqlite_max_rows")
    expect(messageIn(await call("sqlite_list_tables", {}, { config: { sqlite_query_timeout_seconds: -1 } }))).toContain(
      "sqlite_query_timeout_seconds",
    )
  })

  test(
    "keeps projects apart",
    async () => {
      const answer = await call(
        "sqlite_list_tables",
        { database_path: "main.db" },
        { scope: { tenantId: "acme", projectId: "p2" } },
      )
      expect(messageIn(answer)).toContain("does not exist")
      const across = await call(
        "sqlite_list_tables",
        { database_path: join(here.root, "acme/p1/main.db") },
        { scope: { tenantId: "acme", projectId: "p2" } },
      )
      expect(messageIn(across)).toContain("outside of the data root")
    },
    SLOW_MS,
  )

  test(
    "stops a long query at its deadline while everything else goes on",
    async () => {
      let ticks = 0
      const timer = setInterval(() => ticks++, 10)
      const started = performance.now()
      const [answer, beside] = await Promise.all([call("sqlite_query", { sql: FOREVER }, { timeoutMs: 700 }), count()])
      const tookMs = performance.now() - started
      clearInterval(timer)
      expect(answer).toEqual({
        ok: false,
        message: "sqlite_query took longer than 0.7 s and was stopped; nothing of it is half done",
        retryable: true,
        timeout: true,
      })
      expect(beside).toEqual([{ n: 0 }])
      expect(tookMs).toBeLessThan(5_000)
      expect(ticks).toBeGreaterThan(20)
      expect(await count()).toEqual([{ n: 0 }])
    },
    SLOW_MS,
  )

  test(
    "the smaller of the step's and the configuration's time counts",
    async () => {
      const config = { sqlite_default_database_path: "main.db", sqlite_query_timeout_seconds: 0.3 }
      expect(messageIn(await call("sqlite_query", { sql: FOREVER }, { config }))).toContain("0.3 s")
    },
    SLOW_MS,
  )

  test(
    "a cancelled call ends at once and frees its child",
    async () => {
      const controller = new AbortController()
      setTimeout(() => controller.abort(), 200)
      const started = performance.now()
      expect(messageIn(await call("sqlite_query", { sql: FOREVER }, { signal: controller.signal }))).toBe(
        "the call was cancelled",
      )
      expect(performance.now() - started).toBeLessThan(5_000)
      expect(await count()).toEqual([{ n: 0 }])
    },
    SLOW_MS,
  )

  test(
    "writers at the same time wait for each other and lose nothing",
    async () => {
      await Promise.all(Array.from({ length: 30 }, (_, i) => write("INSERT INTO t (x) VALUES (?)", [i])))
      expect(await count()).toEqual([{ n: 30 }])
    },
    SLOW_MS,
  )

  test(
    "a child that is killed in the middle of a write leaves a sound database",
    async () => {
      await write(
        "INSERT INTO t (x) SELECT hex(randomblob(500)) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 2000) SELECT i FROM n)",
      )
      const file = join(here.root, "acme/p1/main.db")
      let killed = 0
      for (let round = 0; round < 3; round++) {
        // Bigger than the page cache, so that half of it is in the file already when the child dies.
        const sql = "UPDATE t SET x = hex(randomblob(20000))"
        const answer = call("sqlite_execute", { sql })
        await until(() => Bun.file(`${file}-journal`).size > 0)
        await Bun.sleep(40 * round)
        const doomed = children.pids
        for (const pid of doomed) process.kill(pid, "SIGKILL")
        const result = await answer
        await until(() => !children.pids.some(pid => doomed.includes(pid))) // or the next call goes to one whose end is not known yet
        if (!result.ok) killed++
        if (!result.ok)
          expect(result).toEqual({ ok: false, message: "the SQLite process ended in the middle of the call", retryable: true })
        // The reading tools take the half transaction back.
        const value = valueIn(
          await call("sqlite_query", { sql: "SELECT count(*) AS n, min(length(x)) = max(length(x)) AS same FROM t" }),
        )
        expect(value.rows).toEqual([{ n: 2000, same: 1 }])
        expect(valueIn(await call("sqlite_query", { sql: "PRAGMA integrity_check" })).rows).toEqual([{ integrity_check: "ok" }])
      }
      expect(killed).toBeGreaterThan(0)
    },
    SLOW_MS,
  )

  test(
    "one that another program keeps in WAL mode can be read and written",
    async () => {
      const other = connect(join(here.root, "acme/p1/wal.db"))
      other.pragma("journal_mode = WAL")
      other.exec("CREATE TABLE w (x); INSERT INTO w VALUES (1)")
      const database_path = "wal.db"
      expect(valueIn(await call("sqlite_query", { sql: "SELECT x FROM w", database_path })).rows).toEqual([{ x: 1 }])
      valueIn(await call("sqlite_execute", { sql: "INSERT INTO w VALUES (2)", database_path }))
      expect(other.prepare("SELECT count(*) AS n FROM w").get()).toEqual({ n: 2 })
      expect(valueIn(await call("sqlite_get_database_info", { database_path })).journal_mode).toBe("wal")
      other.close()
    },
    SLOW_MS,
  )

  test(
    "a probe looks at the root and the default database, and makes nothing",
    async () => {
      const probe = (config: JsonObject) => sqlite.probe!(context({ config }))
      expect((await probe({})).ok).toBe(true)
      expect((await probe({ sqlite_default_database_path: "main.db" })).ok).toBe(true)
      expect(messageIn(await probe({ sqlite_default_database_path: "none.db" }))).toContain("does not exist")
      expect(messageIn(await probe({ sqlite_data_root: here.outside }))).toContain("not a folder that the operator allows")
    },
    SLOW_MS,
  )
})

async function until(done: () => boolean): Promise<void> {
  const giveUp = performance.now() + 20_000
  while (!done() && performance.now() < giveUp) await Bun.sleep(2)
}
