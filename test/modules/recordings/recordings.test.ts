import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { RECORDED_RESPONSE_MAX_BYTES } from "../../../src/kernel/limits.ts"
import { createRecorder } from "../../../src/modules/recordings/service.ts"
import type { RecordingRow } from "../../../src/modules/recordings/store.ts"
import { openWorld, type World } from "../../helpers/app.ts"

const TIME = "https://router.agentruntime.io/time/mcp"
const parse = (id: string, time: string): JsonObject => ({
  ...{ id, type: "mcp_call", server_url: TIME, tool_name: "time_parse", tool_args: { time } },
})

describe("a recorded run", () => {
  let world: World

  beforeAll(async () => {
    world = await openWorld()
  })
  afterAll(() => world.close())

  const recordingOf = async (id: string, runId: string) =>
    (await world.call(world.as(world.people.viewer), "GET", `/v1/workflows/${id}/runs/${runId}/recording`)).body

  test("keeps what its tools were asked and said", async () => {
    const id = await world.workflow({ steps: [parse("note", "{{input.when}}")] })

    const runId = await world.start(id, { when: "2026-03-01T08:00:00Z", record: true })
    await world.until(id, runId, "completed")

    const { exchanges, total } = await recordingOf(id, runId)
    expect(total).toBe(1)
    expect(exchanges[0]).toMatchObject({
      ...{ seq: 1, kind: "tool", step_id: "note", item: null, round: 0, attempt: 1 },
      request: { server: TIME, tool: "time_parse", args: { time: "2026-03-01T08:00:00Z" } },
      response: { ok: true },
    })
    const { body } = await world.call(world.as(world.people.viewer), "GET", `/v1/workflows/${id}/runs/${runId}/context`)
    expect(body.input).toEqual({ when: "2026-03-01T08:00:00Z" })
  })

  test("is one when its workflow says so, unless its start says otherwise; and its child runs are, too", async () => {
    const child = await world.workflow({ steps: [parse("inner", "2026-01-01T00:00:00Z")] })
    const id = await world.workflow({
      steps: [parse("outer", "2026-01-01T00:00:00Z"), { id: "call", type: "workflow_call", workflow_id: child }],
    })
    const patched = await world.call(world.as(world.people.contributor), "PATCH", `/v1/workflows/${id}`, { recording: true })
    expect(patched.body.recording).toBe(true)

    const runId = await world.start(id)
    await world.until(id, runId, "completed")
    const quiet = await world.start(id, { record: false })
    await world.until(id, quiet, "completed")

    expect((await recordingOf(id, runId)).total).toBe(1)
    expect((await recordingOf(id, quiet)).total).toBe(0)
    const { body } = await world.call(world.as(world.people.viewer), "GET", `/v1/runs?parent_run_id=${runId}`)
    expect((await recordingOf(child, body.runs[0].id)).total).toBe(1)
  })

  test("that nobody asked for keeps nothing, and a start that says neither yes nor no is refused", async () => {
    const id = await world.workflow({ steps: [parse("note", "2026-01-01T00:00:00Z")] })

    const runId = await world.start(id)
    await world.until(id, runId, "completed")

    expect((await recordingOf(id, runId)).total).toBe(0)
    expect((await world.command(id, "start", { record: "yes" })).status).toBe(400)
  })

  test("keeps failures as they were, and is gone when it is deleted", async () => {
    const id = await world.workflow({ steps: [parse("note", "the day after tomorrow")] })
    const runId = await world.start(id, { record: true })
    await world.until(id, runId, "failed")

    const { exchanges } = await recordingOf(id, runId)
    expect(exchanges[0].response).toMatchObject({ ok: false, failure: { retryable: false } })

    const path = `/v1/workflows/${id}/runs/${runId}/recording`
    expect((await world.call(world.as(world.people.viewer), "DELETE", path)).status).toBe(403)
    expect((await world.call(world.as(world.people.contributor), "DELETE", path)).status).toBe(204)
    expect((await recordingOf(id, runId)).total).toBe(0)
  })
})

describe("the recorder", () => {
  const attempt = { runId: "r", tenantId: "t", projectId: "p", stepId: "s", item: null, round: 0, attempt: 1 }
  const clock = { now: () => 1 }

  test("says that an answer was too large to be kept", async () => {
    const rows: Omit<RecordingRow, "seq">[] = []
    const store = { insert: async (row: Omit<RecordingRow, "seq">) => rows.push(row) > 0 }
    const recorder = createRecorder({ store, clock, log: { warn() {} } })

    const value = { text: "x".repeat(RECORDED_RESPONSE_MAX_BYTES) }
    await recorder.keep(attempt, { kind: "tool", request: { tool: "big" }, response: { ok: true, value } })

    expect(rows[0]?.response).toMatchObject({ truncated: true, size_bytes: expect.any(Number), preview: expect.any(String) })
    expect(rows[0]?.request).toEqual({ tool: "big" })
  })

  test("says in the log what could not be kept, and lets the step go on", async () => {
    const said: string[] = []
    const log = { warn: (_: object, message: string) => void said.push(message) }
    const refusing = { insert: () => Promise.reject(new Error("the disk is full")) }
    const full = { insert: async () => false }

    const exchange = { kind: "tool" as const, request: {}, response: { ok: true as const, value: 1 } }
    await createRecorder({ store: refusing, clock, log }).keep(attempt, exchange)
    await createRecorder({ store: full, clock, log }).keep(attempt, exchange)

    expect(said).toHaveLength(2)
  })
})
