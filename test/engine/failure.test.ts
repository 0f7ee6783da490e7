import { expect, test } from "bun:test"
import {
  after,
  at,
  created,
  errored,
  eventOf,
  pause,
  person,
  resume,
  start,
  started,
  step,
  stepOf,
  succeeded,
  told,
  when,
  whenAt,
} from "./machine.ts"

test("a step whose sibling failed is cancelled, and its join is skipped as blocked", () => {
  const decision = when(started({ a: [], b: [], c: ["a", "b"] }), errored("a"))

  expect(told(decision)).toEqual(["step_failed a", "step_cancelled b", "step_completed c blocked", "state_changed failed"])
})

test("on failure everything under way is cancelled first, tasks and retries included, then the rest is blocked in topological order", () => {
  const run = started({
    last: ["mid", "gate"],
    mid: ["busy"],
    done: [],
    bad: [],
    busy: [],
    resting: step([], { retry_count: 1 }),
    gate: person(),
    off: step(["mid"], { enabled: false }),
  })

  const decision = when(run, succeeded("done", { kept: true }), errored("resting"), errored("bad"))

  expect(told(decision)).toEqual([
    "step_failed bad",
    "step_cancelled busy",
    "step_cancelled resting",
    "step_cancelled gate",
    "step_completed mid blocked",
    "step_completed last blocked",
    "step_completed off blocked",
    "state_changed failed",
  ])
  expect(stepOf(decision.state, "done")).toMatchObject({ status: "completed", result: { kept: true } })
  expect(stepOf(decision.state, "gate")).toMatchObject({ status: "cancelled", task: null })
  expect(stepOf(decision.state, "resting")).toMatchObject({ status: "cancelled", retryAt: null })
})

test("every event of a failure says what caused it", () => {
  const decision = whenAt(started({ a: [], b: [], c: ["b"] }), 3, errored("a", 1, { code: "LUA_SCRIPT_FAILED", message: "boom" }))

  expect(decision.events.map(e => e.data)).toEqual([
    { error: "boom", failure_code: "LUA_SCRIPT_FAILED", attempt: 1, duration_ms: 3000 },
    { cancelled: true, reason: "run_failed", caused_by_step_id: "a" },
    { skipped: true, reason: "blocked", caused_by_step_id: "a" },
    { from: "running", to: "failed", failure_code: "LUA_SCRIPT_FAILED", failed_step_id: "a", error: "boom" },
  ])
  expect(decision.state).toMatchObject({
    status: "failed",
    failureCode: "LUA_SCRIPT_FAILED",
    failedStepId: "a",
    error: "boom",
    completedAt: at(3),
    open: 0,
    moving: 0,
    waiting: 0,
  })
})

test("a template that names nothing fails its step and with it the run", () => {
  const run = started({ a: [], b: step(["a"], { args: { to: "{{steps.a.result.address}}" } }), c: ["a"] })

  const decision = when(run, succeeded("a", { secret: "hunter2" }))

  expect(told(decision)).toEqual([
    "step_completed a",
    "step_started b",
    "step_failed b",
    "step_completed c blocked",
    "state_changed failed",
  ])
  expect(eventOf(decision, "step_failed").data).toMatchObject({ failure_code: "TEMPLATE_UNRESOLVED", attempt: 1 })
  expect(eventOf(decision, "step_failed").data.error).toContain("{{steps.a.result.address}}")
  expect(JSON.stringify(decision.events.slice(1))).not.toContain("hunter2")
})

test("a step does not try an unresolved template again", () => {
  expect(told(when(created({ a: step([], { note: "{{input.x}}", retry_count: 5 }) }), start))).toContain("step_failed a")
})

test("a root that fails at the start cancels the roots that began before it, and no later one starts", () => {
  const decision = when(created({ a: [], b: step([], { note: "{{input.x}}" }), c: [], d: person() }), start)

  expect(told(decision)).toEqual([
    "run_started",
    "step_started a",
    "step_started b",
    "step_failed b",
    "step_cancelled a",
    "step_completed c blocked",
    "step_completed d blocked",
    "state_changed failed",
  ])
})

test("a template that cannot be read fails its step, too", () => {
  const decision = when(created({ a: step([], { note: "{{input.x" }) }), start)

  expect(eventOf(decision, "step_failed").data.failure_code).toBe("TEMPLATE_UNRESOLVED")
})

test("a human task whose payload names nothing fails and is never created", () => {
  const decision = when(created({ t: person([], { task_payload: { text: "{{input.x}}" } }) }), start)

  expect(told(decision)).toEqual(["run_started", "step_started t", "step_failed t", "state_changed failed"])
})

test("a step that gets ready at the resume and fails at once is the last to start", () => {
  const run = started({ a: [], b: step(["a"], { note: "{{input.x}}" }), r: step([], { retry_count: 1 }) })

  const decision = whenAt(after(run, errored("r"), pause, succeeded("a")), 5, resume)

  expect(told(decision)).toEqual([
    "state_changed running",
    "step_started r #2",
    "step_started b",
    "step_failed b",
    "step_cancelled r",
    "state_changed failed",
  ])
})

test("a late answer of work that a failure cancelled decides nothing", () => {
  const failed = after(started({ a: [], b: [] }), errored("a"))

  expect(told(when(failed, succeeded("b")))).toEqual([])
  expect(told(when(failed, errored("b")))).toEqual([])
})
