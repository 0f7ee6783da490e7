import { expect, test } from "bun:test"
import { decide } from "../../src/engine/decide.ts"
import { evolve } from "../../src/engine/evolve.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import {
  after,
  approved,
  at,
  bodyOfItem,
  clock,
  created,
  each,
  eventOf,
  pause,
  person,
  resume,
  start,
  started,
  step,
  stepOf,
  stopNow,
  succeeded,
  told,
  when,
  whenAt,
} from "./machine.ts"

test("a start begins every root at once, in the order of the document", () => {
  const decision = when(created({ b: [], a: [], c: ["a", "b"], d: [] }), start)

  expect(told(decision)).toEqual(["run_started", "step_started b", "step_started a", "step_started d"])
  expect(decision.state.status).toBe("running")
  expect(eventOf(decision, "run_started").data).toEqual({ trigger_type: "api", version: 3 })
})

test("a second start decides nothing", () => {
  expect(told(when(started({ a: [] }), start))).toEqual([])
})

test("a chain runs one step after another and completes with the last", () => {
  const run = started({ a: [], b: ["a"] })

  const first = when(run, succeeded("a"))
  const last = when(first.state, succeeded("b"))

  expect(told(first)).toEqual(["step_completed a", "step_started b"])
  expect(told(last)).toEqual(["step_completed b", "state_changed completed"])
  expect(last.state.completedAt).toBe(at(0))
})

test("both arms of a diamond start together, and its join starts once, after the slower arm", () => {
  const run = started({ a: [], left: ["a"], right: ["a"], join: ["left", "right"] })

  const forked = when(run, succeeded("a"))
  const half = when(forked.state, succeeded("right"))
  const joined = when(half.state, succeeded("left"))

  expect(told(forked)).toEqual(["step_completed a", "step_started left", "step_started right"])
  expect(told(half)).toEqual(["step_completed right"])
  expect(told(joined)).toEqual(["step_completed left", "step_started join"])
})

test("a dependency that is named twice counts once", () => {
  expect(told(when(started({ a: [], b: ["a", "a"] }), succeeded("a")))).toEqual(["step_completed a", "step_started b"])
})

test("a result is recorded with the time since the step started and its attempt", () => {
  const decision = whenAt(started({ a: [] }), 2.5, succeeded("a", { rows: [1] }))

  expect(eventOf(decision, "step_completed").data).toEqual({ result: { rows: [1] }, duration_ms: 2500, attempt: 1 })
  expect(stepOf(decision.state, "a")).toMatchObject({ status: "completed", result: { rows: [1] }, endedAt: at(2.5) })
})

test("a cut result is marked, and a whole one is not", () => {
  const cut = when(started({ a: [] }), { ...succeeded("a"), truncated: true } as RunInput)

  expect(eventOf(cut, "step_completed").data).toMatchObject({ truncated: true })
  expect(eventOf(when(started({ a: [] }), succeeded("a")), "step_completed").data).not.toHaveProperty("truncated")
})

test("a disabled step is passed over, and its dependents go on in the same decision", () => {
  const decision = when(created({ a: step([], { enabled: false }), b: step(["a"], { enabled: false }), c: ["b"] }), start)

  expect(told(decision)).toEqual([
    "run_started",
    "step_completed a step_disabled",
    "step_completed b step_disabled",
    "step_started c",
  ])
})

test("a run in which every step is disabled completes at its start", () => {
  const decision = when(created({ a: step([], { enabled: false }) }), start)

  expect(told(decision)).toEqual(["run_started", "step_completed a step_disabled", "state_changed completed"])
})

test("an excluded root does not run, and what follows it does", () => {
  const decision = when(created({ a: [], b: [], c: ["a"] }, { excludedStepIds: ["a"] }), start)

  expect(told(decision)).toEqual(["run_started", "step_completed a excluded", "step_started b", "step_started c"])
})

test("an excluded root takes no step of its name inside a loop along", () => {
  const run = started({ a: [], l: each([1], { a: [] }) }, { excludedStepIds: ["a"] })

  expect(stepOf(run, "a").skipReason).toBe("excluded")
  expect(bodyOfItem(run, "l", 0).steps.map(s => s.status)).toEqual(["running"])
})

test("disabled wins over excluded and over the condition", () => {
  const off = step([], { enabled: false, condition: "{{input.no}}" })

  expect(told(when(created({ a: off }, { excludedStepIds: ["a"] }), start))).toContain("step_completed a step_disabled")
})

test("an answer about an unknown step, a pending one, or one that has ended decides nothing", () => {
  const run = after(started({ a: [], b: ["a"], c: ["b"] }), succeeded("a"))

  for (const late of [succeeded("nobody"), succeeded("c"), succeeded("a", { other: 1 }), succeeded("__proto__")]) {
    const decision = when(run, late)
    expect(told(decision)).toEqual([])
    expect(decision.state).toBe(run)
  }
})

test("an answer that names another attempt decides nothing", () => {
  const run = started({ a: [] })

  expect(told(when(run, succeeded("a", {}, 0)))).toEqual([])
  expect(told(when(run, succeeded("a", {}, 2)))).toEqual([])
})

test("nothing is decided behind a final state", () => {
  const finals = [
    after(started({ a: [] }), succeeded("a")),
    after(started({ a: person() }), approved("a")),
    after(started({ a: [], b: ["a"] }), stopNow),
  ]

  for (const run of finals) {
    for (const input of [start, succeeded("a"), approved("a"), pause, resume, stopNow, clock]) {
      const decision = when(run, input)
      expect(told(decision)).toEqual([])
      expect(decision.state).toBe(run)
    }
  }
})

test("the state of a decision is the fold of its events", () => {
  const run = created({ a: step([], { enabled: false }), b: ["a"], t: person() })
  const { events, state } = decide(run, start, at(1))

  expect(events.reduce((s, event) => evolve(s, event, at(1)), run)).toEqual(state)
  expect(state.seq).toBe(events.length)
})

test("a decision leaves the state it was asked about as it was", () => {
  const run = created({ a: [], t: person() })
  const copy = structuredClone({ ...run, plan: null })

  when(run, start, succeeded("a"), approved("t"))

  expect({ ...run, plan: null }).toEqual(copy as never)
})
