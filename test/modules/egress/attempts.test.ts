import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openWorld, type World } from "../../helpers/app.ts"

/** A run that is stopped at once, and its callback, which is refused without a look-up. */
async function callBack(world: World, url: string, person = world.people.contributor, place = world.places.first) {
  const caller = world.as(person, place)
  const graph = { steps: [{ id: "ask", type: "human_task", name: "Ask", task_type: "approval", task_payload: { title: "?" } }] }
  const id = await world.workflow(graph, {}, caller)
  const runId = await world.start(id, { callback_url: url }, caller)
  await world.command(id, "stop", { run_id: runId }, caller)
  for (let i = 0; i < 2_000; i++) {
    const { body } = await world.call(caller, "GET", `/v1/workflows/${id}/runs/${runId}/callbacks`)
    if (body.callbacks?.[0]?.status === "failed") return runId
    await Bun.sleep(5)
  }
  throw new Error("the callback was not tried")
}

describe("in a sealed instance", () => {
  let world: World
  let runId = ""
  beforeAll(async () => {
    world = await openWorld({ flags: { sealed: true, "egress.allow": "10.0.0.0/8,ollama.lan:11434" } })
    await world.app.start()
    runId = await callBack(world, "https://s3cr3t-canary.example.com/hook/s3cr3t-path?token=s3cr3t-query")
    await callBack(world, "http://192.168.1.1/x", world.people.otherTenant, world.places.otherTenant)
  })
  afterAll(() => world.close())
  const attempts = (query = "", caller = world.as(world.people.tenantAdmin)) =>
    world.call(caller, "GET", `/v1/egress/attempts${query}`)

  test("an admin sees what the workspace tried to reach, who asked and why it was refused; another sees its own", async () => {
    const { status, body } = await attempts()
    expect([status, body.total, body.limit, body.offset]).toEqual([200, 1, 20, 0])
    expect(body.attempts[0]).toMatchObject({
      ...{ what: "callback", project_id: world.places.first.project, run_id: runId, user_id: null },
      ...{ protocol: "https", host: "s3cr3t-canary.example.com", port: 443, allowed: false },
      reason: expect.stringContaining("is not on the allow-list, and this instance is sealed"),
    })
    expect(JSON.stringify(body)).not.toMatch(/s3cr3t-(path|query)/)
    const other = await attempts("", world.as(world.people.otherTenant, world.places.otherTenant))
    expect(other.body.attempts.map((a: { host: string }) => a.host)).toEqual(["192.168.1.1"])
  })

  test("the record is narrowed by outcome, host and moment", async () => {
    const counts = [
      "?allowed=false",
      "?allowed=true",
      "?host=s3cr3t-canary.example.com",
      "?host=192.168.1.1",
      "?since=2020-01-01",
      "?since=2999-01-01",
    ]
    const totals = await Promise.all(counts.map(async query => (await attempts(query)).body.total))
    expect(totals).toEqual([1, 0, 1, 0, 1, 0])
    expect((await attempts("?since=yesterday")).status).toBe(400)
    expect((await attempts("?limit=0")).status).toBe(400)
  })

  test("a token sees what its project did", async () => {
    const { tenantAdmin } = world.people
    expect((await attempts("", world.byPat(tenantAdmin))).body.total).toBe(1)
    const elsewhere = await world.patOf(tenantAdmin.userId, world.places.second, ["mcp:read"])
    expect((await attempts("", { pat: elsewhere.token })).body.total).toBe(0)
  })

  test("the policy is shown as the operator wrote it, and the attempts are counted", async () => {
    const { body } = await world.call(world.as(world.people.tenantAdmin), "GET", "/v1/egress/policy")
    expect(body).toEqual({ sealed: true, allow: ["10.0.0.0/8", "ollama.lan:11434"] })
    const { text } = await world.call({}, "GET", "/metrics")
    expect(text).toContain('agentruntime_egress_attempts_total{result="refused"} 2')
  })
})

test("an instance that is not sealed counts its attempts and keeps no record of them", async () => {
  const world = await openWorld()
  await world.app.start()
  await callBack(world, "http://192.168.1.1/x")
  const { body } = await world.call(world.as(world.people.tenantAdmin), "GET", "/v1/egress/attempts")
  expect(body.total).toBe(0)
  expect((await world.call({}, "GET", "/metrics")).text).toContain('agentruntime_egress_attempts_total{result="refused"} 1')
  await world.close()
})

test("what is still to be recorded is written before the end", async () => {
  const rows: unknown[] = []
  const world = await openWorld({
    flags: { sealed: true },
    wrap(db) {
      const close = db.close.bind(db)
      return Object.assign(db, {
        async close() {
          rows.push(...(await db.read.select().from(db.tables.egressAttempts)))
          await close()
        },
      })
    },
  })
  await world.app.start()
  await callBack(world, "http://192.168.1.1/x")
  await world.close()
  expect(rows).toMatchObject([{ host: "192.168.1.1", allowed: false, tenantId: "acme" }])
})
