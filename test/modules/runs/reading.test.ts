import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Caller, LUA_GRAPH, openWorld, TASK_GRAPH, type World } from "../../helpers/app.ts"

let world: World
let caller: Caller
beforeAll(async () => {
  world = await openWorld()
  caller = world.as(world.people.contributor)
})
afterAll(() => world.close())

const get = (path: string, as = caller) => world.call(as, "GET", path)
const read = async (path: string) => (await get(`/v1/workflows/${path}`)).body
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

const FAILING = {
  steps: [
    { id: "bad", type: "lua_script", name: "Bad one", script: "error('no luck')" },
    { id: "ask", type: "human_task", name: "Ask" },
    { id: "after", type: "human_task", depends_on: ["ask"] },
  ],
}

describe("a run's events", () => {
  test("are complete records, oldest first, numbered without gaps", async () => {
    const id = await world.workflow(LUA_GRAPH)
    const runId = await world.start(id, { trigger_type: "manual" })
    await world.until(id, runId, "completed")
    const body = await read(`${id}/runs/${runId}/events`)
    expect(body).toMatchObject({ total: 4, limit: 1000, after_seq: 0 })
    expect(body.events.map((e: { seq: number }) => e.seq)).toEqual([1, 2, 3, 4])
    const record = (seq: number, event_type: string, step: string | null, data: unknown) => ({
      id: expect.stringMatching(UUID),
      seq,
      run_id: runId,
      workflow_id: id,
      step_id: step,
      step_name: step && "A",
      step_type: step && "lua_script",
      event_type,
      type: event_type,
      data,
      created_at: expect.stringMatching(MOMENT),
      timestamp: expect.stringMatching(MOMENT),
    })
    expect(body.events).toEqual([
      record(1, "run_started", null, { trigger_type: "manual", version: 1 }),
      record(2, "step_started", "a", expect.objectContaining({ attempt: 1 })),
      record(3, "step_completed", "a", { result: { seen: "nothing" }, duration_ms: expect.any(Number), attempt: 1 }),
      record(4, "state_changed", null, { from: "running", to: "completed" }),
    ])
    for (const event of (await read(`${id}/runs/${runId}/events`)).events) expect(event.timestamp).toBe(event.created_at)
  })

  test("have ids of their own, the same at every reading", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const ids = async (runId: string) => (await read(`${id}/runs/${runId}/events`)).events.map((e: { id: string }) => e.id)
    const [one, two] = [await world.start(id), await world.start(id)]
    const first = await ids(one)
    expect(await ids(one)).toEqual(first)
    expect(new Set([...first, ...(await ids(two))]).size).toBe(first.length * 2)
  })

  test("come a page at a time, from after a number", async () => {
    const id = await world.workflow(LUA_GRAPH)
    const runId = await world.start(id)
    await world.until(id, runId, "completed")
    const page = async (query: string) => {
      const body = await read(`${id}/runs/${runId}/events?${query}`)
      return [body.events.map((e: { seq: number }) => e.seq), body.total, body.limit, body.after_seq]
    }
    expect(await page("limit=2")).toEqual([[1, 2], 4, 2, 0])
    expect(await page("limit=2&after_seq=2")).toEqual([[3, 4], 4, 2, 2])
    expect(await page("after_seq=4")).toEqual([[], 4, 1000, 4])
    expect(await page("after_seq=999999")).toEqual([[], 4, 1000, 999999])
    for (const query of ["after_seq=-1", "after_seq=x", "after_seq=1.5"])
      expect((await get(`/v1/workflows/${id}/runs/${runId}/events?${query}`)).status).toBe(400)
  })

  test("of a failure come in the contract's order, in one commit", async () => {
    const id = await world.workflow(FAILING)
    const runId = await world.start(id)
    await world.until(id, runId, "failed")
    const { events } = await read(`${id}/runs/${runId}/events`)
    const after = events.slice(events.findIndex((e: { event_type: string }) => e.event_type === "step_failed"))
    expect(after.map((e: { event_type: string; step_id: string; data: unknown }) => [e.event_type, e.step_id, e.data])).toEqual([
      [
        "step_failed",
        "bad",
        expect.objectContaining({ error: expect.stringContaining("no luck"), failure_code: "LUA_SCRIPT_FAILED", attempt: 1 }),
      ],
      ["step_cancelled", "ask", { cancelled: true, reason: "run_failed", caused_by_step_id: "bad" }],
      ["step_completed", "after", { skipped: true, reason: "blocked", caused_by_step_id: "bad" }],
      [
        "state_changed",
        null,
        expect.objectContaining({ from: "running", to: "failed", failure_code: "LUA_SCRIPT_FAILED", failed_step_id: "bad" }),
      ],
    ])
    expect(new Set(after.map((e: { created_at: string }) => e.created_at)).size).toBe(1)
    expect(await read(`${id}/runs/${runId}`)).toMatchObject({
      status: "failed",
      failure_code: "LUA_SCRIPT_FAILED",
      failed_step_id: "bad",
      error: expect.stringContaining("no luck"),
      completed_at: expect.stringMatching(MOMENT),
      duration_ms: expect.any(Number),
    })
  })

  test("show moments as timestamps", async () => {
    const graph = { steps: [{ id: "ask", type: "human_task", timeout_s: 60 }] }
    const id = await world.workflow(graph)
    const runId = await world.start(id)
    const { events } = await read(`${id}/runs/${runId}/events`)
    const created = events.find((e: { event_type: string }) => e.event_type === "human_task_created")
    expect(Date.parse(created.data.expires_at) - Date.parse(created.created_at)).toBe(60_000)
  })
})

describe("a run's context", () => {
  test("of an episode says who has entry, what may run, and who handed over", async () => {
    const steps = [
      { id: "gate", type: "human_task", no_auto_start: true },
      { id: "after", type: "human_task", depends_on: ["gate"], terminal: true },
      { id: "other", type: "human_task", no_auto_start: true },
    ]
    const id = await world.workflow({ steps })
    const runId = await world.start(id, { trigger_steps: { gate: {} } })
    await world.until(id, runId, "paused")
    const { custom } = await read(`${id}/runs/${runId}/context`)
    expect(custom).toEqual({
      episode: {
        entry_granted: { gate: true },
        in_scope: { gate: true, after: true },
        runtime_depends_on: {},
        episode_closed: false,
      },
    })
  })

  test("holds input, and every step with its result", async () => {
    const graph = {
      steps: [
        { id: "a-b", type: "lua_script", script: "return { n = input.n + 1 }" },
        { id: "off", type: "human_task", enabled: false },
        { id: "never", type: "human_task", condition: "{{steps.a-b.result.none}}", depends_on: ["a-b"] },
        { id: "ask", type: "human_task", task_payload: { n: "{{steps.a-b.result.n}}" }, depends_on: ["a-b"] },
        { id: "last", type: "human_task", depends_on: ["ask"] },
      ],
    }
    const id = await world.workflow(graph)
    const runId = await world.start(id, { n: 41 })
    await world.until(id, runId, "paused")
    const answer = await get(`/v1/workflows/${id}/runs/${runId}/context`)
    expect(answer.status).toBe(200)
    expect(Object.keys(answer.body).sort()).toEqual(["custom", "input", "run_id", "status", "steps", "variables"])
    expect(answer.body).toMatchObject({ run_id: runId, status: "paused", input: { n: 41 }, variables: {}, custom: {} })
    const { steps } = answer.body
    expect(Object.keys(steps)).toEqual(["a-b", "off", "never", "ask", "last"])
    for (const step of Object.values(steps))
      expect(Object.keys(step as object).sort()).toEqual([
        "attempt",
        "completed_at",
        "error",
        "failure_code",
        "input",
        "result",
        "skip_reason",
        "started_at",
        "status",
      ])
    expect(steps["a-b"]).toMatchObject({
      status: "completed",
      attempt: 1,
      result: { n: 42 },
      error: null,
      failure_code: null,
      skip_reason: null,
    })
    expect(steps["a-b"].started_at).toMatch(MOMENT)
    expect(steps["a-b"].completed_at).toMatch(MOMENT)
    expect(steps.off).toMatchObject({ status: "skipped", skip_reason: "step_disabled", result: null, started_at: null })
    expect(steps.never).toMatchObject({ status: "skipped", skip_reason: "condition_false" })
    expect(steps.ask).toMatchObject({ status: "waiting", input: { task_payload: { n: 42 } }, result: null, completed_at: null })
    expect(steps.last).toMatchObject({ status: "pending", attempt: 0, started_at: null })
  })

  test("keeps a step whose id is a word of JavaScript", async () => {
    const names = ["__proto__", "constructor", "toString"]
    const id = await world.workflow({
      steps: names.map(name => ({ id: name, type: "lua_script", script: "return { ok = true }" })),
    })
    const runId = await world.start(id, JSON.parse('{"trigger_payload":{"__proto__":{"x":1}}}'))
    await world.until(id, runId, "completed")
    const { text } = await get(`/v1/workflows/${id}/runs/${runId}/context`)
    const { steps, input } = JSON.parse(text)
    expect(Object.keys(steps)).toEqual(names)
    expect(JSON.stringify(input)).toBe('{"__proto__":{"x":1}}')
  })
})

describe("a run's summary", () => {
  test("is the run with counts and its phase", async () => {
    const id = await world.workflow(FAILING)
    const waiting = await world.workflow(TASK_GRAPH)
    const [failed, paused] = [await world.start(id), await world.start(waiting)]
    await world.until(id, failed, "failed")
    const run = await read(`${waiting}/runs/${paused}`)
    expect(await read(`${waiting}/runs/${paused}/summary`)).toEqual({
      ...run,
      orchestration_phase: "waiting_human",
      session_id: null,
      run_complete: false,
      steps: { total: 1, completed: 0, failed: 0, skipped: 0, cancelled: 0, running: 1, pending: 0 },
      pending_tasks: 1,
    })
    expect(await read(`${id}/runs/${failed}/summary`)).toMatchObject({
      orchestration_phase: "done",
      run_complete: true,
      steps: { total: 3, completed: 0, failed: 1, skipped: 1, cancelled: 1, running: 0, pending: 0 },
      pending_tasks: 0,
    })
  })
})

describe("lists of runs", () => {
  let fresh: World
  let places: { first: Caller; second: Caller; foreign: Caller }
  const ids: Record<string, string> = {}
  const flows: Record<string, string> = {}
  const feed = async (as: Caller, query = "") => {
    const { status, body } = await fresh.call(as, "GET", `/v1/runs${query}`)
    expect(status).toBe(200)
    const names = Object.fromEntries(Object.entries(ids).map(([name, id]) => [id, name]))
    return body.runs.map((r: { run_id: string }) => names[r.run_id])
  }

  beforeAll(async () => {
    fresh = await openWorld()
    const { people } = fresh
    places = {
      first: fresh.as(people.contributor),
      second: fresh.as(people.otherProject, fresh.places.second),
      foreign: fresh.as(people.otherTenant, fresh.places.otherTenant),
    }
    flows.task = await fresh.workflow(TASK_GRAPH)
    flows.lua = await fresh.workflow(LUA_GRAPH)
    flows.second = await fresh.workflow(TASK_GRAPH, {}, places.second)
    flows.foreign = await fresh.workflow(TASK_GRAPH, {}, places.foreign)
    ids.oldest = await fresh.start(flows.task)
    fresh.time.now = Date.UTC(2026, 5, 11)
    ids.done = await fresh.start(flows.lua)
    await fresh.until(flows.lua, ids.done, "completed")
    ids.second = await fresh.start(flows.second, {}, places.second)
    ids.foreign = await fresh.start(flows.foreign, {}, places.foreign)
    fresh.time.now = Date.UTC(2026, 5, 12)
    ids.stopped = await fresh.start(flows.task)
    await fresh.command(flows.task, "stop", { run_id: ids.stopped })
    ids.newest = await fresh.start(flows.task)
  })
  afterAll(() => fresh.close())

  test("show the newest first, of the projects that the caller may view", async () => {
    const { people } = fresh
    const tenantWide = (who: keyof typeof people): Caller => ({ session: people[who].session })
    const at = (as: Caller) => ({ ...as, place: null })
    const ofTenant = { "x-tenant-id": "acme" }
    const all = async (as: Caller) => {
      const { body } = await fresh.call(at(as), "GET", "/v1/runs", undefined, ofTenant)
      return body.runs.map((r: { run_id: string }) => Object.keys(ids).find(name => ids[name] === r.run_id))
    }
    expect(await all(tenantWide("viewer"))).toEqual(["newest", "stopped", "done", "oldest"])
    expect(await all(tenantWide("otherProject"))).toEqual(["second"])
    expect(await all(tenantWide("tenantAdmin"))).toEqual(["newest", "stopped", "second", "done", "oldest"])
    // A project in the headers narrows it.
    expect(await feed(fresh.as(people.tenantAdmin, fresh.places.second))).toEqual(["second"])
    expect(await feed(places.foreign)).toEqual(["foreign"])
    expect(await feed(fresh.byPat(people.viewer))).toEqual(["newest", "stopped", "done", "oldest"])
  })

  test("are filtered by status, once, repeated, or with commas", async () => {
    const by = (query: string) => feed(places.first, query)
    expect(await by("?status=paused")).toEqual(["newest", "oldest"])
    expect(await by("?status=completed,stopped")).toEqual(["stopped", "done"])
    expect(await by("?status=completed&status=stopped")).toEqual(["stopped", "done"])
    expect(await by("?status=completed,stopped&status=paused")).toEqual(["newest", "stopped", "done", "oldest"])
    expect(await by("?status=running")).toEqual([])
    expect(await by("?status=nonsense")).toEqual([])
    expect(await by("?status=")).toEqual(["newest", "stopped", "done", "oldest"])
  })

  test("are filtered by workflow and by moment, together with everything else", async () => {
    const by = (query: string) => feed(places.first, query)
    expect(await by(`?workflow_id=${flows.lua}`)).toEqual(["done"])
    expect(await by(`?workflow_id=${flows.second}`)).toEqual([])
    expect(await by(`?workflow_id=${flows.foreign}`)).toEqual([])
    expect(await by("?since=2026-06-11T00:00:00Z")).toEqual(["newest", "stopped", "done"])
    expect(await by("?since=2026-06-12T02:00:00%2B02:00")).toEqual(["newest", "stopped"])
    expect(await by(`?since=2026-06-12T00:00:00Z&status=paused&workflow_id=${flows.task}`)).toEqual(["newest"])
    for (const since of ["yesterday", "2026-13-01", "", "1", "2026"]) {
      const { status, body } = await fresh.call(places.first, "GET", `/v1/runs?since=${since}`)
      expect({ since, status, names: /since/.test(body.error) }).toEqual({ since, status: 400, names: true })
    }
  })

  test("come a page at a time with the total of the filter", async () => {
    const { body } = await fresh.call(places.first, "GET", "/v1/runs?limit=1&offset=1&status=paused")
    expect(body).toMatchObject({ total: 2, limit: 1, offset: 1, runs: [{ run_id: ids.oldest, id: ids.oldest }] })
    for (const query of ["limit=0", "limit=101", "limit=-1", "limit=abc", "offset=-1"])
      expect((await fresh.call(places.first, "GET", `/v1/runs?${query}`)).status).toBe(400)
  })

  test("of one workflow hold its runs only, with the same filters", async () => {
    const { body } = await fresh.call(places.first, "GET", `/v1/workflows/${flows.task}/runs`)
    expect(body.runs.map((r: { run_id: string }) => r.run_id)).toEqual([ids.newest!, ids.stopped!, ids.oldest!])
    expect(body).toMatchObject({ total: 3, limit: 20, offset: 0 })
    const filtered = await fresh.call(places.first, "GET", `/v1/workflows/${flows.task}/runs?status=stopped&limit=5`)
    expect(filtered.body).toMatchObject({ total: 1, limit: 5, runs: [{ status: "stopped", failure_code: "RUN_STOPPED" }] })
  })

  test("keep the workflow's name as it was at the start", async () => {
    await fresh.call(places.first, "PATCH", `/v1/workflows/${flows.lua}`, { name: "renamed" })
    const { body } = await fresh.call(places.first, "GET", `/v1/workflows/${flows.lua}/runs`)
    expect(body.runs[0].workflow_name).toBe("nightly")
  })
})
