import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { type ChildPool, createChildPool } from "../../../src/adapters/sandbox/child-pool.ts"
import type { CallContext, Connector, ToolResult } from "../../../src/connectors/connector.ts"
import { createSqliteConnector } from "../../../src/connectors/sqlite/connector.ts"
import { TIMEOUT_MAX_MS } from "../../../src/connectors/sqlite/limits.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { CHILD_MEMORY_MARGIN_BYTES, SQLITE_CHILD_MEMORY_MAX_BYTES } from "../../../src/kernel/limits.ts"
import { callContext } from "../call.ts"
import { askIn, makePlace, messageIn, type TestPlace, valueIn } from "./place.ts"

// Real children on a shared machine.
const SLOW_MS = 60_000
const MAX_MB = 8
const linuxTest = test.skipIf(process.platform !== "linux")
const FOREVER = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"

let children: ChildPool
beforeAll(() => {
  children = createChildPool({
    command: [process.execPath, join(import.meta.dir, "child-main.ts")],
    size: 1,
    maxWaiting: 100,
    memoryMaxBytes: SQLITE_CHILD_MEMORY_MAX_BYTES,
  })
})
afterAll(() => children.close())

let here: TestPlace
let sqlite: Connector
beforeEach(async () => {
  here = makePlace()
  sqlite = createSqliteConnector({
    children,
    dataRootOf: ({ projectId }) => join(here.root, projectId),
    allowedRoots: [],
    forbiddenRoots: [here.data],
    maxDatabaseMb: MAX_MB,
  })
  for (const projectId of ["greedy", "honest"]) valueIn(await call(projectId, "sqlite_execute", { sql: "CREATE TABLE t (x)" }))
})
afterEach(() => here.remove())

function call(projectId: string, tool: string, args: JsonObject, change: Partial<CallContext> = {}): Promise<ToolResult> {
  const config = { sqlite_default_database_path: "main.db", sqlite_allow_write: true, sqlite_query_timeout_seconds: 86_400 }
  return sqlite.call(tool, args, callContext({ config, scope: { tenantId: "acme", projectId }, ...change }))
}

const blobs = (count: number, bytes: number) =>
  `SELECT ${Array.from({ length: count }, (_, i) => `length(a${i})`).join(" + ")} AS n FROM (SELECT ${Array.from({ length: count }, (_, i) => `randomblob(${bytes}) AS a${i}`).join(", ")} LIMIT 1)`

describe("a query that is after memory", () => {
  linuxTest.each([
    ["six large values in a row", blobs(6, 400_000_000)],
    ["many values below any limit of one", blobs(200, 20_000_000)],
    ["a text of nearly a gigabyte", "SELECT length(hex(zeroblob(450000000))) AS n"],
    [
      "a table in memory",
      "WITH r(a) AS MATERIALIZED (SELECT randomblob(300000000) UNION ALL SELECT randomblob(300000000)) SELECT sum(length(a)) AS n FROM r",
    ],
    [
      "a group that is put together",
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 900) SELECT length(group_concat(hex(randomblob(500000)))) AS n FROM n",
    ],
    ["a value that is returned", "SELECT randomblob(450000000) AS b"],
  ])(
    "through %s does not get more than a child may have, and is told so",
    async (_what, sql) => {
      let peak = 0
      const looking = setInterval(() => {
        for (const pid of children.pids) peak = Math.max(peak, anonymousBytes(pid))
      }, 10)

      const answer = await call("greedy", "sqlite_query", { sql })

      clearInterval(looking)
      if (!answer.ok) expect(answer).toMatchObject({ retryable: false, message: expect.stringMatching(/memory|too big/) })
      expect(peak).toBeLessThan(SQLITE_CHILD_MEMORY_MAX_BYTES + 2 * CHILD_MEMORY_MARGIN_BYTES)
      expect(valueIn(await call("greedy", "sqlite_query", { sql: "SELECT 1 AS n" })).rows).toEqual([{ n: 1 }])
    },
    SLOW_MS,
  )
})

describe("long queries of one project", () => {
  test(
    "keep no other project waiting, whatever time-out its configuration has",
    async () => {
      const stop = new AbortController()
      const long = Array.from({ length: 4 }, () =>
        call("greedy", "sqlite_query", { sql: FOREVER }, { timeoutMs: 86_400_000, signal: stop.signal }),
      )
      await Bun.sleep(300)
      const from = performance.now()
      expect(valueIn(await call("honest", "sqlite_query", { sql: "SELECT 1 AS n" })).rows).toEqual([{ n: 1 }])
      expect(performance.now() - from).toBeLessThan(5_000)
      stop.abort()
      for (const answer of await Promise.all(long)) expect(messageIn(answer)).toBe("the call was cancelled")
    },
    SLOW_MS,
  )

  test("end at the longest time there is", async () => {
    const asked: number[] = []
    const pool = {
      async run(_request: unknown, { deadlineMs }: { deadlineMs: number }) {
        asked.push(deadlineMs)
        return { ok: true, value: {} }
      },
    }
    sqlite = createSqliteConnector({
      ...{ children: pool, dataRootOf: () => here.root, allowedRoots: [], forbiddenRoots: [], maxDatabaseMb: MAX_MB },
    })
    await call("greedy", "sqlite_query", { sql: FOREVER }, { timeoutMs: 86_400_000 })
    expect(asked).toEqual([TIMEOUT_MAX_MS])
  })

  test(
    "do not count toward the time of a call that waits behind them",
    async () => {
      const long = [1, 2].map(() => call("greedy", "sqlite_query", { sql: FOREVER }, { timeoutMs: 1_000 }))
      const waiting = call("greedy", "sqlite_query", { sql: "SELECT 1 AS n" }, { timeoutMs: 500 })
      expect(valueIn(await waiting).rows).toEqual([{ n: 1 }])
      for (const answer of await Promise.all(long)) expect(answer).toMatchObject({ ok: false, timeout: true })
    },
    SLOW_MS,
  )

  test(
    "do keep a probe waiting, but not for ever",
    async () => {
      const stop = new AbortController()
      const long = [1, 2].map(() => call("greedy", "sqlite_query", { sql: FOREVER }, { signal: stop.signal }))
      await Bun.sleep(100)
      const answer = await sqlite.probe!(callContext({ scope: { tenantId: "acme", projectId: "greedy" }, timeoutMs: 300 }))
      expect(answer).toMatchObject({ ok: false, message: "every SQLite process is busy", retryable: true })
      stop.abort()
      await Promise.all(long)
    },
    SLOW_MS,
  )
})

describe("a database that grows", () => {
  const fill = (mb: number) =>
    `INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ${mb}) SELECT zeroblob(1000000) FROM n`

  test(
    "is stopped at the operator's limit, with nothing half done, and can be made smaller",
    async () => {
      valueIn(await call("greedy", "sqlite_execute", { sql: fill(5) }))
      for (const tool of ["sqlite_execute", "sqlite_execute_sql"]) {
        expect(await call("greedy", tool, { sql: fill(60) })).toEqual({
          ok: false,
          message: `the database may not grow beyond ${MAX_MB} MB (the operator's sqlite.max_database_mb); nothing was changed. Delete what is not needed, or use another database`,
          retryable: false,
        })
      }
      expect(statSync(join(here.root, "greedy/main.db")).size).toBeLessThanOrEqual(MAX_MB * 1024 * 1024)
      valueIn(await call("greedy", "sqlite_execute", { sql: "DELETE FROM t" }))
      valueIn(await call("greedy", "sqlite_execute", { sql: fill(5) }))
      expect(valueIn(await call("greedy", "sqlite_query", { sql: "SELECT count(*) AS n FROM t" })).rows).toEqual([{ n: 5 }])
    },
    SLOW_MS,
  )

  test("and is larger than the limit already can still be changed", () => {
    const ask = askIn(here.place)
    valueIn(ask("sqlite_execute_sql", { sql: `CREATE TABLE t (x); ${fill(6)}` }, { maxDatabaseMb: 64 }))
    valueIn(ask("sqlite_execute", { sql: "DELETE FROM t WHERE rowid = 1" }, { maxDatabaseMb: 2 }))
    valueIn(ask("sqlite_execute", { sql: "INSERT INTO t VALUES (zeroblob(500000))" }, { maxDatabaseMb: 2 }))
    expect(messageIn(ask("sqlite_execute", { sql: fill(6) }, { maxDatabaseMb: 2 }))).toContain("may not grow beyond 2 MB")
  })
})

function anonymousBytes(pid: number): number {
  try {
    return Number(/^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024
  } catch {
    return 0 // it was killed
  }
}
