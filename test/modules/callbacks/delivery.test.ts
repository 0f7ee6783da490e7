import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { LUA_GRAPH, openWorld, TASK_GRAPH, type World } from "../../helpers/app.ts"
import { openReceiver, type Receiver, type Told, verify } from "./receiver.ts"

let world: World
let receiver: Receiver
let secret = ""
let lua = ""
let human = ""
beforeAll(async () => {
  receiver = await openReceiver()
  world = await openWorld({ flags: { "egress.allow": "127.0.0.1" } })
  lua = await world.workflow(LUA_GRAPH)
  human = await world.workflow(TASK_GRAPH)
  secret = (await rotate()).body.signing_secret
})
beforeEach(() => {
  receiver.told.length = 0
  receiver.answers.length = 0
})
afterAll(async () => {
  await world.close()
  receiver.close()
})

const rotate = () => world.call(world.as(world.people.projectAdmin), "POST", "/v1/callback-secret/rotate")
const list = (id: string, runId: string, caller = world.as(world.people.viewer)) =>
  world.call(caller, "GET", `/v1/workflows/${id}/runs/${runId}/callbacks`)
const retry = (id: string, runId: string, caller = world.as(world.people.contributor)) =>
  world.call(caller, "POST", `/v1/workflows/${id}/runs/${runId}/callbacks/retry`)

/** Starts a run that ends at once, and is told. */
const start = (params: JsonObject = {}) => world.start(lua, { callback_url: receiver.url(), ...params })

/** Waits until the run's callback is as wanted. */
async function until(runId: string, wanted: { status?: string; attempts?: number }, id = lua) {
  const deadline = performance.now() + 20_000
  for (;;) {
    const { body } = await list(id, runId)
    const [callback] = body.callbacks
    const fits = callback && (wanted.status ?? callback.status) === callback.status
    if (fits && (wanted.attempts ?? callback.attempts.length) === callback.attempts.length) return callback
    if (performance.now() > deadline) throw new Error(`the callback is ${JSON.stringify(callback)}`)
    await Bun.sleep(20)
  }
}

const only = (): Told => {
  expect(receiver.told).toHaveLength(1)
  return receiver.told[0]!
}

describe("the end of a run", () => {
  test("is told once, signed so that a strict receiver takes it", async () => {
    const runId = await start({ trigger_payload: { n: "ä" } })
    const callback = await until(runId, { status: "delivered" })
    const told = only()
    verify(told, secret, world.time.now)
    expect(() => verify(told, `${secret}x`, world.time.now)).toThrow("a false signature")
    expect([told.method, told.url]).toEqual(["POST", "/ended"])
    expect(told.headers).toMatchObject({
      "content-type": "application/json",
      "user-agent": "AgentRuntime/0.0.0-test",
      "idempotency-key": callback.id,
    })
    const run = await world.until(lua, runId, "completed")
    expect(JSON.parse(told.raw)).toEqual({
      event: "run.completed",
      callback_id: callback.id,
      run_id: runId,
      workflow_id: lua,
      workflow_name: "nightly",
      version: 1,
      trigger_type: run.trigger_type,
      status: "completed",
      failure_code: null,
      error: null,
      failed_step_id: null,
      started_at: run.started_at,
      completed_at: run.completed_at,
      output: { a: { seen: "ä" } },
    })
    expect(callback).toEqual({
      id: callback.id,
      url: receiver.url(),
      status: "delivered",
      created_at: run.completed_at,
      next_attempt_at: null,
      ended_at: expect.any(String),
      attempts: [{ at: expect.any(String), duration_ms: expect.any(Number), status: 200, error: null }],
    })
    expect((await list(lua, runId, world.byPat(world.people.viewer))).body.callbacks).toEqual([callback])
  })

  test("that failed says why, and that was stopped says so; both without output", async () => {
    const broken = await world.workflow({ steps: [{ id: "b", type: "lua_script", name: "B", script: "error('no luck')" }] })
    const failed = await world.start(broken, { callback_url: receiver.url() })
    await until(failed, { status: "delivered" }, broken)
    const body = JSON.parse(only().raw)
    expect(body).toMatchObject({
      event: "run.failed",
      status: "failed",
      failed_step_id: "b",
      error: expect.stringContaining("no luck"),
    })
    expect(body).not.toHaveProperty("output")
    const stopped = await world.start(human, { callback_url: receiver.url() })
    expect((await list(human, stopped)).body).toEqual({ callbacks: [] })
    await world.command(human, "stop", { run_id: stopped })
    await until(stopped, { status: "delivered" }, human)
    expect(JSON.parse(receiver.told[1]!.raw)).toMatchObject({ event: "run.stopped", status: "stopped", run_id: stopped })
  })

  test("whose output is over 1 MiB is told without it", async () => {
    const script = "return { text = string.rep('x', 600 * 1024) }"
    const step = (id: string) => ({ id, type: "lua_script", name: id, script })
    const large = await world.workflow({ steps: [step("a"), step("b")] })
    const runId = await world.start(large, { callback_url: receiver.url() })
    await until(runId, { status: "delivered" }, large)
    const told = only()
    verify(told, secret, world.time.now)
    expect(JSON.parse(told.raw)).toMatchObject({ event: "run.completed", output_omitted: true })
    expect(JSON.parse(told.raw)).not.toHaveProperty("output")
  })

  test("without a callback_url is told to nobody", async () => {
    const runId = await world.start(lua)
    await world.until(lua, runId, "completed")
    expect((await list(lua, runId)).body).toEqual({ callbacks: [] })
    const answer = await retry(lua, runId)
    expect([answer.status, answer.body.code]).toEqual([404, "NO_CALLBACK"])
  })
})

describe("a receiver that does not take it", () => {
  test("is told again later, with the same key and body, and a fresh signature", async () => {
    receiver.answers.push({ status: 500 })
    const runId = await start()
    const waiting = await until(runId, { attempts: 1 })
    expect(waiting).toMatchObject({
      status: "pending",
      ended_at: null,
      attempts: [{ status: 500, error: "the receiver answered 500" }],
    })
    const pause = Date.parse(waiting.next_attempt_at) - Date.parse(waiting.attempts[0].at)
    expect(pause).toBeGreaterThan(7_900)
    expect(pause).toBeLessThan(12_500)
    world.time.now += 13_000
    const delivered = await until(runId, { status: "delivered" })
    expect(delivered.attempts.map((a: { status: number }) => a.status)).toEqual([500, 200])
    const [first, second] = receiver.told
    if (!first || !second) throw new Error("not told twice")
    expect(second.raw).toBe(first.raw)
    expect(second.headers["idempotency-key"]).toBe(first.headers["idempotency-key"]!)
    expect(verify(second, secret, world.time.now)).toBeGreaterThanOrEqual(verify(first, secret, world.time.now) + 10)
  })

  test("for good (410) is not told again, until somebody asks for it", async () => {
    receiver.answers.push({ status: 410 })
    const runId = await start()
    const failed = await until(runId, { status: "failed" })
    expect(failed).toMatchObject({ next_attempt_at: null, attempts: [{ status: 410, error: "the receiver answered 410" }] })
    const asked = await retry(lua, runId)
    expect([asked.status, asked.body.callbacks[0].status]).toEqual([200, "pending"])
    await until(runId, { status: "delivered" })
    expect(receiver.told).toHaveLength(2)
    const again = await retry(lua, runId)
    expect([again.status, again.body.code]).toEqual([409, "CALLBACK_DELIVERED"])
  })

  test("because it wants it elsewhere is not followed there", async () => {
    receiver.answers.push({ status: 302, headers: { location: receiver.url("/elsewhere") } })
    const runId = await start()
    const { attempts } = await until(runId, { attempts: 1 })
    expect(attempts[0].error).toBe("the receiver answered 302 with a redirect, which is not followed")
    expect(only().url).toBe("/ended")
  })
})

describe("an address inside", () => {
  test("that the operator did not allow is told nothing, and the attempt says what to allow", async () => {
    const closed = await openWorld()
    try {
      const id = await closed.workflow(LUA_GRAPH)
      const before = receiver.connections()
      const wait = async (runId: string) => {
        for (let i = 0; i < 500; i++) {
          const { body } = await closed.call(
            closed.as(closed.people.viewer),
            "GET",
            `/v1/workflows/${id}/runs/${runId}/callbacks`,
          )
          if (body.callbacks[0]?.status === "failed") return body.callbacks[0]
          await Bun.sleep(20)
        }
        throw new Error("it did not fail")
      }
      for (const host of ["127.0.0.1", "localhost", "0x7f.1", "[::ffff:127.0.0.1]"]) {
        const url = receiver.url("/ended?token=s3cr3t", host)
        const callback = await wait(await closed.start(id, { callback_url: url }))
        expect(callback.attempts).toHaveLength(1)
        expect(callback.attempts[0]).toMatchObject({ status: null, error: expect.stringContaining("egress.allow") })
        expect(JSON.stringify(callback)).not.toContain("s3cr3t")
      }
      expect(receiver.connections()).toBe(before)
      expect(closed.logged.join()).not.toContain("s3cr3t")
    } finally {
      await closed.close()
    }
  })
})

describe("who may see and repeat it", () => {
  test("is decided by the run's project: others find no such run", async () => {
    const runId = await start()
    await until(runId, { status: "delivered" })
    const { otherProject, otherTenant } = world.people
    for (const who of [otherProject, otherTenant]) {
      const caller = world.as(who, who.place)
      expect((await list(lua, runId, caller)).status).toBe(404)
      expect((await retry(lua, runId, caller)).status).toBe(404)
    }
    expect((await list(human, runId)).status).toBe(404)
    expect((await retry(lua, runId, world.as(world.people.viewer))).status).toBe(403)
  })
})

describe("the signing secret", () => {
  test("is shown once; afterwards there are its last four characters", async () => {
    const state = () => world.call(world.as(world.people.viewer), "GET", "/v1/callback-secret")
    const made = await rotate()
    expect(made.body).toEqual({ signing_secret: expect.stringMatching(/^whsec_[A-Za-z0-9_-]{43}$/) })
    secret = made.body.signing_secret
    expect((await state()).body).toEqual({ set: true, last4: secret.slice(-4) })
    const { tenantAdmin, contributor } = world.people
    const other = await world.call(world.as(tenantAdmin, world.places.second), "GET", "/v1/callback-secret")
    expect(other.body).toEqual({ set: false, last4: null })
    expect((await world.call(world.as(contributor), "POST", "/v1/callback-secret/rotate")).status).toBe(403)
  })

  test("that is new signs at once, also what was tried with the old one", async () => {
    receiver.answers.push({ status: 503 })
    const runId = await start()
    await until(runId, { attempts: 1 })
    const old = secret
    secret = (await rotate()).body.signing_secret
    await retry(lua, runId)
    await until(runId, { status: "delivered" })
    const [first, second] = receiver.told
    if (!first || !second) throw new Error("not told twice")
    verify(first, old, world.time.now)
    verify(second, secret, world.time.now)
    expect(() => verify(second, old, world.time.now)).toThrow("a false signature")
  })

  test("is in no row, no answer and no line of the log", async () => {
    const runId = await start()
    await until(runId, { status: "delivered" })
    const answers = [
      await list(lua, runId),
      await world.call(world.as(world.people.contributor), "GET", `/v1/workflows/${lua}/runs/${runId}/events`),
      await world.call(world.as(world.people.projectAdmin), "GET", "/v1/callback-secret"),
    ]
    const { runCallbacks, runs, vaultSecrets } = world.db.tables
    const rows = []
    for (const table of [runCallbacks, runs, vaultSecrets]) rows.push(...(await world.db.read.select().from(table)))
    const everything = [...answers.map(a => a.text), ...world.logged, rows.map(row => Bun.inspect(row)).join()].join("\n")
    expect(everything).not.toContain(secret.slice("whsec_".length))
  })
})
