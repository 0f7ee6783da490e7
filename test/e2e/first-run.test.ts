import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { join } from "node:path"
import { connect } from "../../src/storage/sqlite/driver.ts"
import { type Client, type Ended, Home, type Server, until, type Wire } from "./server.ts"

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

// Bun's toMatchObject writes its matchers into the object it is given, hence the copies.
const home = new Home()
let first: Ended
let again: Ended
let made: Wire
let server: Server
let client: Client
let instance: string

beforeAll(async () => {
  const scopes = "workflow:read,workflow:run,mcp:execute,mcp:read,mcp:write"
  const args = ["init", "--data", home.data, "--email", "ops@example.com", "--password-stdin", "--workspace", "acme"]
  const more = ["--project", "main", "--pat-scopes", scopes, "--json"]
  first = await home.run([...args, ...more], { stdin: "correct horse battery staple\n" })
  again = await home.run([...args, ...more], { stdin: "correct horse battery staple\n" })
  made = JSON.parse(first.stdout)
  server = await home.serve()
  client = server.client(made.pat)
  instance = await client.sqlite("shop.db")
  await runToEnd([
    call("make", "sqlite_execute_sql", {
      sql: "CREATE TABLE orders (id INTEGER PRIMARY KEY, topic TEXT, amount INTEGER); CREATE TABLE reports (id INTEGER PRIMARY KEY, text TEXT UNIQUE); INSERT INTO orders (topic, amount) VALUES ('ops', 3), ('ops', 4), ('law', 9);",
    }),
  ])
})
afterAll(() => home.remove())

interface Controls {
  readonly depends_on?: readonly string[]
  readonly [field: string]: unknown
}

function call(id: string, tool_name: string, tool_args: object, controls: Controls = {}) {
  return { id, type: "mcp_call", name: `Call ${id}`, instance_id: instance, tool_name, tool_args, ...controls }
}

function lua(id: string, script: string, controls: Controls = {}) {
  return { id, type: "lua_script", name: `Script ${id}`, script, ...controls }
}

function person(id: string, controls: Controls = {}) {
  return { id, type: "human_task", name: `Ask ${id}`, task_type: "approval", ...controls }
}

async function runToEnd(steps: readonly object[], params: object = {}) {
  const workflow = await client.publish("to its end", steps)
  const run = await client.reaches(workflow, await client.start(workflow, params), "completed", "failed", "stopped")
  return { workflow, run, events: await client.events(workflow, run.run_id), context: await client.context(workflow, run.run_id) }
}

/** Type, step, and what its kind is about; e.g. `step_completed b blocked`. */
function line({ event_type, step_id, data }: Wire): string {
  const about = data.skipped ? data.reason : (data.to ?? "")
  return [event_type, step_id, about].filter(part => part).join(" ")
}

describe("init", () => {
  test("makes workspace, project, admin and token, and says so in one line of JSON", () => {
    expect(first).toMatchObject({ code: 0, stderr: "" })
    expect(first.stdout.trim().split("\n")).toHaveLength(1)
    expect(made).toEqual({
      tenant: "acme",
      project_id: expect.stringMatching(UUID),
      user_id: expect.stringMatching(UUID),
      pat: expect.stringMatching(/^pat_[\w-]{30,}$/),
    })
  })

  test("does nothing the second time, and prints no secret twice", () => {
    expect(again.code).toBe(0)
    expect(JSON.parse(again.stdout)).toEqual({ ...made, pat: null })
    expect(again.stdout + again.stderr).not.toContain(made.pat)
  })
})

describe("a workflow with a branch, a script, a person and a write, with the token alone", () => {
  const seen: { workflow: Wire; version: Wire; started: Wire; paused: Wire; tasks: Wire; done: Wire } = {} as never
  let events: readonly Wire[] = []
  let context: Wire

  beforeAll(async () => {
    const steps = [
      call(
        "load",
        "sqlite_query",
        { sql: "SELECT amount FROM orders WHERE topic = ?", args: ["{{input.topic}}"] },
        { timeout_s: 10 },
      ),
      lua("sum", "local n = 0 for _, r in ipairs(steps.load.result.rows) do n = n + r.amount end return { total = n }", {
        depends_on: ["load"],
      }),
      lua("side", "return { topic = input.topic }", { depends_on: ["load"] }),
      person("approve-mail", {
        depends_on: ["sum"],
        task_payload: { title: "Store {{steps.sum.result.total}}?", sum: "{{steps.sum.result}}" },
      }),
      call(
        "store",
        "sqlite_execute",
        {
          sql: "INSERT INTO reports (text) VALUES (?)",
          args: ["{{input.topic}}: {{steps.sum.result.total}} {{steps.approve-mail.result.note}}"],
        },
        { depends_on: ["approve-mail", "side"] },
      ),
    ]
    seen.workflow = await client.ok("POST", "/v1/workflows", { name: "nightly-report", description: "KPI", graph: { steps } })
    seen.version = await client.ok("POST", `/v1/workflows/${seen.workflow.id}/versions`, { changelog: "first" })
    const { id } = seen.workflow
    seen.started = await client.command(id, "start", { trigger_type: "api", trigger_payload: { topic: "ops" } })
    seen.paused = await client.reaches(id, seen.started.run_id, "paused")
    seen.tasks = {
      all: await client.get("/v1/tasks/pending"),
      own: await client.get(`/v1/workflows/${id}/runs/${seen.started.run_id}/tasks/pending`),
    }
    const answered = await client.approve(id, seen.started.run_id, "approve-mail", {
      approved: true,
      result: { note: "fine", approved: false },
    })
    expect(answered).toEqual({ status: "completed", task_id: "approve-mail", approved: true })
    seen.done = await client.reaches(id, seen.started.run_id, "completed", "failed")
    events = await client.events(id, seen.started.run_id)
    context = await client.context(id, seen.started.run_id)
  })

  test("is created as a draft and published as version 1", () => {
    expect({ ...seen.workflow }).toMatchObject({
      ...{ id: expect.stringMatching(UUID), name: "nightly-report", description: "KPI", tenant_id: "acme" },
      ...{ project_id: made.project_id, status: "draft", latest_version: null, created_by: made.user_id },
      ...{ created_at: expect.stringMatching(MOMENT), updated_at: expect.stringMatching(MOMENT), archived_at: null },
    })
    expect({ ...seen.version }).toMatchObject({
      version: 1,
      workflow_id: seen.workflow.id,
      changelog: "first",
      published_by: made.user_id,
    })
    expect(seen.version.graph_snapshot).toEqual(seen.workflow.graph)
  })

  test("starts at once and pauses for the person, whose task is in both lists", () => {
    expect(seen.started).toEqual({
      ...{ run_id: expect.stringMatching(UUID), workflow_id: seen.workflow.id, status: "running" },
      started_at: expect.stringMatching(MOMENT),
    })
    expect({ ...seen.paused }).toMatchObject({
      status: "paused",
      pause_reason: "human_task",
      completed_at: null,
      duration_ms: null,
    })
    const task = {
      ...{ id: "approve-mail", task_id: "approve-mail", run_id: seen.started.run_id, workflow_id: seen.workflow.id },
      ...{ workflow_name: "nightly-report", step_id: "approve-mail", step_name: "Ask approve-mail", task_type: "approval" },
      ...{ task_payload: { title: "Store 7?", sum: { total: 7 } }, status: "pending", expires_at: null },
      created_at: expect.stringMatching(MOMENT),
    }
    expect(seen.tasks.all).toEqual({ tasks: [task], total: 1, limit: 20, offset: 0 })
    expect(seen.tasks.own).toEqual(seen.tasks.all)
  })

  test("records what happened, in an order that its dependencies allow", () => {
    const lines = events.map(line)
    const before = (a: string, b: string) =>
      expect({ a, b, inOrder: lines.indexOf(a) < lines.indexOf(b) }).toEqual({ a, b, inOrder: true })
    expect(lines.toSorted()).toEqual(
      [
        "run_started",
        ...["load", "sum", "side", "approve-mail", "store"].flatMap(id => [`step_started ${id}`, `step_completed ${id}`]),
        ...["human_task_created approve-mail", "human_task_completed approve-mail"],
        ...["state_changed paused", "state_changed running", "state_changed completed"],
      ].toSorted(),
    )
    expect(lines.slice(0, 5)).toEqual([
      "run_started",
      "step_started load",
      "step_completed load",
      "step_started sum",
      "step_started side",
    ])
    before("step_completed sum", "step_started approve-mail")
    before("human_task_created approve-mail", "state_changed paused")
    before("step_completed side", "state_changed paused")
    expect(lines.slice(-6)).toEqual([
      ...["human_task_completed approve-mail", "step_completed approve-mail", "state_changed running", "step_started store"],
      ...["step_completed store", "state_changed completed"],
    ])
  })

  test("gives every event its place, its step and its names", () => {
    const types: Record<string, string> = {
      load: "mcp_call",
      sum: "lua_script",
      side: "lua_script",
      "approve-mail": "human_task",
      store: "mcp_call",
    }
    const names: Record<string, string> = {
      load: "Call load",
      sum: "Script sum",
      side: "Script side",
      "approve-mail": "Ask approve-mail",
      store: "Call store",
    }
    expect(events.map(e => e.seq)).toEqual(events.map((_, i) => i + 1))
    expect(new Set(events.map(e => e.id)).size).toBe(events.length)
    expect(events.map(e => e.created_at)).toEqual(events.map(e => e.created_at).toSorted())
    for (const event of events) {
      expect(Object.keys(event).toSorted()).toEqual(
        "created_at data event_type id run_id seq step_id step_name step_type timestamp type workflow_id".split(" "),
      )
      expect({ ...event }).toMatchObject({
        ...{ id: expect.stringMatching(UUID), run_id: seen.started.run_id, workflow_id: seen.workflow.id },
        ...{ type: event.event_type, timestamp: event.created_at, created_at: expect.stringMatching(MOMENT) },
        ...{ step_type: types[event.step_id] ?? null, step_name: names[event.step_id] ?? null },
      })
    }
  })

  test("keeps in `data` what the contract names", () => {
    const of = (text: string) => events.find(e => line(e) === text)?.data
    expect(of("run_started")).toEqual({ trigger_type: "api", version: 1 })
    expect(of("step_started load")).toEqual({
      attempt: 1,
      input: { tool_args: { sql: "SELECT amount FROM orders WHERE topic = ?", args: ["ops"] } },
    })
    expect(of("step_completed sum")).toEqual({ result: { total: 7 }, duration_ms: expect.any(Number), attempt: 1 })
    expect(of("human_task_created approve-mail")).toEqual({
      ...{
        task_id: "approve-mail",
        task_type: "approval",
        task_payload: { title: "Store 7?", sum: { total: 7 } },
        expires_at: null,
      },
    })
    expect(of("state_changed paused")).toEqual({ from: "running", to: "paused", pause_reason: "human_task" })
    expect(of("human_task_completed approve-mail")).toEqual({
      task_id: "approve-mail",
      approved: true,
      completed_by: made.user_id,
    })
    expect(of("step_completed approve-mail").result).toEqual({ note: "fine", approved: true })
    expect(of("state_changed running")).toEqual({ from: "paused", to: "running" })
    expect(of("state_changed completed")).toEqual({ from: "running", to: "completed" })
  })

  test("can be read from any event on, a page at a time", async () => {
    const path = `/v1/workflows/${seen.workflow.id}/runs/${seen.started.run_id}/events`
    const page = await client.get(`${path}?after_seq=3&limit=2`)
    expect(page).toEqual({ events: events.slice(3, 5), total: events.length, limit: 2, after_seq: 3 })
    expect((await client.get(`${path}?after_seq=${events.length}`)).events).toEqual([])
  })

  test("shows input, steps and results in its context", () => {
    expect(context).toMatchObject({ run_id: seen.started.run_id, status: "completed", input: { topic: "ops" }, variables: {} })
    expect(Object.keys(context.steps)).toEqual(["load", "sum", "side", "approve-mail", "store"])
    expect(context.steps.load.result.rows).toEqual([{ amount: 3 }, { amount: 4 }])
    expect(context.steps.store).toMatchObject({ status: "completed", attempt: 1, error: null, result: { changes: 1 } })
    expect(context.steps.store.input.tool_args.args).toEqual(["ops: 7 fine"])
  })

  test("is counted in its summary and found in the lists", async () => {
    const { id } = seen.workflow
    const summary = await client.get(`/v1/workflows/${id}/runs/${seen.started.run_id}/summary`)
    expect({ ...summary }).toMatchObject({
      ...{ ...seen.done, orchestration_phase: "done", session_id: null, run_complete: true, pending_tasks: 0 },
      steps: { total: 5, completed: 5, failed: 0, skipped: 0, cancelled: 0, running: 0, pending: 0 },
    })
    expect({ ...seen.done }).toMatchObject({
      ...{ id: seen.started.run_id, workflow_name: "nightly-report", version: 1, tenant_id: "acme", project_id: made.project_id },
      ...{
        status: "completed",
        pause_reason: null,
        trigger_type: "api",
        failure_code: null,
        error: null,
        created_by: made.user_id,
      },
    })
    expect(Date.parse(seen.done.completed_at) - Date.parse(seen.done.started_at)).toBe(seen.done.duration_ms)
    expect(await client.get(`/v1/workflows/${id}/runs`)).toEqual({ runs: [seen.done], total: 1, limit: 20, offset: 0 })
    expect((await client.get("/v1/runs?status=completed&limit=100")).runs).toContainEqual(seen.done)
    expect((await client.get("/v1/runs?status=failed,stopped&limit=100")).runs).not.toContainEqual(seen.done)
    expect((await client.get("/v1/workflows?limit=100")).workflows.map((w: Wire) => w.id)).toContain(id)
    expect((await client.get(`/v1/workflows/${id}`)).status).toBe("published")
  })

  test("has its work in the database it wrote to", async () => {
    const { context: read } = await runToEnd([call("read", "sqlite_query", { sql: "SELECT text FROM reports" })])
    expect(read.steps.read.result.rows).toEqual([{ text: "ops: 7 fine" }])
  })

  test("takes no second answer to its task", async () => {
    const path = `/v1/workflows/${seen.workflow.id}/runs/${seen.started.run_id}/tasks/approve-mail/complete`
    const { status, body } = await client.call("POST", path, { approved: true })
    expect({ status, code: body.code }).toEqual({ status: 409, code: "TASK_ALREADY_COMPLETED" })
  })
})

describe("a person's no", () => {
  test("blocks what follows without a condition, lets the others decide, and completes the run", async () => {
    const workflow = await client.publish("reject", [
      person("ask"),
      lua("mail", "return {}", { depends_on: ["ask"] }),
      lua("after", "return {}", { depends_on: ["mail"] }),
      lua("yes", "return {}", { depends_on: ["ask"], condition: "{{steps.ask.result.approved}}" }),
      lua("always", "return { no = steps.ask.result.approved }", { depends_on: ["ask"], condition: "true" }),
    ])
    const run = await client.start(workflow)
    await client.reaches(workflow, run, "paused")

    await client.approve(workflow, run, "ask", { approved: false, result: { reason: "too dear" } })

    expect(await client.reaches(workflow, run, "completed", "failed")).toMatchObject({ status: "completed", failure_code: null })
    const lines = (await client.events(workflow, run)).map(line)
    expect(lines).toContain("step_completed mail blocked")
    expect(lines).toContain("step_completed after blocked")
    expect(lines).toContain("step_completed yes condition_false")
    expect((await client.context(workflow, run)).steps).toMatchObject({
      ...{ ask: { result: { approved: false, reason: "too dear" } }, always: { status: "completed", result: { no: false } } },
      ...{ mail: { status: "skipped", skip_reason: "blocked" }, yes: { status: "skipped", skip_reason: "condition_false" } },
    })
  })
})

describe("a step that fails", () => {
  test("ends the run in the order of the contract: itself, those under way, those not begun, the run", async () => {
    const workflow = await client.publish("fails", [
      person("gate"),
      lua("quick", "return { kept = true }"),
      lua("slow", "while true do end", { timeout_s: 20 }),
      lua("bad", "error('no credential')", { depends_on: ["quick"] }),
      lua("later", "return {}", { depends_on: ["gate"] }),
      lua("last", "return {}", { depends_on: ["later", "bad"] }),
    ])
    const run = await client.start(workflow)
    const failed = await client.reaches(workflow, run, "failed", "completed")

    expect(failed).toMatchObject({ status: "failed", failure_code: "LUA_SCRIPT_FAILED", failed_step_id: "bad" })
    expect(failed.error).toContain("no credential")
    const events = await client.events(workflow, run)
    const from = events.findIndex(e => e.event_type === "step_failed")
    expect(events.slice(from).map(line)).toEqual([
      ...["step_failed bad", "step_cancelled gate", "step_cancelled slow"],
      ...["step_completed later blocked", "step_completed last blocked", "state_changed failed"],
    ])
    const [itself, cancelled] = events.slice(from)
    expect({ ...itself.data }).toMatchObject({
      error: expect.stringContaining("no credential"),
      failure_code: "LUA_SCRIPT_FAILED",
      attempt: 1,
    })
    expect(cancelled.data).toEqual({ cancelled: true, reason: "run_failed", caused_by_step_id: "bad" })
    expect(events.at(-1).data).toMatchObject({
      from: "running",
      to: "failed",
      failure_code: "LUA_SCRIPT_FAILED",
      failed_step_id: "bad",
    })
    expect(new Set(events.slice(from).map(e => e.created_at)).size).toBe(1)
    expect((await client.context(workflow, run)).steps.quick.result).toEqual({ kept: true })
    expect((await client.get(`/v1/workflows/${workflow}/runs/${run}/tasks/pending`)).tasks).toEqual([])
    const late = await client.call("POST", `/v1/workflows/${workflow}/runs/${run}/tasks/gate/complete`, { approved: true })
    expect({ status: late.status, code: late.body.code }).toEqual({ status: 409, code: "TASK_NOT_PENDING" })
  })

  test("is tried again after a pause that grows, and each try is recorded", async () => {
    const { run, events } = await runToEnd([lua("flaky", "error('again')", { retry_count: 1 })])
    expect(run).toMatchObject({ status: "failed", failure_code: "LUA_SCRIPT_FAILED" })
    expect(events.map(line)).toEqual([
      ...[
        "run_started",
        "step_started flaky",
        "step_retry_scheduled flaky",
        "step_started flaky",
        "step_failed flaky",
        "state_changed failed",
      ],
    ])
    const [, began, planned, again, last] = events
    expect([began.data.attempt, planned.data.attempt, again.data.attempt, last.data.attempt]).toEqual([1, 1, 2, 2])
    const pause = Date.parse(planned.data.retry_at) - Date.parse(planned.created_at)
    expect(pause).toBeGreaterThanOrEqual(800)
    expect(pause).toBeLessThanOrEqual(1_200)
    expect(Date.parse(again.created_at)).toBeGreaterThanOrEqual(Date.parse(planned.data.retry_at))
  })

  test("for a while only, because somebody holds the database, is tried again and lets the run complete", async () => {
    const path = join(home.data, "sqlite", made.project_id, "shop.db")
    const holder = connect(path)
    holder.exec("BEGIN IMMEDIATE")
    const write = { sql: "INSERT INTO orders (topic, amount) VALUES ('late', 1)" }
    const steps = [call("write", "sqlite_execute", write, { retry_count: 5, timeout_s: 1 })]
    const workflow = await client.publish("held", steps)
    const run = await client.start(workflow)
    const tries = async () => (await client.events(workflow, run)).filter(e => e.event_type === "step_retry_scheduled")
    await until("the first try has failed", 20_000, async () => (await tries()).length > 0)
    holder.exec("ROLLBACK")
    holder.close()

    expect((await client.reaches(workflow, run, "completed", "failed")).status).toBe("completed")

    expect((await tries())[0]).toMatchObject({ step_id: "write", data: { failure_code: "MCP_TOOL_FAILED", attempt: 1 } })
    const { context } = await runToEnd([
      call("n", "sqlite_query", { sql: "SELECT count(*) AS n FROM orders WHERE topic = 'late'" }),
    ])
    expect(context.steps.n.result.rows).toEqual([{ n: 1 }])
  })

  test("by a template without a value says which, and runs nothing", async () => {
    const { run, events } = await runToEnd([call("q", "sqlite_query", { sql: "SELECT ?", args: ["{{input.missing}}"] })])
    expect(run).toMatchObject({ status: "failed", failure_code: "TEMPLATE_UNRESOLVED", failed_step_id: "q" })
    expect(run.error).toContain("input.missing")
    expect(events.map(line)).toEqual(["run_started", "step_started q", "step_failed q", "state_changed failed"])
  })
})

describe("steps that do not run", () => {
  test("are recorded as completed with the reason, and what follows them runs", async () => {
    const { run, events, context } = await runToEnd([
      lua("off", "error('must not run')", { enabled: false }),
      lua("unwanted", "error('must not run')", { condition: "{{input.wanted}}" }),
      lua("end", "return { none = steps.off == nil or steps.off.result == nil }", { depends_on: ["off", "unwanted"] }),
    ])
    expect(run.status).toBe("completed")
    expect(events.map(line)).toEqual([
      ...["run_started", "step_completed off step_disabled", "step_completed unwanted condition_false", "step_started end"],
      ...["step_completed end", "state_changed completed"],
    ])
    expect(events[1].data).toEqual({ skipped: true, reason: "step_disabled" })
    expect(context.steps.end.result).toEqual({ none: true })
  })

  test("run when their condition is true", async () => {
    const { context } = await runToEnd([lua("wanted", "return { ran = true }", { condition: "{{input.wanted}}" })], {
      trigger_payload: { wanted: true },
    })
    expect(context.steps.wanted.result).toEqual({ ran: true })
  })
})

describe("control", () => {
  const two = () => [person("ask"), lua("then", "return {}", { depends_on: ["ask"] })]

  test("pause lets an answer in but starts nothing; resume goes on", async () => {
    const workflow = await client.publish("pause", two())
    const run_id = await client.start(workflow)
    await client.reaches(workflow, run_id, "paused")

    expect((await client.command(workflow, "pause", { run_id })).status).toBe("paused")
    await client.approve(workflow, run_id, "ask")
    expect(await client.run(workflow, run_id)).toMatchObject({ status: "paused", pause_reason: "operator" })
    expect((await client.context(workflow, run_id)).steps.then.status).toBe("pending")

    expect((await client.command(workflow, "resume", { run_id })).status).toBe("running")
    await client.reaches(workflow, run_id, "completed")
    const changes = (await client.events(workflow, run_id)).filter(e => e.event_type === "state_changed").map(e => e.data)
    expect(changes.map(({ from, to, pause_reason }) => [from, to, pause_reason ?? null])).toEqual([
      ["running", "paused", "human_task"],
      ["paused", "paused", "operator"],
      ["paused", "running", null],
      ["running", "completed", null],
    ])
  })

  test("stop cancels what is under way at once and is final", async () => {
    const workflow = await client.publish("stop", [lua("loop", "while true do end", { timeout_s: 20 }), ...two()])
    const run_id = await client.start(workflow)

    expect((await client.command(workflow, "stop", { run_id })).status).toBe("stopped")

    const events = await client.events(workflow, run_id)
    expect(events.slice(-3).map(line)).toEqual(["step_cancelled loop", "step_cancelled ask", "state_changed stopped"])
    expect(events.at(-2).data).toEqual({ cancelled: true, reason: "run_stopped", failure_code: "RUN_STOPPED" })
    for (const command of ["pause", "resume", "stop"]) {
      const { status, body } = await client.call("POST", `/v1/workflows/${workflow}/command`, { command, params: { run_id } })
      expect({ status, code: body.code, was: body.status }).toEqual({ status: 409, code: "INVALID_RUN_STATE", was: "stopped" })
    }
    expect((await client.context(workflow, run_id)).steps.then.status).toBe("pending")
  })

  test("a graceful stop lets the step under way finish and starts nothing else", async () => {
    const script = "local n = 0 for i = 1, 3e6 do n = n + i % 3 end return { n = n }"
    const workflow = await client.publish("drain", [
      lua("a", script, { timeout_s: 20 }),
      lua("b", "return {}", { depends_on: ["a"] }),
    ])
    const run_id = await client.start(workflow)

    expect((await client.command(workflow, "stop", { run_id, mode: "graceful" })).status).toBe("draining")

    await client.reaches(workflow, run_id, "stopped")
    expect((await client.events(workflow, run_id)).map(line)).toEqual([
      ...["run_started", "step_started a", "state_changed draining", "step_completed a", "state_changed stopped"],
    ])
  })

  test("resume of a run that waits for a person is refused with the reason", async () => {
    const workflow = await client.publish("resume", two())
    const run_id = await client.start(workflow)
    await client.reaches(workflow, run_id, "paused")
    const { status, body } = await client.call("POST", `/v1/workflows/${workflow}/command`, {
      command: "resume",
      params: { run_id },
    })
    expect({ status, code: body.code }).toEqual({ status: 409, code: "RUN_AWAITING_TASK" })
  })
})

describe("a start", () => {
  test("can name an older version; edits never reach what is published", async () => {
    const { id } = await client.ok("POST", "/v1/workflows", {
      name: "versions",
      graph: { steps: [lua("a", "return { v = 1 }")] },
    })
    await client.ok("POST", `/v1/workflows/${id}/versions`, { changelog: "one" })
    await client.ok("PATCH", `/v1/workflows/${id}`, { graph: { steps: [lua("a", "return { v = 2 }")] } })
    const results = async (params: object) => {
      const run = await client.start(id, params)
      await client.reaches(id, run, "completed")
      return (await client.context(id, run)).steps.a.result.v
    }
    expect(await results({})).toBe(1)
    await client.ok("POST", `/v1/workflows/${id}/versions`, {})
    expect([await results({}), await results({ version: 1 }), await results({ version: 2 })]).toEqual([2, 1, 2])
    const unknown = await client.call("POST", `/v1/workflows/${id}/command`, { command: "start", params: { version: 3 } })
    expect(unknown.status).toBe(404)
    expect((await client.get(`/v1/workflows/${id}/versions`)).versions.map((v: Wire) => v.version)).toEqual([2, 1])
  })

  test("of what was never published is refused", async () => {
    const { id } = await client.ok("POST", "/v1/workflows", { name: "draft", graph: { steps: [lua("a", "return {}")] } })
    const { status, body } = await client.call("POST", `/v1/workflows/${id}/command`, { command: "start" })
    expect({ status, code: body.code }).toEqual({ status: 422, code: "WORKFLOW_NOT_PUBLISHED" })
  })

  test("takes bare keys as input, and the payload over them", async () => {
    const { context } = await runToEnd([lua("a", "return input")], {
      order_id: 7,
      topic: "bare",
      trigger_payload: { topic: "payload" },
    })
    expect(context.input).toEqual({ order_id: 7, topic: "payload" })
    expect(context.steps.a.result).toEqual({ order_id: 7, topic: "payload" })
  })

  test("with the caller's own run_id happens once, however often it is sent", async () => {
    const workflow = await client.publish("own id", [lua("a", "return {}")])
    const run_id = crypto.randomUUID()
    const answers = await Promise.all(Array.from({ length: 8 }, () => client.command(workflow, "start", { run_id })))
    expect(answers.map(a => a.run_id)).toEqual(answers.map(() => run_id))
    expect((await client.get(`/v1/workflows/${workflow}/runs`)).total).toBe(1)
    const other = await client.publish("another", [lua("a", "return {}")])
    const { status, body } = await client.call("POST", `/v1/workflows/${other}/command`, { command: "start", params: { run_id } })
    expect({ status, code: body.code }).toEqual({ status: 409, code: "RUN_ID_TAKEN" })
  })

  test("with an Idempotency-Key happens once, however often it is sent", async () => {
    const workflow = await client.publish("key", [lua("a", "return {}")])
    const send = (key: string) =>
      client.ok("POST", `/v1/workflows/${workflow}/command`, { command: "start" }, { "idempotency-key": key })
    const answers = await Promise.all(Array.from({ length: 8 }, () => send("order 1")))
    expect(new Set(answers.map(a => a.run_id)).size).toBe(1)
    expect((await send("order 2")).run_id).not.toBe(answers[0].run_id)
    expect((await client.get(`/v1/workflows/${workflow}/runs`)).total).toBe(2)
  })
})

test("none of this left a complaint in the log, and the token is nowhere in it", () => {
  expect(server.complaints).toEqual([])
  expect(server.stdout + server.stderr).not.toContain(made.pat)
})
