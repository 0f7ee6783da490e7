import { describe, expect, test } from "bun:test"
import { compilePlan } from "../../../src/engine/graph.ts"
import { EventStreams } from "../../../src/modules/runs/stream.ts"
import type { Reader } from "../../../src/modules/runs/stream-channel.ts"
import { EventFeed } from "../../../src/runtime/feed.ts"
import { each, graphOf, types } from "../../engine/machine.ts"

const plan = compilePlan(graphOf({ a: [], loop: each([1], { do: [] }) }), types)
const place = { runId: "run", workflowId: "flow", version: 1 }

/** Streams over a journal that holds so many events of the one run there is. */
function streams(recorded = 0) {
  const feed = new EventFeed()
  const events = Array.from({ length: recorded }, (_, i) => ({ seq: i + 1, event_type: "step_started" }))
  const deps = {
    feed,
    plans: { planOf: async () => plan },
    workflows: { row: async () => ({}) },
    service: {
      get: async () => ({}),
      events: async (_c: unknown, _w: unknown, _r: unknown, after: number) => ({ events: events.slice(after) }),
    },
  }
  const open = async (filter: { runId?: string; afterSeq?: number }) => {
    const frames: { event_type: string; seq: number }[] = []
    const reader: Reader = { send: texts => frames.push(...texts.map(t => JSON.parse(t))), buffered: () => 0, close() {} }
    const close = await new EventStreams(deps as never).open({} as never, "flow", filter, reader)
    return { frames, close, told: () => frames.map(f => `${f.event_type === "step_progress" ? "progress" : "event"} ${f.seq}`) }
  }
  const event = (seq: number) =>
    feed.publish({ ...place, events: [{ seq, at: 0, event: { type: "step_started", stepId: "a", data: { attempt: 1 } } }] })
  const progress = (seq: number, data = {}, stepId = "a", item: number | null = null, runId = "run") =>
    feed.tell({ ...place, runId, seq, at: 0, stepId, item, data })
  return { feed, open, event, progress }
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 2_000 && !holds(); i++) await Bun.sleep(1)
  expect(holds()).toBe(true)
}

describe("progress in a stream", () => {
  test("comes between the events it happened between, in their shape, without an id of its own", async () => {
    const { open, event, progress } = streams()
    const { frames, told } = await open({})
    event(1)
    progress(1, { progress: 3, total: 4, expires_at: 1e300 })
    event(2)
    progress(2, { message: "…" }, "loop#body#do", 0)

    await until(() => frames.length === 4)
    expect(told()).toEqual(["event 1", "progress 1", "event 2", "progress 2"])
    expect(frames[1]).toEqual({
      ...{ event_type: "step_progress", type: "step_progress", run_id: "run", workflow_id: "flow", seq: 1 },
      ...{ step_id: "a", step_name: "a", step_type: "work" },
      data: { progress: 3, total: 4, expires_at: 1e300 },
      ...{ created_at: "1970-01-01T00:00:00.000Z", timestamp: "1970-01-01T00:00:00.000Z" },
    } as never)
    expect(frames[3]).toMatchObject({ step_id: "loop#body#do", step_name: "do", data: { message: "…", index: 0 } })
  })

  test("never takes a reader back that keeps the number of what came last", async () => {
    const { open, event, progress } = streams(5)
    const opening = open({ runId: "run", afterSeq: 0 })
    for (let seq = 3; seq <= 5; seq++) {
      event(seq)
      progress(seq)
    }
    const { frames, told } = await opening
    event(6)
    progress(6)

    await until(() => frames.at(-1)?.seq === 6 && frames.length >= 7)
    const events = told().filter(t => t.startsWith("event"))
    expect(events).toEqual([1, 2, 3, 4, 5, 6].map(n => `event ${n}`))
    const numbers = frames.map(f => f.seq)
    expect(numbers).toEqual(numbers.toSorted((a, b) => a - b))
  })

  test("is of the run that is watched, and of nobody's when nobody watches", async () => {
    const { feed, open, progress } = streams()
    expect(feed.isWatched("flow")).toBe(false)
    const { frames, close } = await open({ runId: "run" })
    expect([feed.isWatched("flow"), feed.isWatched("other")]).toEqual([true, false])
    progress(1, {}, "a", null, "another")
    progress(2)
    await until(() => frames.length === 1)
    expect(frames[0]!.seq).toBe(2)
    close()
    expect([feed.isWatched("flow"), feed.size]).toEqual([false, 0])
  })
})
