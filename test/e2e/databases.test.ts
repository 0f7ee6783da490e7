import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  configurationsOf,
  type Server as Database,
  lacking,
  PASSWORD,
  startMariadb,
  startPostgres,
  startRedis,
} from "../helpers/servers.ts"
import { type Client, Home, type Server, type Wire } from "./server.ts"

/** What drivers would listen to, if they were let. */
const MISLEADING = {
  ...{ PGHOST: "192.0.2.1", PGPASSWORD: "wrong", PGOPTIONS: "-c search_path=wrong", PGSSLMODE: "require", PGAPPNAME: "wrong" },
  ...{ NODE_PG_FORCE_NATIVE: "1", MYSQL_PWD: "wrong", REDIS_URL: "redis://192.0.2.1", DEBUG: "*" },
}

const missing = [lacking("postgres"), lacking("mariadbd"), lacking("redis")].some(why => why !== null)

describe.skipIf(missing)("the executable alone", () => {
  const home = new Home()
  let databases: readonly Database[] = []
  let server: Server
  let client: Client
  const instances: Record<string, string> = {}

  beforeAll(async () => {
    const [postgres, mariadb, redis] = await Promise.all([startPostgres(), startMariadb(), startRedis()])
    databases = [postgres, mariadb, redis]
    const token = await home.token()
    server = await home.serve(["--egress-allow", "127.0.0.1"], { env: MISLEADING })
    client = server.client(token)
    const configurations = configurationsOf({ postgres: postgres.port, mariadb: mariadb.port, redis: redis.port })
    for (const [server_id, config] of Object.entries(configurations)) {
      instances[server_id] = (await client.ok("POST", "/v1/mcp/instances", { server_id, name: server_id, config })).id
    }
  })
  afterAll(async () => {
    await home.remove()
    await Promise.all(databases.map(database => database.stop()))
  })

  const step = (id: string, slug: string, tool_name: string, tool_args: object, depends_on: readonly string[] = []) => ({
    ...{ id, type: "mcp_call", name: id, instance_id: instances[slug], tool_name, tool_args, depends_on },
  })
  const ran = async (name: string, steps: readonly object[], status = "completed"): Promise<Wire> => {
    const workflow = await client.publish(name, steps)
    const run = await client.start(workflow)
    expect((await client.reaches(workflow, run, "completed", "failed")).status).toBe(status)
    return (await client.context(workflow, run)).steps
  }

  test("speaks to PostgreSQL, MariaDB and Redis", async () => {
    const text = "naïve \u{1F600}"
    const steps = await ran("three databases", [
      step("load", "postgres", "postgres_query", {
        sql: "SELECT $1::text AS text, 9007199254740993::bigint AS big, current_setting('application_name') AS name",
        args: [text],
      }),
      step("health", "postgres", "postgres_health", {}),
      step("keep", "redis", "redis_set", { key: "kept", value: "{{steps.load.result.rows.0.text}}" }, ["load"]),
      step("got", "redis", "redis_get", { key: "kept" }, ["keep"]),
      step("make", "mysql", "mysql_execute_sql", {
        sql: "CREATE TABLE t (a TEXT CHARACTER SET latin1, b DECIMAL(20,10), c TIMESTAMP(3))",
      }),
      step("fill", "mysql", "mysql_execute_sql", { sql: "INSERT INTO t VALUES ('naïve', 0.1, '2024-01-02 03:04:05.6')" }, [
        "make",
      ]),
      step("again", "mysql", "mysql_execute_sql", { sql: "SELECT ? AS v, t.* FROM t", args: ["{{steps.got.result.value}}"] }, [
        ...["got", "fill"],
      ]),
    ])
    expect(steps.load.result.rows).toEqual([{ text, big: "9007199254740993", name: "agentruntime" }])
    // Its certificate is nobody's that is trusted, and nobody asked for that.
    expect(steps.health.result.encryption).toBe("unverified")
    expect(steps.again.result.rows).toEqual([{ v: text, a: "naïve", b: "0.1000000000", c: "2024-01-02T03:04:05.600Z" }])
  })

  test("gives many rows and refuses too many, while it answers others", async () => {
    const steps = await ran("many rows", [
      step("pg", "postgres", "postgres_query", { sql: "SELECT g FROM generate_series(1, 20000) g", limit: 20_000 }),
      step("my", "mysql", "mysql_execute_sql", { sql: "SELECT seq FROM seq_1_to_20000", limit: 20_000 }),
    ])
    expect([steps.pg.result.row_count, steps.my.result.row_count]).toEqual([20_000, 20_000])
  })

  test("says what the servers say, and nothing of it is in its log", async () => {
    const wrong = `SELECT '${PASSWORD}'::int`
    const steps = await ran("wrong", [step("wrong", "postgres", "postgres_query", { sql: wrong })], "failed")
    expect(JSON.stringify(steps)).not.toContain(`integer: \\"${PASSWORD}`)
    // Every line of it is JSON: no driver writes to the console.
    expect(server.complaints).toEqual([])
    expect(server.stderr).not.toContain(PASSWORD)
    expect(server.stderr).not.toContain("ioredis")
  })
})
