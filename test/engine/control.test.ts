import { expect, test } from "bun:test"
import { wakeAt } from "../../src/engine/state.ts"
import {
  after,
  approved,
  at,
  clock,
  errored,
  eventOf,
  pause,
  person,
  resume,
  STALL,
  started,
  step,
  stepOf,
  stopGracefully,
  stopNow,
  succeeded,
  told,
  when,
  whenAt,
} from "./machine.ts"

test("under a pause what is under way may finish and nothing starts", () => {
  const paused = when(started({ a: [], b: ["a"] }), pause)
  const finished = when(paused.state, succeeded("a"))

  expect(told(paused)).toEqual(["state_changed paused operator"])
  expect(eventOf(paused, "state_changed").data).toEqual({ from: "running", to: "paused", pause_reason: "operator", by: "ann" })
  expect(told(finished)).toEqual(["step_completed a"])
  expect(finished.state).toMatchObject({ status: "paused", pauseReason: "operator" })
})

test("a resume starts what got ready during the pause, as if it had never been", () => {
  const run = after(started({ a: [], b: ["a"], off: step(["a"], { enabled: false }), c: ["off"] }), pause, succeeded("a"))

  const decision = when(run, resume)

  expect(told(decision)).toEqual([
    "state_changed running",
    "step_started b",
    "step_completed off step_disabled",
    "step_started c",
  ])
  expect(eventOf(decision, "state_changed").data).toEqual({ from: "paused", to: "running", by: "ann" })
})

test("a paused run fails when a step does", () => {
  const decision = when(after(started({ a: [], b: ["a"] }), pause), errored("a"))

  expect(told(decision)).toEqual(["step_failed a", "step_completed b blocked", "state_changed failed"])
  expect(eventOf(decision, "state_changed").data.from).toBe("paused")
})

test("a paused run whose last step finishes completes", () => {
  expect(told(when(after(started({ a: [] }), pause), succeeded("a")))).toEqual(["step_completed a", "state_changed completed"])
})

test("a second pause and a resume of a running run decide nothing", () => {
  const run = started({ a: [] })

  expect(told(when(after(run, pause), pause))).toEqual([])
  expect(told(when(run, resume))).toEqual([])
})

test("a run that waits for people is not resumed by a resume", () => {
  expect(told(when(started({ t: person() }), resume))).toEqual([])
})

test("an operator's pause over a wait for people is taken back to that wait", () => {
  const paused = when(started({ t: person(), b: ["t"] }), pause)
  const resumed = when(paused.state, resume)

  expect(told(paused)).toEqual(["state_changed paused operator"])
  expect(told(resumed)).toEqual(["state_changed running", "state_changed paused human_task"])
  expect(told(when(resumed.state, approved("t")))).toContain("step_started b")
})

test("an answer under an operator's pause is taken, and what follows waits for the resume", () => {
  const run = after(started({ t: person(), b: ["t"] }), pause)

  const answer = when(run, approved("t"))

  expect(told(answer)).toEqual(["human_task_completed t", "step_completed t"])
  expect(told(when(answer.state, resume))).toEqual(["state_changed running", "step_started b"])
})

test("a task under an operator's pause still expires", () => {
  const run = after(started({ t: person([], { timeout_s: 10 }) }), pause)

  expect(wakeAt(run, STALL)).toBe(at(10))
  expect(told(whenAt(run, 10, clock))).toEqual(["step_failed t", "state_changed failed"])
})

test("a failed attempt under a pause is tried again after it", () => {
  const run = after(started({ a: step([], { retry_count: 1 }) }), pause)

  const failed = when(run, errored("a"))

  expect(told(failed)).toEqual(["step_retry_scheduled a"])
  expect(told(whenAt(failed.state, 1, resume))).toEqual(["state_changed running", "step_started a #2"])
})

test("an immediate stop cancels what is under way, and says nothing of what never started", () => {
  const run = started({ a: [], b: ["a"], t: person(), r: step([], { retry_count: 1 }) })

  const decision = when(run, errored("r"), stopNow)

  expect(told(decision)).toEqual(["step_cancelled a", "step_cancelled t", "step_cancelled r", "state_changed stopped"])
  expect(eventOf(decision, "step_cancelled").data).toEqual({
    cancelled: true,
    reason: "run_stopped",
    failure_code: "RUN_STOPPED",
  })
  expect(eventOf(decision, "state_changed").data).toEqual({
    from: "running",
    to: "stopped",
    failure_code: "RUN_STOPPED",
    by: "ann",
  })
  expect(stepOf(decision.state, "b").status).toBe("pending")
  expect(decision.state).toMatchObject({ status: "stopped", failureCode: "RUN_STOPPED", completedAt: at(0) })
  expect(wakeAt(decision.state, STALL)).toBeNull()
})

test("a paused run can be stopped", () => {
  expect(told(when(after(started({ a: [] }), pause), stopNow))).toEqual(["step_cancelled a", "state_changed stopped"])
  expect(told(when(started({ t: person() }), stopNow))).toEqual(["step_cancelled t", "state_changed stopped"])
})

test("a graceful stop lets what is under way finish, starts nothing else, and stops", () => {
  const draining = when(started({ a: [], b: [], c: ["a"] }), stopGracefully())
  const one = when(draining.state, succeeded("a"))
  const two = when(one.state, succeeded("b"))

  expect(told(draining)).toEqual(["state_changed draining"])
  expect(eventOf(draining, "state_changed").data).toMatchObject({ by: "ann", drain_deadline: at(30) })
  expect(told(one)).toEqual(["step_completed a"])
  expect(told(two)).toEqual(["step_completed b", "state_changed stopped"])
  expect(eventOf(two, "state_changed").data).toEqual({ from: "draining", to: "stopped", failure_code: "RUN_STOPPED" })
})

test("a graceful stop gives up at once what only people or a later retry could end", () => {
  const run = after(started({ a: [], t: person(), r: step([], { retry_count: 1 }) }), errored("r"))

  expect(told(when(run, stopGracefully()))).toEqual(["state_changed draining", "step_cancelled t", "step_cancelled r"])
})

test("a graceful stop of a run with nothing under way stops at once", () => {
  expect(told(when(started({ t: person() }), stopGracefully()))).toEqual([
    "state_changed draining",
    "step_cancelled t",
    "state_changed stopped",
  ])
})

test("a graceful stop that takes too long ends at its limit", () => {
  const run = after(started({ a: [], b: ["a"] }), stopGracefully(5_000))

  expect(wakeAt(run, STALL)).toBe(at(5))
  expect(told(whenAt(run, 4.999, clock))).toEqual([])
  const decision = whenAt(run, 5, clock)
  expect(told(decision)).toEqual(["step_cancelled a", "state_changed stopped"])
  expect(eventOf(decision, "step_cancelled").data).toMatchObject({ reason: "drain_timeout", failure_code: "DRAIN_TIMEOUT" })
  expect(decision.state.failureCode).toBe("DRAIN_TIMEOUT")
})

test("a draining run takes no pause, resume or second graceful stop, and an immediate stop cuts it short", () => {
  const run = after(started({ a: [] }), stopGracefully())

  for (const input of [pause, resume, stopGracefully(1)]) expect(told(when(run, input))).toEqual([])
  expect(told(when(run, stopNow))).toEqual(["step_cancelled a", "state_changed stopped"])
})

test("a paused run that drains takes back its pause and starts nothing", () => {
  const run = after(started({ a: [], b: ["a"] }), pause, stopGracefully())

  expect(run).toMatchObject({ status: "draining", pauseReason: null })
  expect(told(when(run, succeeded("a")))).toEqual(["step_completed a", "state_changed stopped"])
})

test("the clock alone decides nothing when nothing is due", () => {
  expect(told(whenAt(started({ a: [], t: person() }), 1e6, clock))).toEqual([])
})
