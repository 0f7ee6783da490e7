import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openWorld, type World } from "../../helpers/app.ts"

let world: World
let workflowId: string
let base: string
beforeAll(async () => {
  world = await openWorld()
  workflowId = await world.workflow()
  base = `/v1/workflows/${workflowId}/triggers`
})
afterAll(() => world.close())

const call = (method: string, path: string, body?: unknown, caller = world.byPat(world.people.contributor)) =>
  world.call(caller, method, path, body)
const create = (config: unknown, more: object = {}) => call("POST", base, { config, ...more })
const DAILY = { cron: "30 2 * * *", timezone: "Europe/Berlin" }

describe("a trigger", () => {
  test("comes back with its defaults and its next moment, in its list and alone", async () => {
    const made = await create(DAILY, { name: "nightly" })
    expect(made.status).toBe(201)
    expect(made.body).toMatchObject({
      type: "cron",
      enabled: true,
      name: "nightly",
      note: null,
      fire_count: 0,
      last_fired_at: null,
    })
    expect(made.body.config).toMatchObject({
      ...DAILY,
      catchup_policy: "fire_once_within_grace",
      grace_minutes: 60,
      overlap: "allow",
    })
    expect(made.body.next_run_at).toBe("2026-06-11T00:30:00.000Z")
    expect((await call("GET", `${base}/${made.body.id}`)).body).toEqual(made.body)
    const { triggers, total } = (await call("GET", base)).body
    expect(total).toBeGreaterThan(0)
    expect(triggers.some((t: { id: string }) => t.id === made.body.id)).toBe(true)
  })

  test("is paused with a note, goes on from now, and keeps its next moment while its times stay the same", async () => {
    const { body } = await create(DAILY)
    const path = `${base}/${body.id}`
    const paused = await call("PATCH", path, { enabled: false, note: "until the audit is over" })
    expect(paused.body).toMatchObject({ enabled: false, note: "until the audit is over", next_run_at: null })
    const on = await call("PATCH", path, { enabled: true })
    expect(on.body).toMatchObject({ enabled: true, note: null, next_run_at: body.next_run_at })
    const same = await call("PATCH", path, { config: { ...DAILY, body: { n: 1 } } })
    expect(same.body).toMatchObject({ next_run_at: body.next_run_at, config: { body: { n: 1 } } })
    const other = await call("PATCH", path, { config: { ...DAILY, timezone: "UTC" } })
    expect(other.body.next_run_at).toBe("2026-06-11T02:30:00.000Z")
    expect((await call("DELETE", path)).status).toBe(204)
    expect((await call("GET", path)).status).toBe(404)
  })

  test("runs now on request, also while it is paused, and says so in its fires", async () => {
    const { body } = await create({ ...DAILY, body: { n: 7 } }, { enabled: false })
    const ran = await call("POST", `${base}/${body.id}/run_now`)
    expect(ran.status).toBe(200)
    await world.until(workflowId, ran.body.run_id, "completed")
    const { fires } = (await call("GET", `${base}/${body.id}/fires`)).body
    expect(fires).toHaveLength(1)
    expect(fires[0]).toMatchObject({ id: ran.body.fire_id, source: "manual", outcome: "fired", run_id: ran.body.run_id })
    expect(fires[0].scheduled_for).toBeNull()
    const context = await call("GET", `/v1/workflows/${workflowId}/runs/${ran.body.run_id}/context`)
    expect(context.body.input).toEqual({ n: 7 })
  })

  test("of a session starts no tools for a token that may not call them", async () => {
    const { contributor } = world.people
    const instance = (await call("POST", "/v1/mcp/instances", { server_id: "sqlite", name: "t" })).body.id
    const step = { id: "t", type: "mcp_call", name: "T", instance_id: instance, tool_name: "sqlite_list_tables", tool_args: {} }
    const id = await world.workflow({ steps: [step] }, {}, world.byPat(contributor))
    const made = await call("POST", `/v1/workflows/${id}/triggers`, { config: DAILY })
    const small = await world.patOf(contributor.userId, world.places.first, ["workflow:run"])
    const ran = await call("POST", `/v1/workflows/${id}/triggers/${made.body.id}/run_now`, undefined, {
      pat: small.token,
    } as never)
    expect([ran.status, ran.body.code]).toEqual([403, "INSUFFICIENT_SCOPE"])
  })

  test("shows the moments to come with the offset of the place, and what the clocks do to them", async () => {
    world.time.now = Date.UTC(2026, 9, 23)
    const autumn = (await call("POST", `${base}/preview?count=3`, { config: { cron: "30 2 * * *", timezone: "Europe/Berlin" } }))
      .body
    expect(autumn.preview.map((p: { local: string; dst: string }) => `${p.local} ${p.dst}`)).toEqual([
      "2026-10-23T02:30:00+02:00 null",
      "2026-10-24T02:30:00+02:00 null",
      "2026-10-25T02:30:00+02:00 repeated",
    ])
    const { body } = await create({ cron: "0 * * * *", timezone: "Europe/Berlin" })
    const hours = (await call("GET", `${base}/${body.id}/preview?count=60`)).body.preview
    const utc = hours.map((p: { at: string }) => Date.parse(p.at))
    expect(utc.every((ms: number, i: number) => i === 0 || ms - utc[i - 1] === 3_600_000)).toBe(true)
    expect(hours.filter((p: { local: string }) => p.local.startsWith("2026-10-25T02:00:00"))).toHaveLength(2)
    expect((await call("GET", `${base}/${body.id}/preview?count=101`)).status).toBe(400)
  })
})

describe("what is refused says which field it is", () => {
  const bad: readonly (readonly [config: object, field: string])[] = [
    [{}, "config.cron"],
    [{ cron: "" }, "config.cron"],
    [{ cron: 5 }, "config.cron"],
    [{ cron: "* * *" }, "config.cron"],
    [{ cron: "* * * *" }, "config.cron"],
    [{ cron: "* * * * * * *" }, "config.cron"],
    [{ cron: "61 * * * *" }, "config.cron"],
    [{ cron: "* 25 * * *" }, "config.cron"],
    [{ cron: "0 0 30 2 *" }, "config.cron"],
    [{ cron: "0 0 31 4,6,9,11 *" }, "config.cron"],
    [{ cron: "@fortnightly" }, "config.cron"],
    [{ cron: "0 0 * FOO *" }, "config.cron"],
    [{ cron: "1".repeat(1_001) }, "config.cron"],
    [{ cron: "0 9 * * *", timezone: "Mars/Base" }, "config.timezone"],
    [{ cron: "0 9 * * *", timezone: "../etc/passwd" }, "config.timezone"],
    [{ cron: "0 9 * * *", timezone: 1 }, "config.timezone"],
    [{ cron: "0 9 * * *", catchup_policy: "sometimes" }, "config.catchup_policy"],
    [{ cron: "0 9 * * *", overlap: "maybe" }, "config.overlap"],
    [{ cron: "0 9 * * *", grace_minutes: -1 }, "config.grace_minutes"],
    [{ cron: "0 9 * * *", grace_minutes: 1.5 }, "config.grace_minutes"],
    [{ cron: "0 9 * * *", catchup_max: 1e6 }, "config.catchup_max"],
    [{ cron: "0 9 * * *", jitter_s: 3601 }, "config.jitter_s"],
    [{ cron: "0 9 * * *", max_fires: 0 }, "config.max_fires"],
    [{ cron: "0 9 * * *", end_at: "2020-01-01T00:00:00Z" }, "config.end_at"],
    [{ cron: "0 9 * * *", end_at: "tomorrow" }, "config.end_at"],
    [{ cron: "0 9 * * *", end_at: "2026-02-30T00:00:00Z" }, "config.end_at"],
    [{ cron: "0 9 * * *", body: [1] }, "config.body"],
    [{ cron: "0 9 * * *", trigger_steps: { a: 1 } }, "config.trigger_steps"],
    [{ cron: "0 9 * * *", callback_url: "ftp://example.com" }, "config.callback_url"],
    [{ cron: "0 9 * * *", project_id: "another" }, "config.project_id"],
    [{ cron: "0 9 * * *", automation_user_id: "nobody" }, "config.automation_user_id"],
    [{ cron: "0 9 * * *", crron: 1 }, "config.crron"],
  ]
  for (const [config, field] of bad) {
    test(`${JSON.stringify(config).slice(0, 90)}: ${field}`, async () => {
      const { status, body } = await create(config)
      if (field === "config.automation_user_id") expect([403, 422]).toContain(status)
      else expect([status, body.code, body.field]).toEqual([422, "VALIDATION_ERROR", field])
    })
  }

  test("large, deep and misplaced ones, too", async () => {
    expect((await create({ cron: "0 9 * * *", body: { text: "x".repeat(2_000_000) } })).status).toBe(422)
    expect(
      (await call("POST", base, `{"config":{"cron":"0 9 * * *","body":${'{"a":'.repeat(100)}1${"}".repeat(100)}}}`)).status,
    ).toBe(400)
    expect((await call("POST", base, { cron: "0 9 * * *" })).status).toBe(422)
    expect((await call("POST", base, { type: "interval", config: DAILY })).status).toBe(422)
    expect((await call("POST", base, { config: [] })).status).toBe(422)
    expect((await call("POST", "/v1/workflows/nonsense/triggers", { config: DAILY })).status).toBe(404)
  })

  test("a contributor cannot let runs act as somebody else; an admin can, as somebody who may run", async () => {
    const { contributor, projectAdmin, viewer } = world.people
    const as = (userId: string) => ({ config: { ...DAILY, automation_user_id: userId } })
    expect((await call("POST", base, as(projectAdmin.userId))).status).toBe(403)
    expect((await call("POST", base, as(contributor.userId), world.byPat(projectAdmin))).status).toBe(201)
    expect((await call("POST", base, as(viewer.userId), world.byPat(projectAdmin))).status).toBe(422)
  })
})

test("an archived workflow takes no triggers, and another project's are not there", async () => {
  const id = await world.workflow(undefined, {}, world.byPat(world.people.contributor))
  const made = await call("POST", `/v1/workflows/${id}/triggers`, { config: DAILY })
  const stranger = world.byPat(world.people.otherProject)
  for (const path of ["", `/${made.body.id}`, `/${made.body.id}/fires`, `/${made.body.id}/preview`]) {
    expect((await call("GET", `/v1/workflows/${id}/triggers${path}`, undefined, stranger)).status).toBe(404)
  }
  expect((await call("GET", `${base}/${made.body.id}`)).status).toBe(404)
  await call("DELETE", `/v1/workflows/${id}`)
  expect((await call("POST", `/v1/workflows/${id}/triggers`, { config: DAILY })).status).toBe(409)
})

test("metrics count without naming anybody", async () => {
  const { status, text, headers } = await call("GET", "/metrics")
  expect([status, headers.get("content-type")?.startsWith("text/plain")]).toEqual([200, true])
  expect(text).toContain('agentruntime_trigger_fires_total{outcome="fired"}')
  for (const word of ["acme", world.places.first.project, workflowId, "contributor"]) expect(text).not.toContain(word)
})
