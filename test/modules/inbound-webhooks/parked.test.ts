import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { LUA_GRAPH, openWorld, type World } from "../../helpers/app.ts"
import { type Address, address, deliver } from "./sender.ts"

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

const call = (method: string, path: string, body?: unknown) => world.call(world.as(world.people.contributor), method, path, body)
const publish = (id: string) => call("POST", `/v1/workflows/${id}/versions`, {})
const redeliver = (to: Address, deliveryId: string) =>
  call("POST", `/v1/inbound-webhooks/${to.id}/deliveries/${deliveryId}/redeliver`)
const one = async (to: Address, deliveryId: string) =>
  (await call("GET", `/v1/inbound-webhooks/${to.id}/deliveries/${deliveryId}`)).body
const runs = async (id: string) => (await call("GET", `/v1/workflows/${id}/runs?limit=100`)).body.total

describe("a delivery whose run cannot start", () => {
  test("is parked with its reason, and starts one run when it is redelivered after that was mended", async () => {
    const id = await world.workflow(LUA_GRAPH, { publish: false })
    const to = await address(world, id)

    const answer = await deliver(world, to, { n: 5 })
    expect([answer.status, answer.body.status, answer.body.run_id]).toEqual([202, "parked", null])
    expect(answer.body.code).toBe("WORKFLOW_NOT_PUBLISHED")
    expect(await one(to, answer.body.delivery_id)).toMatchObject({
      status: "parked",
      code: "WORKFLOW_NOT_PUBLISHED",
      run_id: null,
    })

    const refused = await redeliver(to, answer.body.delivery_id)
    expect([refused.status, refused.body.code]).toEqual([409, "WORKFLOW_NOT_PUBLISHED"])

    await publish(id)
    const [a, b] = await Promise.all([redeliver(to, answer.body.delivery_id), redeliver(to, answer.body.delivery_id)])
    expect([a.status, b.status]).toEqual([200, 200])
    expect(a.body.run_id).toBe(b.body.run_id)
    expect(await one(to, answer.body.delivery_id)).toMatchObject({ status: "accepted", code: null, run_id: a.body.run_id })
    expect(await runs(id)).toBe(1)
    await world.until(id, a.body.run_id, "completed")
  })

  test("is parked when its workflow was archived, its input refused, or its tools are beyond the token", async () => {
    const archived = await world.workflow()
    const toArchived = await address(world, archived)
    await call("DELETE", `/v1/workflows/${archived}`)
    const excluding = await world.workflow()
    const toExcluding = await address(world, excluding, { extras: { excluded_step_ids: ["nope"] } })

    expect((await deliver(world, toArchived, {})).body).toMatchObject({ status: "parked", code: "WORKFLOW_ARCHIVED" })
    expect((await deliver(world, toExcluding, {})).body).toMatchObject({ status: "parked", code: "UNKNOWN_STEP" })
  })

  test("is tried again when its sender repeats it, and still starts one run", async () => {
    const id = await world.workflow(LUA_GRAPH, { publish: false })
    const to = await address(world, id)
    const send = () => deliver(world, to, { n: 1 }, { "idempotency-key": "k" })
    const first = await send()
    expect((await send()).body).toMatchObject({ status: "parked", duplicate: true, delivery_id: first.body.delivery_id })
    await publish(id)
    const started = await send()
    expect([started.status, started.body.status]).toEqual([200, "accepted"])
    expect((await send()).body.run_id).toBe(started.body.run_id)
    expect(await runs(id)).toBe(1)
  })

  test("is listed, and all of them start with one request, oldest first", async () => {
    const id = await world.workflow(LUA_GRAPH, { publish: false })
    const to = await address(world, id)
    for (let n = 0; n < 5; n++) await deliver(world, to, { n })
    expect((await call("GET", `/v1/inbound-webhooks/${to.id}/deliveries?status=parked`)).body.total).toBe(5)
    expect((await call("POST", `/v1/inbound-webhooks/${to.id}/redeliver`)).body).toEqual({
      started: 0,
      still_parked: 5,
      left: false,
    })
    await publish(id)
    expect((await call("POST", `/v1/inbound-webhooks/${to.id}/redeliver`)).body).toEqual({
      started: 5,
      still_parked: 0,
      left: false,
    })
    expect((await call("GET", `/v1/inbound-webhooks/${to.id}/deliveries?status=parked`)).body.total).toBe(0)
    expect(await runs(id)).toBe(5)
  })
})

test("a delivery that had its run can be redelivered: another run, and a row that names the first", async () => {
  const id = await world.workflow()
  const to = await address(world, id)
  const first = await deliver(world, to, { n: 3 }, { "idempotency-key": "k" })

  const again = await redeliver(to, first.body.delivery_id)

  expect(again.body.run_id).not.toBe(first.body.run_id)
  const shown = await one(to, again.body.delivery_id)
  expect(shown).toMatchObject({ redelivery_of: first.body.delivery_id, redelivered_by: world.people.contributor.userId })
  expect(shown.body).toEqual({ n: 3 })
  expect((await deliver(world, to, { n: 3 }, { "idempotency-key": "k" })).body.run_id).toBe(first.body.run_id)
  expect(await runs(id)).toBe(2)
})

test("a token without the scope for tools gets none run by way of a subscription that has it", async () => {
  const { contributor } = world.people
  const instance = (await call("POST", "/v1/mcp/instances", { server_id: "sqlite", name: "t" })).body.id
  const step = { id: "t", type: "mcp_call", name: "T", instance_id: instance, tool_name: "sqlite_list_tables", tool_args: {} }
  const to = await address(world, await world.workflow({ steps: [step] }))
  const { body } = await deliver(world, to, {})
  const small = await world.patOf(contributor.userId, world.places.first, ["workflow:run"])
  const path = `/v1/inbound-webhooks/${to.id}/deliveries/${body.delivery_id}/redeliver`

  const refused = await world.call({ pat: small.token }, "POST", path)

  expect([refused.status, refused.body.code]).toEqual([403, "INSUFFICIENT_SCOPE"])
  expect((await world.call({ pat: contributor.pat }, "POST", path)).status).toBe(200)
})

test("the end of a delivery's run is told to the subscription's callback_url, which must be one", async () => {
  const id = await world.workflow()
  const to = await address(world, id, { callback_url: "https://example.invalid/ended?key=hidden" })
  const { body } = await deliver(world, to, {})
  await world.until(id, body.run_id, "completed")

  const { callbacks } = (await call("GET", `/v1/workflows/${id}/runs/${body.run_id}/callbacks`)).body

  expect(callbacks).toHaveLength(1)
  expect(callbacks[0].url).toStartWith("https://example.invalid/ended")
  for (const url of ["ftp://example.com", "nonsense", "https://user:pw@example.com/"]) {
    expect((await call("PATCH", `/v1/inbound-webhooks/${to.id}`, { callback_url: url })).status).toBe(400)
  }
  expect((await call("PATCH", `/v1/inbound-webhooks/${to.id}`, { callback_url: null })).body.subscription.callback_url).toBeNull()
})

test("what one delivers to another project's subscription cannot be seen or redelivered from there", async () => {
  const id = await world.workflow()
  const to = await address(world, id)
  const { body } = await deliver(world, to, {})
  const stranger = world.as(world.people.otherProject, world.places.second)
  for (const path of ["", "/deliveries", `/deliveries/${body.delivery_id}`]) {
    expect((await world.call(stranger, "GET", `/v1/inbound-webhooks/${to.id}${path}`)).status).toBe(404)
  }
  expect((await world.call(stranger, "POST", `/v1/inbound-webhooks/${to.id}/redeliver`)).status).toBe(404)
})

test("publish, create, deliver, disable, deliver, delete, deliver: never a wrong answer, round after round", async () => {
  const rounds = Number(process.env.AGENTRUNTIME_TEST_ROUNDS ?? 100)
  const { contributor } = world.people
  const wrong: string[] = []
  const expectStatus = (what: string, got: number, wanted: number) => {
    if (got !== wanted) wrong.push(`${what}: ${got}, not ${wanted}`)
  }
  for (let round = 0; round < rounds; round++) {
    const id = await world.workflow()
    const to = await address(world, id)
    expectStatus("created", (await deliver(world, to, { round })).status, 200)
    expectStatus("disable", (await call("PATCH", `/v1/inbound-webhooks/${to.id}`, { enabled: false })).status, 200)
    expectStatus("disabled", (await deliver(world, to, { round })).status, 404)
    expectStatus("enable", (await call("PATCH", `/v1/inbound-webhooks/${to.id}`, { enabled: true })).status, 200)
    expectStatus("enabled", (await deliver(world, to, { round })).status, 200)
    // Under way at the same moment either may come first, but whatever was answered 200 has its run.
    const [racing, gone] = await Promise.all([deliver(world, to, { round }), call("DELETE", `/v1/inbound-webhooks/${to.id}`)])
    expectStatus("delete", gone.status, 204)
    if (racing.status !== 404) expectStatus("racing", racing.status, 200)
    expectStatus("deleted", (await deliver(world, to, { round })).status, 404)
    const total = (await world.call(world.as(contributor), "GET", `/v1/workflows/${id}/runs`)).body.total
    expectStatus("runs", total, racing.status === 200 ? 3 : 2)
  }
  expect(wrong).toEqual([])
}, 600_000)
