import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Caller, LUA_GRAPH, openWorld, TASK_GRAPH, type World } from "../../helpers/app.ts"

let world: World
let caller: Caller
beforeAll(async () => {
  world = await openWorld()
  caller = world.as(world.people.contributor)
})
afterAll(() => world.close())

const send = (id: string, body: unknown, headers: Record<string, string> = {}) =>
  world.call(caller, "POST", `/v1/workflows/${id}/command`, body, headers)
const start = (id: string, params: object = {}, headers?: Record<string, string>) =>
  send(id, { command: "start", params }, headers)
const read = async (path: string) => (await world.call(caller, "GET", `/v1/workflows/${path}`)).body
const runsOf = async (id: string) => (await read(`${id}/runs`)).total

describe("start", () => {
  test("answers the run, which is on record by then", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const answer = await start(id)
    expect(answer.status).toBe(200)
    expect(answer.body).toEqual({
      run_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      workflow_id: id,
      status: "paused",
      started_at: expect.stringMatching(/^2026-06-10T08:\d\d:\d\d\.\d{3}Z$/),
    })
    const lua = await start(await world.workflow())
    expect(lua.body.status).toBe("running")
    expect(await read(`${id}/runs/${answer.body.run_id}`)).toEqual({
      id: answer.body.run_id,
      run_id: answer.body.run_id,
      workflow_id: id,
      workflow_name: "nightly",
      version: 1,
      tenant_id: "acme",
      project_id: world.places.first.project,
      status: "paused",
      pause_reason: "human_task",
      trigger_type: "api",
      started_at: answer.body.started_at,
      completed_at: null,
      duration_ms: null,
      failure_code: null,
      error: null,
      failed_step_id: null,
      created_by: world.people.contributor.userId,
      parent_run_id: null,
      parent_step_id: null,
    })
  })

  test.each([[{ command: "start" }], [{ command: "start", params: null }], [{ command: "start", params: {} }]])(
    "needs no params: %j",
    async body => {
      expect((await send(await world.workflow(), body)).status).toBe(200)
    },
  )

  test("records where the run came from", async () => {
    const id = await world.workflow()
    const { body } = await start(id, { trigger_type: "manual" })
    expect((await read(`${id}/runs/${body.run_id}`)).trigger_type).toBe("manual")
  })

  test("keeps for whom the run is, and its steps can read it", async () => {
    const who = "local r = run return { user = r.external_user_id, segment = r.segment_id, principal = r.principal_id or 'none' }"
    const id = await world.workflow({ steps: [{ id: "a", type: "lua_script", script: who }] })
    const { body } = await start(id, { external_user_id: "eve", segment_id: "s7" })
    await world.until(id, body.run_id, "completed")
    const { events } = await read(`${id}/runs/${body.run_id}/events`)

    expect(events[0].data).toEqual({ trigger_type: "api", version: 1, identity: { external_user_id: "eve", segment_id: "s7" } })
    expect((await read(`${id}/runs/${body.run_id}/context`)).steps.a.result).toEqual({
      user: "eve",
      segment: "s7",
      principal: "none",
    })
    const refused = await start(id, { principal_id: 7 })
    expect([refused.status, refused.body.error]).toEqual([400, "invalid request body: params.principal_id must be text"])
  })

  test("without a published version is refused", async () => {
    const answer = await start(await world.workflow(LUA_GRAPH, { publish: false }))
    expect([answer.status, answer.body.code]).toEqual([422, "WORKFLOW_NOT_PUBLISHED"])
  })

  test("runs the newest version, or the one asked for; the draft never", async () => {
    const graph = (n: number) => ({ steps: [{ id: "a", type: "lua_script", script: `return { n = ${n} }` }] })
    const id = await world.workflow(graph(1))
    await world.call(caller, "PATCH", `/v1/workflows/${id}`, { graph: graph(2) })
    await world.call(caller, "POST", `/v1/workflows/${id}/versions`, {})
    await world.call(caller, "PATCH", `/v1/workflows/${id}`, { graph: graph(3) })
    const result = async (params: object) => {
      const { body } = await start(id, params)
      const run = await world.until(id, body.run_id, "completed")
      return [run.version, (await read(`${id}/runs/${body.run_id}/context`)).steps.a.result.n]
    }
    expect(await result({})).toEqual([2, 2])
    expect(await result({ version: 1 })).toEqual([1, 1])
    expect(await result({ version: 2 })).toEqual([2, 2])
    expect(await result({ version: null })).toEqual([2, 2])
    const unknown = await start(id, { version: 3 })
    expect([unknown.status, unknown.body.code]).toEqual([404, "NOT_FOUND"])
  })

  test("gives the steps the merged input, and a step's overlay to that step alone", async () => {
    const script = "return { topic = input.topic or 'none', n = input.n or -1 }"
    const graph = {
      steps: [
        { id: "a", type: "lua_script", script },
        { id: "b", type: "lua_script", script },
      ],
    }
    const id = await world.workflow(graph, {
      run_setup: { trigger_payload: { topic: "saved" }, trigger_steps: { b: { n: 7 } } },
      input_schema: { properties: { n: { default: 1 } } },
    })
    const context = async (params: object) => {
      const { body } = await start(id, params)
      await world.until(id, body.run_id, "completed")
      const { input, steps } = await read(`${id}/runs/${body.run_id}/context`)
      return { input, a: steps.a.result, b: steps.b.result }
    }
    expect(await context({})).toEqual({ input: { n: 1 }, a: { topic: "none", n: 1 }, b: { topic: "none", n: 1 } })
    expect(await context({ use_run_setup_defaults: true, trigger_steps: { a: { topic: "only a" } } })).toEqual({
      input: { n: 1, topic: "saved", _steps: { a: { topic: "only a" }, b: { n: 7 } } },
      a: { topic: "only a", n: 1 },
      b: { topic: "saved", n: 7 },
    })
  })

  test("an overlay also goes over the step's own fields", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const runId = await world.start(id, { trigger_steps: { ask: { task_payload: { title: "Only now" } } } })
    expect((await read(`${id}/runs/${runId}/tasks/pending`)).tasks[0].task_payload).toEqual({ title: "Only now" })
  })

  test("leaves out excluded roots", async () => {
    const graph = {
      steps: [
        { id: "a", type: "human_task" },
        { id: "b", type: "lua_script", script: "return {}" },
      ],
    }
    const id = await world.workflow(graph)
    const runId = await world.start(id, { excluded_step_ids: ["a"] })
    await world.until(id, runId, "completed")
    expect((await read(`${id}/runs/${runId}/context`)).steps.a).toMatchObject({ status: "skipped", skip_reason: "excluded" })
  })

  test("of steps to leave out that the workflow does not have is refused", async () => {
    const id = await world.workflow()
    const answer = await start(id, { excluded_step_ids: ["a", "misspelt"] })
    expect([answer.status, answer.body.code]).toEqual([422, "UNKNOWN_STEP"])
    expect(answer.body.error).toContain('"misspelt"')
    expect(await runsOf(id)).toBe(0)
  })

  test.each([
    ["no command", {}],
    ["an unknown command", { command: "restart" }],
    ["a command in capitals", { command: "START" }],
    ["a command that is no text", { command: 1 }],
    ["params that are a list", { command: "start", params: [] }],
    ["params that are text", { command: "start", params: "topic" }],
    ["params that are a number", { command: "start", params: 7 }],
    ["a payload that is a list", { command: "start", params: { trigger_payload: [1] } }],
    ["a payload that is text", { command: "start", params: { trigger_payload: "x" } }],
    ["steps that are no map", { command: "start", params: { trigger_steps: ["a"] } }],
    ["an overlay that is no object", { command: "start", params: { trigger_steps: { a: "x" } } }],
    ["a version that is text", { command: "start", params: { version: "1" } }],
    ["a version of zero", { command: "start", params: { version: 0 } }],
    ["half a version", { command: "start", params: { version: 1.5 } }],
    ["a run_id that is no UUID", { command: "start", params: { run_id: "run-1" } }],
    ["a run_id that is no text", { command: "start", params: { run_id: 7 } }],
    ["an empty idempotency key", { command: "start", params: { idempotency_key: "" } }],
    ["an idempotency key that is too long", { command: "start", params: { idempotency_key: "x".repeat(301) } }],
    ["a trigger_type that is no text", { command: "start", params: { trigger_type: {} } }],
    ["a switch that is neither true nor false", { command: "start", params: { use_run_setup_defaults: "yes" } }],
    ["excluded steps that are no list", { command: "start", params: { excluded_step_ids: "a" } }],
    ["excluded steps that are no ids", { command: "start", params: { excluded_step_ids: [1] } }],
    ["pause without run_id", { command: "pause" }],
    ["resume without run_id", { command: "resume", params: {} }],
    ["stop without run_id", { command: "stop", params: {} }],
    ["stop in an unknown mode", { command: "stop", params: { run_id: "x", mode: "gently" } }],
  ])("%s is refused with 400 and starts nothing", async (_, body) => {
    const id = await world.workflow()
    const answer = await send(id, body)
    expect([answer.status, answer.body.code]).toEqual([400, "INVALID_BODY"])
    expect(answer.body.error).toStartWith("invalid request body: ")
    expect(await runsOf(id)).toBe(0)
  })

  test("a header Idempotency-Key that is too long is refused", async () => {
    expect((await start(await world.workflow(), {}, { "idempotency-key": "x".repeat(301) })).status).toBe(400)
  })

  test("an input that is too large answers 413", async () => {
    const answer = await start(await world.workflow(), { trigger_payload: { x: "x".repeat(2 * 1024 * 1024) } })
    expect([answer.status, answer.body.code]).toEqual([413, "BODY_TOO_LARGE"])
  })
})

describe("a start that waits (Prefer: wait)", () => {
  const WAIT = { prefer: "respond-async, wait=60" }

  test("answers with what the run came to", async () => {
    const steps = [
      { id: "a", type: "lua_script", script: "return { n = input.n + 1 }" },
      { id: "b", type: "lua_script", script: "return { twice = steps.a.result.n * 2 }", depends_on: ["a"] },
    ]
    const { status, body } = await start(await world.workflow({ steps }), { n: 20 }, WAIT)
    expect([status, body.status, body.output]).toEqual([200, "completed", { b: { twice: 42 } }])
  })

  test("answers with the error of a run that failed", async () => {
    const { body } = await start(
      await world.workflow({ steps: [{ id: "a", type: "lua_script", script: "error('no luck')" }] }),
      {},
      WAIT,
    )
    expect(body).toMatchObject({ status: "failed", error: expect.stringContaining("no luck") })
    expect(body.output).toBeUndefined()
  })

  test("answers when the run needs a person, and at once when it ended at its start", async () => {
    const steps = [
      { id: "a", type: "lua_script", script: "return {}" },
      { id: "ask", type: "human_task", depends_on: ["a"] },
    ]
    expect((await start(await world.workflow({ steps }), {}, WAIT)).body.status).toBe("paused")
    const off = await world.workflow({ steps: [{ id: "a", type: "human_task", enabled: false }] })
    expect((await start(off, {}, WAIT)).body).toMatchObject({ status: "completed", output: { a: null } })
  })

  test("answers as it stands when the time is over, and a repeated one waits for the same run", async () => {
    const slow = {
      id: "a",
      type: "lua_script",
      script: "for i = 1, 1e9 do end return { done = 1 }",
      timeout_s: 30,
    }
    const id = await world.workflow({ steps: [slow] })
    const from = performance.now()
    const first = await start(id, {}, { prefer: "wait=1", "idempotency-key": "slow" })
    expect(first.body.status).toBe("running")
    expect(performance.now() - from).toBeGreaterThan(900)
    const again = await start(id, {}, { ...WAIT, "idempotency-key": "slow" })
    expect(again.body).toMatchObject({ run_id: first.body.run_id, status: "completed", output: { a: { done: 1 } } })
    expect(await runsOf(id)).toBe(1)
  })

  test("of many waits for its own run each, and leaves nothing behind", async () => {
    const id = await world.workflow({ steps: [{ id: "a", type: "lua_script", script: "return { n = input.n }" }] })
    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => start(id, { n }, WAIT)))
    expect(answers.map(a => a.body.output)).toEqual(Array.from({ length: 40 }, (_, n) => ({ a: { n } })))
  })

  test.each(["", "wait", "wait=", "wait=abc", "await=5", "wait=0"])("does not wait for %p", async prefer => {
    const { body } = await start(await world.workflow(), {}, { prefer })
    expect(body).toMatchObject({ status: "running" })
    expect(body.output).toBeUndefined()
  })
})

describe("a start that is repeated", () => {
  test("with the same run_id answers the run that is there", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const run_id = Bun.randomUUIDv7()
    const first = await start(id, { run_id })
    expect(first.body.run_id).toBe(run_id)
    const again = await start(id, { run_id, trigger_payload: { other: true } })
    expect([again.status, again.body]).toEqual([200, first.body])
    expect(await runsOf(id)).toBe(1)
  })

  test("with the same run_id answers how the run is by now", async () => {
    const id = await world.workflow()
    const run_id = Bun.randomUUIDv7()
    await start(id, { run_id })
    await world.until(id, run_id, "completed")
    expect((await start(id, { run_id })).body).toMatchObject({ run_id, status: "completed" })
  })

  test("with the same idempotency key, in params or as a header, answers the first run", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const first = await start(id, { idempotency_key: "k-1" })
    for (const again of [await start(id, { idempotency_key: "k-1" }), await start(id, {}, { "idempotency-key": "k-1" })])
      expect([again.status, again.body]).toEqual([200, first.body])
    expect((await start(id, { idempotency_key: "k-2" }, { "idempotency-key": "k-1" })).body.run_id).not.toBe(first.body.run_id)
    expect(await runsOf(id)).toBe(2)
  })

  test("with the same idempotency key for something else is refused, so that nobody believes it was started", async () => {
    const id = await world.workflow(TASK_GRAPH)
    await start(id, { idempotency_key: "k", trigger_payload: { order: 1 } })
    const other = await start(id, { idempotency_key: "k", trigger_payload: { order: 2 } })
    expect([other.status, other.body.code]).toEqual([409, "IDEMPOTENCY_CONFLICT"])
    expect(await runsOf(id)).toBe(1)
  })

  test("with the same idempotency key, but asking for something else, is a conflict", async () => {
    const id = await world.workflow(TASK_GRAPH)
    await start(id, { idempotency_key: "once", trigger_payload: { n: 1 } })
    for (const params of [{}, { trigger_payload: { n: 2 } }, { trigger_payload: { n: 1 }, version: 1 }]) {
      const answer = await start(id, { idempotency_key: "once", ...params })
      expect([answer.status, answer.body.code]).toEqual([409, "IDEMPOTENCY_CONFLICT"])
    }
    expect((await start(id, { trigger_payload: { n: 1 } }, { "idempotency-key": "once" })).status).toBe(200)
    expect(await runsOf(id)).toBe(1)
  })

  test("with the same run_id in capitals is the same run", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const run_id = Bun.randomUUIDv7()
    await start(id, { run_id })
    expect((await start(id, { run_id: run_id.toUpperCase() })).body.run_id).toBe(run_id)
    expect((await send(id, { command: "pause", params: { run_id: run_id.toUpperCase() } })).body).toMatchObject({
      run_id,
      status: "paused",
    })
    expect(await runsOf(id)).toBe(1)
  })

  test("fifty times at once with one key starts exactly one run", async () => {
    const id = await world.workflow(TASK_GRAPH)
    const answers = await Promise.all(Array.from({ length: 50 }, () => start(id, { idempotency_key: "race" })))
    expect(new Set(answers.map(a => a.status))).toEqual(new Set([200]))
    expect(new Set(answers.map(a => a.body.run_id)).size).toBe(1)
    expect(await runsOf(id)).toBe(1)
    expect((await read(`${id}/runs/${answers[0]!.body.run_id}/tasks/pending`)).total).toBe(1)
  })

  test("fifty times at once with one run_id starts exactly one run, and its script once", async () => {
    const id = await world.workflow()
    const run_id = Bun.randomUUIDv7()
    const answers = await Promise.all(Array.from({ length: 50 }, () => start(id, { run_id })))
    expect(answers.every(a => a.status === 200 && a.body.run_id === run_id)).toBe(true)
    await world.until(id, run_id, "completed")
    const { events } = await read(`${id}/runs/${run_id}/events`)
    expect(events.map((e: { event_type: string }) => e.event_type)).toEqual([
      "run_started",
      "step_started",
      "step_completed",
      "state_changed",
    ])
  })

  test("with a key or run_id that another workflow used is a conflict", async () => {
    const [one, two] = [await world.workflow(TASK_GRAPH), await world.workflow(TASK_GRAPH)]
    const run_id = Bun.randomUUIDv7()
    await start(one, { run_id, idempotency_key: "mine" })
    const byKey = await start(two, { idempotency_key: "mine" })
    expect([byKey.status, byKey.body.code]).toEqual([409, "IDEMPOTENCY_CONFLICT"])
    const byId = await start(two, { run_id })
    expect([byId.status, byId.body.code]).toEqual([409, "RUN_ID_TAKEN"])
    expect(await runsOf(two)).toBe(0)
  })

  test("in another project a key is free, and a taken run_id tells nothing of its run", async () => {
    const one = await world.workflow(TASK_GRAPH)
    const run_id = Bun.randomUUIDv7()
    await start(one, { run_id, idempotency_key: "shared" })
    const elsewhere = world.as(world.people.otherProject, world.places.second)
    const other = await world.workflow(TASK_GRAPH, {}, elsewhere)
    const free = await world.command(other, "start", { idempotency_key: "shared" }, elsewhere)
    expect(free.status).toBe(200)
    expect(free.body.run_id).not.toBe(run_id)
    const taken = await world.command(other, "start", { run_id }, elsewhere)
    expect([taken.status, Object.keys(taken.body).sort()]).toEqual([409, ["code", "error"]])
  })
})

describe("pause, resume and stop", () => {
  const BRANCHES = {
    steps: [
      { id: "ask", type: "human_task" },
      { id: "then", type: "lua_script", script: "return {}", depends_on: ["ask"] },
    ],
  }
  const running = async () => {
    const id = await world.workflow(BRANCHES)
    return { id, run_id: await world.start(id) }
  }
  const command = (name: string, { id, run_id }: { id: string; run_id: string }, more: object = {}) =>
    send(id, { command: name, params: { run_id, ...more } })

  test("answer the run with its new status", async () => {
    const run = await running()
    const started_at = (await read(`${run.id}/runs/${run.run_id}`)).started_at
    const answer = (status: string) => ({ run_id: run.run_id, workflow_id: run.id, status, started_at })
    const paused = await command("pause", run)
    expect([paused.status, paused.body]).toEqual([200, answer("paused")])
    expect(await read(`${run.id}/runs/${run.run_id}`)).toMatchObject({ status: "paused", pause_reason: "operator" })
    // A person's answer counts, but nothing new starts.
    await world.call(caller, "POST", `/v1/workflows/${run.id}/runs/${run.run_id}/tasks/ask/complete`, { approved: true })
    expect((await read(`${run.id}/runs/${run.run_id}/context`)).steps.then.status).toBe("pending")
    const resumed = await command("resume", run)
    expect([resumed.status, resumed.body]).toEqual([200, answer("running")])
    await world.until(run.id, run.run_id, "completed")
  })

  test("resume of a run that waits for a person says so", async () => {
    const answer = await command("resume", await running())
    expect([answer.status, answer.body]).toEqual([
      409,
      { error: expect.stringContaining("pending task"), code: "RUN_AWAITING_TASK", status: "paused" },
    ])
  })

  test("stop ends the run for good, at once or gracefully, and its tasks with it", async () => {
    for (const mode of [undefined, "immediate", "graceful"]) {
      const run = await running()
      const answer = await command("stop", run, mode === undefined ? {} : { mode })
      expect([answer.status, answer.body.status]).toEqual([200, "stopped"])
      expect(await read(`${run.id}/runs/${run.run_id}`)).toMatchObject({
        status: "stopped",
        failure_code: "RUN_STOPPED",
        pause_reason: null,
      })
      expect((await read(`${run.id}/runs/${run.run_id}/tasks/pending`)).tasks).toEqual([])
    }
  })

  test("a graceful stop lets a step under way end, and says draining until then", async () => {
    const slow = "local s = 0 for i = 1, 60000000 do s = s + i end return {}"
    const id = await world.workflow({
      steps: [
        { id: "a", type: "lua_script", script: slow, timeout_s: 30 },
        { id: "b", type: "lua_script", script: "return {}", depends_on: ["a"] },
      ],
    })
    const run = { id, run_id: await world.start(id) }
    const answer = await command("stop", run, { mode: "graceful" })
    expect([answer.status, answer.body.status]).toEqual([200, "draining"])
    expect((await command("stop", run, { mode: "graceful" })).body.code).toBe("INVALID_RUN_STATE")
    await world.until(id, run.run_id, "stopped")
    const { steps } = await read(`${id}/runs/${run.run_id}/context`)
    expect([steps.a.status, steps.b.status]).toEqual(["completed", "pending"])
  })

  test.each([
    ["completed", { approved: true }],
    ["stopped", null],
  ] as const)("of a %s run are conflicts that name its status", async (status, approval) => {
    const run = await running()
    if (approval) await world.call(caller, "POST", `/v1/workflows/${run.id}/runs/${run.run_id}/tasks/ask/complete`, approval)
    else await command("stop", run)
    await world.until(run.id, run.run_id, status)
    for (const name of ["pause", "resume", "stop"]) {
      const answer = await command(name, run)
      expect([answer.status, answer.body]).toEqual([409, { error: `run is ${status}`, code: "INVALID_RUN_STATE", status }])
    }
  })

  test("pause twice, or resume of what is not paused, is a conflict", async () => {
    const run = await running()
    await command("pause", run)
    expect((await command("pause", run)).body).toEqual({ error: "run is paused", code: "INVALID_RUN_STATE", status: "paused" })
  })

  test("of a run that is not there, or not of this workflow, answer 404", async () => {
    const run = await running()
    const other = await world.workflow(TASK_GRAPH)
    for (const name of ["pause", "resume", "stop"]) {
      for (const wrong of [
        { ...run, run_id: Bun.randomUUIDv7() },
        { ...run, run_id: "no-uuid" },
        { ...run, id: other },
        { ...run, id: "x" },
      ]) {
        const answer = await command(name, wrong)
        expect([answer.status, answer.body.code]).toEqual([404, "NOT_FOUND"])
      }
    }
  })

  test("two at once: one wins, the other is a conflict", async () => {
    const run = await running()
    const answers = await Promise.all([command("stop", run), command("stop", run), command("pause", run)])
    expect(answers.map(a => a.status).sort()).toEqual([200, 409, 409])
  })
})
