import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openWorld, type World } from "../../helpers/app.ts"
import { type Address, address, deliver, deliverWithToken, overBody, stamped } from "./sender.ts"

let world: World
let workflowId: string
beforeAll(async () => {
  world = await openWorld()
  workflowId = await world.workflow()
})
afterAll(() => world.close())

const made = (more: object = {}) => address(world, workflowId, more)
const inputOf = async (runId: string, id = workflowId) =>
  (await world.call(world.as(world.people.contributor), "GET", `/v1/workflows/${id}/runs/${runId}/context`)).body.input
const deliveries = async (to: Address, query = "") =>
  (await world.call(world.as(world.people.contributor), "GET", `/v1/inbound-webhooks/${to.id}/deliveries${query}`)).body
const subscription = async (to: Address) =>
  (await world.call(world.as(world.people.contributor), "GET", `/v1/inbound-webhooks/${to.id}`)).body.subscription

describe("a delivery", () => {
  test("in either variant is answered with its run, which acts as the token's owner", async () => {
    const to = await made()

    const [a, b] = [await deliverWithToken(world, to, { n: 1 }, world.people.contributor.pat), await deliver(world, to, { n: 2 })]

    for (const answer of [a, b]) {
      expect(answer.status).toBe(200)
      expect(answer.body).toMatchObject({ status: "accepted", workflow_id: workflowId, subscription_id: to.id })
      const run = await world.until(workflowId, answer.body.run_id, "completed")
      expect(run).toMatchObject({ trigger_type: "webhook", created_by: world.people.contributor.userId })
    }
    expect(await inputOf(b.body.run_id)).toEqual({ n: 2 })
    expect((await deliveries(to)).deliveries.map((d: { variant: string }) => d.variant)).toEqual(["B", "A"])
  })

  test("is named by its run's first event", async () => {
    const to = await made()

    const { body } = await deliver(world, to, { n: 1 })

    const path = `/v1/workflows/${workflowId}/runs/${body.run_id}/events`
    const [first] = (await world.call(world.as(world.people.contributor), "GET", path)).body.events
    const origin = { type: "webhook", subscription_id: to.id, delivery_id: body.delivery_id }
    expect(first).toMatchObject({ event_type: "run_started", data: { trigger_type: "webhook", origin } })
  })

  test("goes over the subscription's payload, with its overlays and, if it says so, the version's defaults", async () => {
    const runSetup = { trigger_payload: { from: "setup", kept: true }, trigger_steps: {} }
    const id = await world.workflow(undefined, { run_setup: runSetup })
    const extras = { trigger_payload: { from: "extras", source: "shop" }, trigger_steps: { a: { script: "return 1" } } }
    const plain = await address(world, id, { extras })
    const merged = await address(world, id, { extras: { ...extras, use_run_setup_defaults: true } })

    const first = await deliver(world, plain, { from: "body" })
    const second = await deliver(world, merged, { n: 1 })

    const overlay = { _steps: { a: { script: "return 1" } } }
    expect(await inputOf(first.body.run_id, id)).toEqual({ from: "body", source: "shop", ...overlay })
    expect(await inputOf(second.body.run_id, id)).toEqual({ from: "extras", kept: true, source: "shop", n: 1, ...overlay })
  })

  test("is also found as webhook_payload by a graph that knows that name", async () => {
    const script = "return { n = input.webhook_payload.n, m = input.n }"
    const id = await world.workflow({ steps: [{ id: "a", type: "lua_script", name: "A", script }] })

    const { body } = await deliver(world, await address(world, id), { n: 7 })

    await world.until(id, body.run_id, "completed")
    const context = await world.call(world.as(world.people.contributor), "GET", `/v1/workflows/${id}/runs/${body.run_id}/context`)
    expect(context.body.steps.a.result).toEqual({ n: 7, m: 7 })
  })

  test("is kept as it came, with harmless headers, and shown to its project", async () => {
    const to = await made()
    const text = '{ "b" : 1.0, "a":"ä" }'
    const headers = { "x-shop-topic": "orders/create", "x-shop-hmac-sha256": "c2VjcmV0", "x-api-key": "sk_1", cookie: "s=1" }
    const { body } = await deliver(world, to, text, { ...headers, "idempotency-key": "evt_1", "user-agent": "Shop/1" })

    const shown = await world.call(
      world.as(world.people.contributor),
      "GET",
      `/v1/inbound-webhooks/${to.id}/deliveries/${body.delivery_id}`,
    )

    expect(Buffer.from(shown.body.body_base64, "base64").toString()).toBe(text)
    expect(shown.body).toMatchObject({ status: "accepted", run_id: body.run_id, variant: "B", idempotency_key: "evt_1" })
    expect(shown.body.body).toEqual({ b: 1, a: "ä" })
    expect(Object.keys(shown.body.headers).sort()).toEqual(["idempotency-key", "user-agent", "x-shop-topic"])
    for (const secret of ["c2VjcmV0", "sk_1", "s=1", to.secret]) expect(shown.text).not.toContain(secret)
  })
})

describe("a key", () => {
  test("starts one run, whoever repeats it how often at once", async () => {
    const to = await made()
    const all = await Promise.all(Array.from({ length: 20 }, () => deliver(world, to, { n: 1 }, { "idempotency-key": "k" })))

    expect(all.map(a => a.status)).toEqual(all.map(() => 200))
    expect(new Set(all.map(a => a.body.run_id)).size).toBe(1)
    expect(all.filter(a => a.body.duplicate === true).length).toBe(19)
    expect((await deliveries(to)).total).toBe(1)
  })

  test("with another body is a conflict, and with another subscription another key", async () => {
    const [to, other] = [await made(), await made()]
    const first = await deliver(world, to, { n: 1 }, { "idempotency-key": "k" })

    const conflict = await deliver(world, to, { n: 2 }, { "idempotency-key": "k" })
    const elsewhere = await deliver(world, other, { n: 2 }, { "idempotency-key": "k" })

    expect([conflict.status, conflict.body.code]).toEqual([409, "IDEMPOTENCY_CONFLICT"])
    expect(elsewhere.status).toBe(200)
    expect(elsewhere.body.run_id).not.toBe(first.body.run_id)
  })

  test("counts for 24 hours", async () => {
    const to = await made()
    const send = () => deliver(world, to, { n: 1 }, { "idempotency-key": "k" })
    const first = await send()
    world.time.now += 24 * 3_600_000 - 60_000
    const second = await send()
    world.time.now += 120_000
    const third = await send()

    expect(second.body).toMatchObject({ run_id: first.body.run_id, duplicate: true })
    expect(third.body.run_id).not.toBe(first.body.run_id)
    expect((await send()).body.run_id).toBe(third.body.run_id)
  })

  test("that is missing means no deduplication, and one that is too long is told", async () => {
    const to = await made()
    const [a, b] = [await deliver(world, to, {}), await deliver(world, to, {})]
    expect(a.body.run_id).not.toBe(b.body.run_id)
    expect((await deliver(world, to, {}, { "idempotency-key": "x".repeat(301) })).status).toBe(400)
  })
})

describe("a bad request", () => {
  test("is answered the same way whatever is wrong with signature or token, and its reason is for the owner", async () => {
    const to = await made()
    const { contributor, projectAdmin, otherProject } = world.people
    const seconds = Math.floor(world.time.now / 1000)
    const send = (headers: Record<string, string>) => world.call({}, "POST", `/v1/inbound-webhooks/${to.id}`, "{}", headers)
    const bearer = (pat: string) => ({ "x-agentruntime-signature": overBody(to.secret, "{}"), authorization: `Bearer ${pat}` })

    const refused = [
      await send({}),
      await send({ authorization: `Bearer ${contributor.pat}` }),
      await send({ "x-agentruntime-signature": overBody(to.secret, "{}") }),
      await send({ ...bearer(contributor.pat), "x-agentruntime-signature": overBody("whsec_other", "{}") }),
      await send(bearer(projectAdmin.pat)),
      await send(bearer(otherProject.pat)),
      await send(bearer(world.revokedPat)),
      await send(bearer("pat_nonsense")),
      await send({ "x-agentruntime-signature": stamped(to.secret, "{}", seconds - 400) }),
      await send({ "x-agentruntime-signature": stamped(to.secret, "{}", seconds + 400) }),
      await send({ "x-agentruntime-signature": stamped("whsec_other", "{}", seconds) }),
    ]

    const texts = new Set(refused.map(r => r.text))
    expect(refused.map(r => r.status)).toEqual(refused.map(() => 401))
    expect([...texts]).toEqual(['{"error":"unauthorized","code":"UNAUTHORIZED"}'])
    await Bun.sleep(1_200)
    expect(await subscription(to)).toMatchObject({
      refused_count: refused.length,
      last_refusal: expect.stringContaining("signature"),
    })
    expect((await deliveries(to)).total).toBe(0)
  })

  test("to an address that is unknown, switched off or deleted gets 404, the same each time", async () => {
    const [off, gone] = [await made(), await made()]
    const caller = world.as(world.people.contributor)
    await world.call(caller, "PATCH", `/v1/inbound-webhooks/${off.id}`, { enabled: false })
    await world.call(caller, "DELETE", `/v1/inbound-webhooks/${gone.id}`)
    const unknown = { ...off, id: crypto.randomUUID() }

    const answers = [
      await deliver(world, off, {}),
      await deliver(world, gone, {}),
      await deliver(world, unknown, {}),
      await deliver(world, { ...off, id: "nonsense" }, {}),
    ]

    expect(answers.map(a => a.status)).toEqual([404, 404, 404, 404])
    expect(new Set(answers.map(a => a.text)).size).toBe(1)
    await world.call(caller, "PATCH", `/v1/inbound-webhooks/${off.id}`, { enabled: true })
    expect((await deliver(world, off, {})).status).toBe(200)
  })

  test("whose body is no JSON object, too deep or too large is told so, once its signature is good", async () => {
    const to = await made()
    const large = JSON.stringify({ text: "x".repeat(1024 * 1024) })
    const deep = `{"a":${"[".repeat(100)}${"]".repeat(100)}}`
    for (const body of ["", "[]", "1", '"x"', "null", "{", deep, '{"a":"\u{d800}'.slice(0, 6)]) {
      expect((await deliver(world, to, body)).status).toBe(400)
    }
    expect((await deliver(world, to, large)).status).toBe(413)
    expect((await deliver(world, { ...to, secret: "whsec_wrong" }, "[]")).status).toBe(401)
    expect((await deliver(world, to, { __proto__: null, constructor: 1, toString: 2 })).status).toBe(200)
  })

  test("beyond the subscription's rate gets 429 and when to come again; bad ones do not use the rate up", async () => {
    const to = await made({ rate_limit_per_minute: 3 })
    for (let i = 0; i < 10; i++) await deliver(world, { ...to, secret: "whsec_wrong" }, {})

    const answers = []
    for (let i = 0; i < 5; i++) answers.push(await deliver(world, to, {}))

    expect(answers.map(a => a.status)).toEqual([200, 200, 200, 429, 429])
    expect(answers[0]!.headers.get("x-ratelimit-limit")).toBe("3")
    expect(answers[3]!.headers.get("retry-after")).toBe("20")
    world.time.now += 20_000
    expect((await deliver(world, to, {})).status).toBe(200)
  })
})

describe("the automation token", () => {
  test("that is revoked closes the address in both variants, until there is another", async () => {
    const { contributor, tenantAdmin } = world.people
    const caller = world.as(contributor)
    const token = (await world.call(caller, "POST", "/v1/pats", { display_name: "hook", scopes: ["workflow:run"] })).body
    const to = await address(world, workflowId, { automation_pat_id: token.id, automation_bearer: undefined })
    expect((await deliver(world, to, {})).status).toBe(200)

    await world.call(world.as(tenantAdmin), "DELETE", `/v1/pats/${token.id}`)

    expect((await deliver(world, to, {})).status).toBe(401)
    expect((await deliverWithToken(world, to, {}, token.token)).status).toBe(401)
    const renewed = await world.call(caller, "PATCH", `/v1/inbound-webhooks/${to.id}`, { automation_bearer: contributor.pat })
    expect(renewed.status).toBe(200)
    expect((await deliver(world, to, {})).status).toBe(200)
  })

  test("has to be shown when the vault holds no copy, or when it is somebody else's", async () => {
    const { contributor, projectAdmin } = world.people
    const create = (more: object) =>
      world.call(world.as(contributor), "POST", "/v1/inbound-webhooks", { workflow_id: workflowId, ...more })
    const own = (await world.call(world.as(contributor), "POST", "/v1/pats", { display_name: "a", scopes: ["workflow:run"] }))
      .body
    const theirs = (await world.call(world.as(projectAdmin), "POST", "/v1/pats", { display_name: "b", scopes: ["workflow:run"] }))
      .body
    await world.call(world.as(contributor), "GET", `/v1/pats/${own.id}/reveal`)

    const hidden = await create({ automation_pat_id: own.id })
    expect([hidden.status, hidden.body.code]).toEqual([503, "pat_secret_not_in_vault"])
    expect((await create({ automation_pat_id: own.id, automation_bearer: own.token })).status).toBe(201)
    expect([(await create({ automation_pat_id: theirs.id })).status]).toEqual([403])
    expect((await create({ automation_pat_id: theirs.id, automation_bearer: theirs.token })).status).toBe(201)
    expect((await create({ automation_pat_id: own.id, automation_bearer: theirs.token })).status).toBe(422)
    expect((await create({ automation_bearer: world.people.otherProject.pat })).status).toBe(422)
    expect((await create({ automation_bearer: contributor.smallPat })).status).toBe(422)
    expect((await create({})).status).toBe(422)
  })

  test("of few scopes cannot be given an address that acts with more", async () => {
    const { contributor } = world.people
    const small = await world.patOf(contributor.userId, world.places.first, ["workflow:run"])
    const large = (
      await world.call(world.as(contributor), "POST", "/v1/pats", { display_name: "l", scopes: ["workflow:run", "mcp:execute"] })
    ).body
    const wish = { workflow_id: workflowId, automation_pat_id: large.id }
    expect((await world.call({ pat: small.token }, "POST", "/v1/inbound-webhooks", wish)).body.code).toBe("INSUFFICIENT_SCOPE")
    expect((await world.call({ pat: small.token }, "POST", "/v1/inbound-webhooks", { workflow_id: workflowId })).status).toBe(201)
  })
})

describe("a secret", () => {
  test("that was replaced is good until its grace is over, and the one before that is not", async () => {
    const to = await made()
    const rotate = async (body: object) =>
      (await world.call(world.as(world.people.contributor), "POST", `/v1/inbound-webhooks/${to.id}/rotate-secret`, body)).body

    const second = { ...to, secret: (await rotate({ grace_minutes: 60 })).signing_secret }
    expect([(await deliver(world, to, {})).status, (await deliver(world, second, {})).status]).toEqual([200, 200])

    const { deliveries: both } = await deliveries(to)
    expect(both.map((d: { signed_with: string }) => d.signed_with)).toEqual(["current", "previous"])

    const third = { ...to, secret: (await rotate({ grace_minutes: 60 })).signing_secret }
    expect([(await deliver(world, to, {})).status, (await deliver(world, second, {})).status]).toEqual([401, 200])

    world.time.now += 3_600_001
    expect([(await deliver(world, second, {})).status, (await deliver(world, third, {})).status]).toEqual([401, 200])

    const fourth = { ...to, secret: (await rotate({ grace_minutes: 0 })).signing_secret }
    expect([(await deliver(world, third, {})).status, (await deliver(world, fourth, {})).status]).toEqual([401, 200])
  })

  test("is shown once and is nowhere in the database", async () => {
    const to = await made()
    const listed = await world.call(world.as(world.people.contributor), "GET", "/v1/inbound-webhooks?limit=100")
    expect(listed.body.subscriptions.some((s: { id: string }) => s.id === to.id)).toBe(true)
    expect(listed.text).not.toContain("whsec_")
    const file = Buffer.concat([
      Buffer.from(await Bun.file(world.deps.directory.database).arrayBuffer()),
      Buffer.from(await Bun.file(`${world.deps.directory.database}-wal`).arrayBuffer()),
    ])
    expect(file.includes(to.secret)).toBe(false)
    expect(file.includes(to.id)).toBe(true)
  })
})
