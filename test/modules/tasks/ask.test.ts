import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Caller, openWorld, type World } from "../../helpers/app.ts"

let world: World
let caller: Caller
let instance: string
beforeAll(async () => {
  world = await openWorld()
  caller = world.as(world.people.contributor)
  const admin = world.as(world.people.projectAdmin)
  const { body } = await world.call(admin, "POST", "/v1/mcp/instances", { server_id: "time" })
  instance = body.id
  const { project } = world.places.first
  const changed = await world.call(admin, "PATCH", `/v1/projects/${project}`, { tool_drift: "ask" })
  expect(changed.status).toBe(200)
})
afterAll(() => world.close())

/** A run whose only tool is not what it was when its workflow was published. */
async function started(inLoop = false) {
  const call = {
    ...{ id: "read", type: "mcp_call", name: "Read", instance_id: instance },
    ...{ tool_name: "time_now", tool_args: { timezone: "UTC" } },
  }
  const loop = { id: "each", type: "for_each", for_each_items: [1], for_each_body_steps: [call] }
  const id = await world.workflow({ steps: [inLoop ? loop : call] })
  const tools = JSON.stringify({ [instance]: { time_now: "another" } })
  await world.db.query({
    sql: "UPDATE workflow_versions SET tools = ? WHERE workflow_id = ? RETURNING version",
    params: [tools, id],
  })
  const runId = await world.start(id)
  await world.until(id, runId, "paused")
  const path = `/v1/workflows/${id}/runs/${runId}`
  const complete = (taskId: string, approved: boolean) =>
    world.call(caller, "POST", `${path}/tasks/${taskId}/complete`, { approved, result: { note: "seen" } })
  const read = async (rest: string) => (await world.call(caller, "GET", path + rest)).body
  return { id, runId, complete, read }
}

describe("the question of a step", () => {
  test("is listed like a human task and counted, and the step goes on when it is approved, once", async () => {
    const { id, runId, complete, read } = await started()
    const { tasks } = await read("/tasks/pending")
    expect(tasks).toMatchObject([
      {
        ...{ id: "read|1.1", task_id: "read|1.1", run_id: runId, workflow_id: id, step_id: "read", step_name: "Read" },
        ...{ task_type: "tool_changed", status: "pending", expires_at: null },
        task_payload: { tool: { name: "time_now" }, was: "another" },
      },
    ])
    expect(await read("")).toMatchObject({ pause_reason: "human_task" })
    expect(await read("/summary")).toMatchObject({ pending_tasks: 1, orchestration_phase: "waiting_human" })
    expect((await read("/steps/read/explain")).message).toBe("read waits for a person")

    const answer = await complete("read%7C1.1", true)
    expect([answer.status, answer.body]).toEqual([200, { status: "completed", task_id: "read|1.1", approved: true }])
    const again = await complete("read%7C1.1", false)
    expect([again.status, again.body.code]).toEqual([409, "TASK_ALREADY_COMPLETED"])
    await world.until(id, runId, "completed")
    expect((await read("/context")).steps.read.result).toMatchObject({ weekday_name: expect.any(String) })
    const { events } = await read("/events")
    expect(events.map((e: { event_type: string }) => e.event_type)).toEqual([
      ...["run_started", "step_started", "human_task_created", "state_changed", "human_task_completed", "state_changed"],
      ...["step_completed", "state_changed"],
    ])
    const completed = events.find((e: { event_type: string }) => e.event_type === "human_task_completed")
    expect(completed.data).toMatchObject({ task_id: "read|1.1", approved: true, result: { note: "seen" } })
  })

  test("inside a loop is named by the path, and a no is the step's to judge", async () => {
    const { id, runId, complete, read } = await started(true)
    expect((await read("/tasks/pending")).tasks).toMatchObject([{ task_id: "each|0|read|1.1", step_id: "each#body#read" }])
    expect((await read("/steps/each/explain")).message).toBe("each is running, attempt 1; 1 of its items waits for a person")
    expect((await complete(encodeURIComponent("each|0|read|1.1"), false)).status).toBe(200)
    expect(await world.until(id, runId, "failed")).toMatchObject({ failure_code: "FOR_EACH_FAILED" })
  })
})
