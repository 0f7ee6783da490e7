import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { openWorld, type World } from "../../helpers/app.ts"
import {
  configurationsOf,
  lacking,
  PASSWORD,
  type Server,
  startMariadb,
  startPostgres,
  startRedis,
} from "../../helpers/servers.ts"

setDefaultTimeout(120_000)

describe.skipIf([lacking("postgres"), lacking("mariadbd"), lacking("redis")].some(why => why !== null))(
  "a workflow over PostgreSQL, MySQL and Redis",
  () => {
    let servers: readonly Server[] = []
    let world: World

    beforeAll(async () => {
      const [postgres, mariadb, redis] = await Promise.all([startPostgres(), startMariadb(), startRedis()])
      servers = [postgres, mariadb, redis]
      world = await openWorld({ flags: { "egress.allow": "127.0.0.1" } })
      const configurations = configurationsOf({ postgres: postgres.port, mariadb: mariadb.port, redis: redis.port })
      for (const [server_id, config] of Object.entries(configurations)) {
        const caller = world.as(world.people.contributor)
        const made = await world.call(caller, "POST", "/v1/mcp/instances", { server_id, name: server_id, config })
        if (made.status !== 201) throw new Error(made.text)
      }
    })
    afterAll(async () => {
      await world?.close()
      await Promise.all(servers.map(server => server.stop()))
    })

    const step = (id: string, slug: string, tool_name: string, tool_args: object, depends_on: readonly string[] = []) => ({
      ...{ id, type: "mcp_call", name: id, server_url: `https://router.agentruntime.io/${slug}/mcp` },
      ...{ tool_name, tool_args, depends_on },
    })

    test("passes rows from one to the next, and no credential is kept anywhere in plain", async () => {
      const id = await world.workflow({
        steps: [
          step("load", "postgres", "postgres_query", { sql: "SELECT $1::int * 2 AS twice", args: ["{{input.n}}"] }),
          step("keep", "redis", "redis_set", { key: "twice", value: "{{steps.load.result.rows.0.twice}}", ttl_seconds: 60 }, [
            "load",
          ]),
          step("got", "redis", "redis_get", { key: "twice" }, ["keep"]),
          step("again", "mysql", "mysql_execute_sql", { sql: "SELECT ? AS v", args: ["{{steps.got.result.value}}"] }, ["got"]),
        ],
      })
      const run = await world.start(id, { trigger_payload: { n: 21 } })
      await world.until(id, run, "completed")
      const events = await world.call(world.as(world.people.contributor), "GET", `/v1/workflows/${id}/runs/${run}/events`)
      expect(events.text).toContain('"rows":[{"v":"42"}]')
      const failing = await world.workflow({
        steps: [step("fail", "postgres", "postgres_query", { sql: `SELECT '${Buffer.from(PASSWORD).toString("base64")}'::int` })],
      })
      const failed = await world.start(failing)
      await world.until(failing, failed, "failed")

      const kept = [...files(world.deps.directory.path).map(path => readFileSync(path)), Buffer.from(world.logged.join("\n"))]
      const inTheGraph = Buffer.from(PASSWORD).toString("base64")
      for (const spelling of [PASSWORD, encodeURIComponent(PASSWORD), Buffer.from(PASSWORD).toString("hex")]) {
        expect(kept.some(bytes => bytes.includes(spelling))).toBe(false)
      }
      // The graph's own text has it; what the server answered does not.
      expect(kept.some(bytes => bytes.includes(`integer: \\"${inTheGraph}`))).toBe(false)
    })
  },
)

function files(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map(name => join(folder, name))
    .filter(path => statSync(path).isFile())
}
