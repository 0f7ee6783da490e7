import { describe, expect, test } from "bun:test"
import { compilePlan } from "../../../src/engine/graph.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { REPLAY_RUN_MAX_MS } from "../../../src/kernel/limits.ts"
import { type Answer, replayRun } from "../../../src/modules/replay/host.ts"
import { readRecordedRun } from "../../../src/modules/replay/recorded-run.ts"
import { FACTS, graphOf, type Steps, step, types } from "../../engine/machine.ts"

const nothing = readRecordedRun(FACTS, compilePlan(graphOf({ none: [] }), types), [])

function play(steps: Steps, answer: (stepId: string) => Answer, more: { elapsed?: () => number; signal?: AbortSignal } = {}) {
  const deps = {
    answer: async (job: { stepId: string }) => answer(job.stepId),
    stallMs: 60_000,
    elapsed: () => performance.now(),
  }
  const signal = new AbortController().signal
  const facts: JsonObject = { _steps: { a: {} } }
  return replayRun({ ...nothing, facts: { ...FACTS, input: facts } }, compilePlan(graphOf(steps), types), {
    ...deps,
    signal,
    ...more,
  })
}

const gated = (id: string): JsonObject => ({ type: "agent_call", no_auto_start: true, name: id })
const forEver: Steps = { a: gated("a"), b: gated("b") }
const handOn = (id: string): Answer => ({ ok: true, result: { handoff: { to: id === "a" ? "b" : "a", payload: {} } } })

describe("a graph in memory", () => {
  test("runs to its end, and retries are not waited for", async () => {
    let tries = 0
    const failure = { code: "MCP_TOOL_FAILED" as const, message: "not now", retryable: true }
    const { state, problem } = await play({ x: step([], { retry_count: 2 }), y: ["x"] }, id =>
      id === "x" && tries++ < 2 ? { ok: false, failure } : { ok: true, result: { id } },
    )
    expect({ status: state.status, tries, problem }).toEqual({ status: "completed", tries: 3, problem: null })
  })

  test("leaves open what nobody can answer, and what waits for it, and runs the rest", async () => {
    const { state, unknown } = await play({ x: [], y: ["x"], z: [] }, id =>
      id === "x" ? { unknown: "no_recording" } : { ok: true, result: {} },
    )
    expect(state.steps.map(s => s.status)).toEqual(["running", "pending", "completed"])
    expect([...unknown.values()]).toEqual(["no_recording"])
  })

  test("that goes on for ever is given up when its time is over, and lets others have their turn", async () => {
    let turns = 0
    const beat = setInterval(() => turns++, 1)
    let now = 0
    const { problem } = await play(forEver, handOn, { elapsed: () => (now += REPLAY_RUN_MAX_MS / 500) })
    clearInterval(beat)

    expect(problem).toContain("took longer than")
    expect(turns).toBeGreaterThan(0)
  })

  test("stops when nobody wants it any more", async () => {
    const called = new AbortController()
    called.abort()
    expect((await play(forEver, handOn, { signal: called.signal })).problem).toContain("called off")
  })
})
