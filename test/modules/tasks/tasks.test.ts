import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Caller, openWorld, TASK_GRAPH, type World } from "../../helpers/app.ts"

let world: World
let caller: Caller
beforeAll(async () => {
  world = await openWorld()
  caller = world.as(world.people.contributor)
})
afterAll(() => world.close())

/** A person's answer decides whether the mail is sent. */
const MAIL = {
  steps: [
    {
      id: "approve-mail",
      type: "human_task",
      name: "Approve",
      task_type: "approval",
      task_payload: { title: "{{input.title}}" },
    },
    {
      id: "send",
      type: "lua_script",
      script: "return { body = steps['approve-mail'].result.comment_body or 'none' }",
      depends_on: ["approve-mail"],
    },
  ],
}

const run = async (graph: unknown = MAIL, params = { title: "Hello" }) => {
  const id = await world.workflow(graph)
  return { id, runId: await world.start(id, params) }
}
const at = ({ id, runId }: { id: string; runId: string }, rest: string) => `/v1/workflows/${id}/runs/${runId}${rest}`
const complete = (where: { id: string; runId: string }, body: unknown, task = "approve-mail", as = caller) =>
  world.call(as, "POST", at(where, `/tasks/${task}/complete`), body)
const read = async (path: string, as = caller) => (await world.call(as, "GET", path)).body

describe("a pending task", () => {
  test("is listed with every documented field, in the inbox and in its run", async () => {
    const where = await run()
    const task = {
      id: "approve-mail",
      task_id: "approve-mail",
      run_id: where.runId,
      workflow_id: where.id,
      workflow_name: "nightly",
      step_id: "approve-mail",
      step_name: "Approve",
      task_type: "approval",
      task_payload: { title: "Hello" },
      status: "pending",
      created_at: expect.stringMatching(/Z$/),
      expires_at: null,
    }
    expect(await read(at(where, "/tasks/pending"))).toEqual({ tasks: [task], total: 1, limit: 20, offset: 0 })
    expect((await read("/v1/tasks/pending?limit=100")).tasks).toContainEqual(task)
  })

  test("has a type and a payload even when the step gives none, and says when it expires", async () => {
    const where = await run({ steps: [{ id: "approve-mail", type: "human_task", timeout_s: 3600 }] })
    const { tasks } = await read(at(where, "/tasks/pending"))
    expect(tasks).toMatchObject([{ task_type: "approval", task_payload: {}, step_name: "approve-mail" }])
    expect(Date.parse(tasks[0].expires_at) - Date.parse(tasks[0].created_at)).toBe(3_600_000)
  })

  test("is listed while other branches still run", async () => {
    const slow = "local s = 0 for i = 1, 60000000 do s = s + i end return {}"
    const where = await run({
      steps: [
        { id: "approve-mail", type: "human_task" },
        { id: "slow", type: "lua_script", script: slow, timeout_s: 30 },
      ],
    })
    expect((await read(at(where, ""))).status).toBe("running")
    expect((await read(at(where, "/tasks/pending"))).total).toBe(1)
    await world.until(where.id, where.runId, "paused")
  })
})

describe("the inbox", () => {
  test("shows the oldest first, of the projects that the caller may view, a page at a time", async () => {
    const fresh = await openWorld()
    const { people, places } = fresh
    const elsewhere = fresh.as(people.otherProject, places.second)
    const [one, two] = [await fresh.workflow(TASK_GRAPH), await fresh.workflow(TASK_GRAPH, {}, elsewhere)]
    const [a, b] = [await fresh.start(one), await fresh.start(two, {}, elsewhere)]
    const c = await fresh.start(one)
    const inbox = async (as: Caller, query = "") => {
      const { body } = await fresh.call({ ...as, place: null }, "GET", `/v1/tasks/pending${query}`, undefined, {
        "x-tenant-id": "acme",
      })
      return body.tasks.map((t: { run_id: string }) => t.run_id)
    }
    expect(await inbox({ session: people.viewer.session })).toEqual([a, c])
    expect(await inbox({ session: people.otherProject.session })).toEqual([b])
    expect(await inbox({ session: people.tenantAdmin.session })).toEqual([a, b, c])
    expect(await inbox({ session: people.tenantAdmin.session }, "?limit=1&offset=1")).toEqual([b])
    const narrowed = await fresh.call(fresh.as(people.tenantAdmin, places.second), "GET", "/v1/tasks/pending")
    expect(narrowed.body).toMatchObject({ total: 1, tasks: [{ run_id: b }] })
    const foreign = await fresh.call(fresh.as(people.otherTenant, places.otherTenant), "GET", "/v1/tasks/pending")
    expect(foreign.body).toEqual({ tasks: [], total: 0, limit: 20, offset: 0 })
    for (const query of ["limit=0", "limit=101", "limit=-1", "limit=abc", "offset=-1"])
      expect((await fresh.call(fresh.as(people.viewer), "GET", `/v1/tasks/pending?${query}`)).status).toBe(400)
    await fresh.close()
  })
})

describe("completing a task", () => {
  test("answers as documented, and the run goes on with the result", async () => {
    const where = await run()
    const answer = await complete(where, { approved: true, result: { comment_body: "text the reviewer edited" } })
    expect([answer.status, answer.body]).toEqual([200, { status: "completed", task_id: "approve-mail", approved: true }])
    await world.until(where.id, where.runId, "completed")
    const { steps } = await read(at(where, "/context"))
    expect(steps["approve-mail"].result).toEqual({ comment_body: "text the reviewer edited", approved: true })
    expect(steps.send.result).toEqual({ body: "text the reviewer edited" })
    expect((await read(at(where, "/tasks/pending"))).tasks).toEqual([])
    const { events } = await read(at(where, "/events"))
    const completed = events.find((e: { event_type: string }) => e.event_type === "human_task_completed")
    expect(completed.data).toEqual({ task_id: "approve-mail", approved: true, completed_by: world.people.contributor.userId })
  })

  test.each([
    [{ approved: true }],
    [{ approved: true, result: null }],
    [{ approved: true, result: {} }],
    [{ approved: true, note: "ignored" }],
  ])("with %j leaves just the approval", async body => {
    const where = await run()
    expect((await complete(where, body)).status).toBe(200)
    expect((await read(at(where, "/context"))).steps["approve-mail"].result).toEqual({ approved: true })
  })

  test("`approved` is the caller's word, whatever the result holds", async () => {
    const where = await run()
    await complete(where, { approved: false, result: { approved: true, x: 1 } })
    expect((await read(at(where, "/context"))).steps["approve-mail"].result).toEqual({ approved: false, x: 1 })
  })

  test("with false completes the run: what has no condition of its own is blocked, what has one decides", async () => {
    const where = await run({
      steps: [
        ...MAIL.steps,
        { id: "after", type: "lua_script", script: "return {}", depends_on: ["send"] },
        {
          id: "yes",
          type: "lua_script",
          script: "return {}",
          depends_on: ["approve-mail"],
          condition: "{{steps.approve-mail.result.approved}}",
        },
        { id: "always", type: "lua_script", script: "return { ran = true }", depends_on: ["approve-mail"], condition: "true" },
      ],
    })
    const answer = await complete(where, { approved: false })
    expect([answer.status, answer.body]).toEqual([200, { status: "completed", task_id: "approve-mail", approved: false }])
    await world.until(where.id, where.runId, "completed")
    const { steps } = await read(at(where, "/context"))
    expect(steps.send).toMatchObject({ status: "skipped", skip_reason: "blocked" })
    expect(steps.after).toMatchObject({ status: "skipped", skip_reason: "blocked" })
    expect(steps.yes).toMatchObject({ status: "skipped", skip_reason: "condition_false" })
    expect(steps.always).toMatchObject({ status: "completed", result: { ran: true } })
  })

  test.each([
    ["nothing", undefined],
    ["no approval", {}],
    ["text", { approved: "true" }],
    ["a number", { approved: 1 }],
    ["null", { approved: null }],
    ["a list as result", { approved: true, result: [] }],
    ["text as result", { approved: true, result: "ok" }],
    ["a list as body", []],
  ])("with %s is refused with 400, and the task stays pending", async (_, body) => {
    const where = await run()
    const answer = await complete(where, body)
    expect([answer.status, answer.body.code]).toEqual([400, "INVALID_BODY"])
    expect((await read(at(where, "/tasks/pending"))).total).toBe(1)
  })

  test("with a result that is too large is refused, and the task stays pending", async () => {
    const where = await run()
    const answer = await complete(where, { approved: true, result: { text: "é".repeat(600_000) } })
    expect([answer.status, answer.body.code]).toEqual([413, "BODY_TOO_LARGE"])
    expect((await read(at(where, "/tasks/pending"))).total).toBe(1)
  })

  test("with context_edits is refused rather than half done", async () => {
    const where = await run()
    const answer = await complete(where, { approved: true, context_edits: { "steps.a.result.x": "y" } })
    expect([answer.status, answer.body.code]).toEqual([422, "CONTEXT_EDITS_UNAVAILABLE"])
    expect((await complete(where, { approved: true, context_edits: {} })).status).toBe(200)
  })

  test("a second time is a conflict, whatever it says", async () => {
    const where = await run()
    await complete(where, { approved: true })
    for (const approved of [true, false]) {
      const answer = await complete(where, { approved })
      expect([answer.status, answer.body]).toEqual([
        409,
        { error: "the task is completed already", code: "TASK_ALREADY_COMPLETED", status: "completed" },
      ])
    }
    expect((await read(at(where, "/context"))).steps["approve-mail"].result).toEqual({ approved: true })
  })

  test("by twenty people at once: one is heard, the others get a conflict, and the run goes on once", async () => {
    const where = await run()
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => complete(where, { approved: true, result: { comment_body: `${i}` } })),
    )
    expect(answers.filter(a => a.status === 200)).toHaveLength(1)
    expect(answers.filter(a => a.status === 409)).toHaveLength(19)
    const winner = answers.findIndex(a => a.status === 200)
    await world.until(where.id, where.runId, "completed")
    expect((await read(at(where, "/context"))).steps.send.result).toEqual({ body: `${winner}` })
    const { events } = await read(at(where, "/events"))
    const types = events.map((e: { event_type: string }) => e.event_type)
    expect(types.filter((t: string) => t === "human_task_completed")).toHaveLength(1)
    expect(types.filter((t: string) => t === "step_started")).toHaveLength(2)
  })

  test("of several tasks of one run at once all count", async () => {
    const tasks = Array.from({ length: 10 }, (_, i) => ({ id: `t${i}`, type: "human_task" }))
    const where = await run({ steps: tasks })
    const answers = await Promise.all(tasks.map(t => complete(where, { approved: true }, t.id)))
    expect(answers.map(a => a.status)).toEqual(tasks.map(() => 200))
    await world.until(where.id, where.runId, "completed")
  })

  test("of a stopped run is a conflict that says what became of the task", async () => {
    const where = await run()
    await world.command(where.id, "stop", { run_id: where.runId })
    const answer = await complete(where, { approved: true })
    expect([answer.status, answer.body]).toEqual([
      409,
      { error: "the task is cancelled already", code: "TASK_NOT_PENDING", status: "cancelled" },
    ])
  })

  test("that expired is a conflict, and the run has failed", async () => {
    const where = await run({ steps: [{ id: "approve-mail", type: "human_task", timeout_s: 3600 }] })
    world.time.now += 3_600_001
    const failed = await world.until(where.id, where.runId, "failed")
    expect(failed).toMatchObject({ failure_code: "HUMAN_TASK_FAILED", failed_step_id: "approve-mail" })
    const answer = await complete(where, { approved: true })
    expect([answer.status, answer.body.code, answer.body.status]).toEqual([409, "TASK_NOT_PENDING", "expired"])
  })

  test("under the id of another run, another workflow, or nothing answers 404", async () => {
    const [one, two] = [await run(), await run({ steps: [{ id: "other", type: "human_task" }] })]
    for (const answer of [
      await complete(one, { approved: true }, "other"),
      await complete({ id: one.id, runId: two.runId }, { approved: true }, "other"),
      await complete({ id: two.id, runId: one.runId }, { approved: true }),
      await complete({ id: one.id, runId: Bun.randomUUIDv7() }, { approved: true }),
      await complete(one, { approved: true }, "send"),
    ])
      expect([answer.status, answer.body.code]).toEqual([404, "NOT_FOUND"])
    expect((await read(at(one, "/tasks/pending"))).total).toBe(1)
  })
})
