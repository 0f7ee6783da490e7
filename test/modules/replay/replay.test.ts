import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import type { RunReport } from "../../../src/modules/replay/contract.ts"
import { openWorld, type World } from "../../helpers/app.ts"

const TIME = "https://router.agentruntime.io/time/mcp"
const parse = (id: string, time: string, more: JsonObject = {}): JsonObject => ({
  ...{ id, type: "mcp_call", server_url: TIME, tool_name: "time_parse", tool_args: { time } },
  ...more,
})
const lua = (id: string, script: string, more: JsonObject = {}): JsonObject => ({ id, type: "lua_script", script, ...more })
const ask = (id: string, prompt: string, more: JsonObject = {}): JsonObject => ({
  ...{ id, type: "llm_call", model_ref: "local.builtin.echo-1", prompt },
  ...more,
})
const after = (...ids: string[]) => ({ depends_on: ids })

/** Everything that a run may meet. */
const GRAPH = {
  steps: [
    parse("when", "{{input.when}}"),
    lua("year", "return { year = tonumber(string.sub(steps.when.result.utc, 1, 4)) }", after("when")),
    ask("say", "Say {{steps.year.result.year}}", after("year")),
    parse("late", "2026-01-01T00:00:00Z", { ...after("year"), condition: "{{steps.year.result.late}}" }),
    {
      ...{
        id: "each",
        type: "for_each",
        for_each_items: "{{input.times}}",
        ...after("when"),
        for_each_error_policy: "continue_on_error",
      },
      for_each_body_steps: [parse("one", "{{item}}"), lua("two", "return { n = index }", after("one"))],
    },
    {
      id: "approve",
      type: "human_task",
      task_type: "approval",
      task_payload: { text: "{{steps.say.result.text}}" },
      ...after("say"),
    },
    lua("end", "return { ok = steps.approve.result.approved, note = steps.approve.result.note }", after("approve", "each")),
  ],
}

describe("a replay", () => {
  let world: World

  beforeAll(async () => {
    world = await openWorld()
  })
  afterAll(() => world.close())

  const replay = (id: string, body: unknown, caller = world.as(world.people.contributor), more: Record<string, string> = {}) =>
    world.call(caller, "POST", `/v1/workflows/${id}/replay`, body, more)

  async function recorded(graph: unknown, input: JsonObject, status = "completed") {
    const id = await world.workflow(graph)
    const runId = await world.start(id, { ...input, record: true })
    return { id, runId, ended: () => world.until(id, runId, status) }
  }

  async function approved(graph: unknown = GRAPH) {
    const { id, runId, ended } = await recorded(graph, {
      ...{ when: "2026-03-01T08:00:00Z", times: ["2026-01-01T00:00:00Z", "never", "2026-01-02T00:00:00Z"] },
    })
    await world.until(id, runId, "paused")
    const path = `/v1/workflows/${id}/runs/${runId}/tasks/approve/complete`
    const answer = await world.call(world.as(world.people.contributor), "POST", path, {
      approved: true,
      result: { note: "fine" },
    })
    if (answer.status !== 200) throw new Error(answer.text)
    await ended()
    return { id, runId }
  }

  const changesOf = (run: RunReport) =>
    run.steps.filter(s => s.change !== "same").map(s => `${s.step_id}${s.item === null ? "" : `[${s.item}]`} ${s.change}`)

  function changed(change: (step: JsonObject) => JsonObject): JsonObject {
    return { steps: GRAPH.steps.map(step => change(step as unknown as JsonObject)) }
  }

  test("of an unchanged graph gives what the run gave, and changes nothing", async () => {
    const { id, runId } = await approved()
    const before = (await world.call(world.as(world.people.viewer), "GET", "/v1/runs")).body.total

    const { status, body } = await replay(id, { run_ids: [runId] })

    expect(status).toBe(200)
    expect({ problem: body.runs[0].problem, changes: changesOf(body.runs[0]) }).toEqual({ problem: null, changes: [] })
    expect(body.runs[0].outcome.now).toEqual(body.runs[0].outcome.was)
    expect(body.runs[0].identical).toBe(true)
    expect(body.summary).toMatchObject({ runs: 1, identical: 1, changed: 0, not_replayed: 0 })
    expect((await world.call(world.as(world.people.viewer), "GET", "/v1/runs")).body.total).toBe(before)
  })

  test("tells of a changed prompt, a changed argument and a changed condition, and of nothing else", async () => {
    const { id, runId } = await approved()

    const prompt = await replay(id, {
      run_ids: [runId],
      graph: changed(s => (s.id === "say" ? { ...s, prompt: "Shout {{steps.year.result.year}}" } : s)),
    })
    const argument = await replay(id, {
      run_ids: [runId],
      graph: changed(s => (s.id === "when" ? { ...s, tool_args: { time: "{{input.when}}", timezone: "Europe/Berlin" } } : s)),
    })
    const condition = await replay(id, {
      run_ids: [runId],
      graph: changed(s => (s.id === "late" ? { ...s, condition: "{{steps.year.result.year}}" } : s)),
    })

    expect(changesOf(prompt.body.runs[0])).toEqual(["say request_changed"])
    const say = prompt.body.runs[0].steps.find((s: { step_id: string }) => s.step_id === "say")
    expect(say.diff).toEqual([{ path: "$.request.prompt", was: "Say 2026", now: "Shout 2026" }])
    expect(changesOf(argument.body.runs[0])).toEqual(["when request_changed"])
    const when = argument.body.runs[0].steps.find((s: { step_id: string }) => s.step_id === "when")
    expect(when.diff).toEqual([{ path: "$.request.tool_args.timezone", was: null, now: "Europe/Berlin" }])
    // Its request is the same as one that the loop made, so it is answered.
    expect(changesOf(condition.body.runs[0])).toEqual(["late newly_run"])
    expect(condition.body.summary.steps).toEqual({ late: { newly_run: 1 } })
  })

  test("runs scripts anew, and tells what follows from them", async () => {
    const { id, runId } = await approved()

    const { body } = await replay(id, {
      run_ids: [runId],
      graph: changed(s => (s.id === "year" ? { ...s, script: "return { year = 1999 }" } : s)),
    })

    expect(changesOf(body.runs[0])).toEqual(["year request_changed", "say request_changed"])
    expect(body.runs[0].outcome.now.status).toBe("completed")
  })

  test("says which steps have no recording, and does not guess what follows", async () => {
    const { id, runId } = await approved()
    const graph = { steps: [...GRAPH.steps, ask("new", "Never asked", after("when")), lua("last", "return {}", after("new"))] }

    const { body } = await replay(id, { run_ids: [runId], graph })

    expect(changesOf(body.runs[0])).toEqual(["new no_recording", "last no_recording"])
    expect(body.runs[0].outcome.now.status).toBe("unknown")
    expect(body.runs[0].identical).toBe(false)
  })

  test("of failures, retries, and a child run gives the same", async () => {
    const child = await world.workflow({ steps: [lua("x", "return { n = input.n }")] })
    const call = { id: "call", type: "workflow_call", workflow_id: child, input: { n: 7 } }
    const broken = lua("broken", "error('no')", { retry_count: 1, ...after("call") })
    const { id, runId, ended } = await recorded({ steps: [call, broken, lua("z", "return {}", after("broken"))] }, {}, "failed")
    await world.until(id, runId, "running")
    world.time.now += 60_000
    await ended()

    const { body } = await replay(id, { last: 5 })

    expect(changesOf(body.runs[0])).toEqual([])
    expect(body.runs[0]).toMatchObject({
      run_id: runId,
      identical: true,
      outcome: { now: { status: "failed", failed_step_id: "broken" } },
    })
  })

  test("comes line by line to whoever asks for lines", async () => {
    const { id, runId } = await approved()
    const lines = await replay(id, { last: 1 }, undefined, { accept: "application/x-ndjson" })
    const said = lines.text
      .trim()
      .split("\n")
      .map(line => JSON.parse(line))
    expect(said.map(line => line.type)).toEqual(["started", "run", "summary"])
    expect(said[1].run.run_id).toBe(runId)
  })

  test("refuses runs that are not of this workflow or project, and what cannot run", async () => {
    const { id, runId } = await approved()
    const other = await approved()
    const { otherProject } = world.people

    expect((await replay(id, { run_ids: [other.runId] })).status).toBe(404)
    expect((await replay(id, { run_ids: [runId] }, world.as(otherProject, otherProject.place))).status).toBe(404)
    expect((await replay(id, { run_ids: ["../x"] })).status).toBe(404)
    expect((await replay(id, {})).status).toBe(400)
    expect((await replay(id, { last: 1, run_ids: [runId] })).status).toBe(400)
    expect((await replay(id, { last: 1, graph: { steps: "none" } })).status).toBe(422)
    expect((await replay(id, { last: 1, version: 99 })).status).toBe(404)
    expect((await replay(id, { last: 201 })).status).toBe(400)
  })

  test("tells of a run that was not recorded, and of one that has not ended", async () => {
    const id = await world.workflow(GRAPH)
    const quiet = await world.start(id, { when: "2026-03-01T08:00:00Z", times: [] })
    const waiting = await world.start(id, { when: "2026-03-01T08:00:00Z", times: [], record: true })
    await world.until(id, waiting, "paused")

    const { body } = await replay(id, { run_ids: [quiet, waiting] })

    expect(body.runs.map((r: RunReport) => r.problem)).toEqual([
      expect.stringContaining("was not recorded"),
      expect.stringContaining("has not ended"),
    ])
    expect(body.summary.not_replayed).toBe(2)
  })
})
