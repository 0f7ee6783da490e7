import { expect, test } from "bun:test"
import { retryDelay } from "../../src/engine/fail.ts"
import { wakeAt } from "../../src/engine/state.ts"
import { RETRY_AFTER_MAX_MS } from "../../src/kernel/limits.ts"
import {
  after,
  at,
  clock,
  errored,
  eventOf,
  pause,
  resume,
  STALL,
  started,
  step,
  stepOf,
  stopGracefully,
  succeeded,
  told,
  when,
  whenAt,
} from "./machine.ts"

const twice = () => started({ a: step([], { retry_count: 2 }), b: ["a"] })

test("a failed attempt is tried again after a pause, and nothing is failed yet", () => {
  const decision = when(twice(), errored("a"))

  expect(told(decision)).toEqual(["step_retry_scheduled a"])
  expect(eventOf(decision, "step_retry_scheduled").data).toEqual({
    error: "no route",
    failure_code: "MCP_TOOL_FAILED",
    attempt: 1,
    duration_ms: 0,
    retry_at: at(1),
  })
  expect(decision.state.status).toBe("running")
  expect(wakeAt(decision.state, STALL)).toBe(at(1))
})

test("the next attempt starts when the clock reaches it, and not before", () => {
  const run = after(twice(), errored("a"))

  expect(told(whenAt(run, 0.999, clock))).toEqual([])
  const due = whenAt(run, 1, clock)
  expect(told(due)).toEqual(["step_started a #2"])
  expect(eventOf(due, "step_started").data).toEqual({ attempt: 2 })
  expect(told(whenAt(due.state, 1, clock))).toEqual([])
})

test("a retry keeps the input that its first attempt resolved", () => {
  const run = started({ a: step([], { retry_count: 1, args: { x: "{{input.x}}" } }) }, { input: { x: 7 } })

  expect(stepOf(whenAt(after(run, errored("a")), 1, clock).state, "a")).toMatchObject({ attempt: 2, input: { args: { x: 7 } } })
})

test("retry_count is the number of tries after the first", () => {
  const third = whenAt(whenAt(after(twice(), errored("a")), 1, clock, errored("a", 2)).state, 9, clock)
  const last = whenAt(third.state, 9, errored("a", 3))

  expect(told(third)).toEqual(["step_started a #3"])
  expect(told(last)).toEqual(["step_failed a", "step_completed b blocked", "state_changed failed"])
  expect(eventOf(last, "step_failed").data.attempt).toBe(3)
})

test("an attempt that succeeds after others failed forgets their error", () => {
  const decision = whenAt(after(twice(), errored("a")), 1, clock, succeeded("a", { ok: 1 }, 2))

  expect(told(decision)).toEqual(["step_completed a", "step_started b"])
  expect(stepOf(decision.state, "a")).toMatchObject({ status: "completed", error: null, failureCode: null, attempt: 2 })
  expect(eventOf(decision, "step_completed").data).toMatchObject({ attempt: 2, duration_ms: 1000 })
})

test("an answer of an older attempt decides nothing", () => {
  const waiting = after(twice(), errored("a"))
  const second = whenAt(waiting, 1, clock).state

  for (const run of [waiting, second]) {
    expect(told(when(run, errored("a", 1)))).toEqual([])
    expect(told(when(run, succeeded("a", {}, 1)))).toEqual([])
  }
  expect(told(when(waiting, succeeded("a", {}, 2)))).toEqual([])
})

test("a failure that trying again cannot help is final at once", () => {
  expect(told(when(twice(), errored("a", 1, { retryable: false })))).toContain("step_failed a")
})

test("a time-out is marked on the retry and on the failure", () => {
  const first = when(twice(), errored("a", 1, { timeout: true }))

  expect(eventOf(first, "step_retry_scheduled").data.timeout).toBe(true)
  expect(eventOf(when(started({ a: [] }), errored("a", 1, { timeout: true })), "step_failed").data.timeout).toBe(true)
})

test("the pause doubles from 1 s, spreads by 20 % either way, and is never over 30 s", () => {
  expect([1, 2, 3, 4, 5].map(n => retryDelay(n, 0.5))).toEqual([1000, 2000, 4000, 8000, 16_000])
  expect([retryDelay(1, 0), retryDelay(3, 0)]).toEqual([800, 3200])
  expect(retryDelay(3, 0.999_999)).toBeCloseTo(4800, -1)
  for (let n = 6; n <= 21; n++) {
    for (const jitter of [0, 0.5, 0.999_999]) {
      expect(retryDelay(n, jitter)).toBeGreaterThanOrEqual(24_000)
      expect(retryDelay(n, jitter)).toBeLessThanOrEqual(30_000)
    }
  }
})

test("two steps retry on their own clocks, and the earlier one wakes the run", () => {
  const retried = step([], { retry_count: 3 })
  const run = after(started({ a: retried, b: retried }), errored("a", 1, {}, 0.9), errored("b", 1, {}, 0.1))

  expect(wakeAt(run, STALL)).toBe(at(0.84))
  const first = whenAt(run, 0.84, clock)
  expect(told(first)).toEqual(["step_started b #2"])
  expect(wakeAt(first.state, STALL)).toBe(at(1.16))
  expect(told(whenAt(first.state, 2, clock))).toEqual(["step_started a #2"])
})

test("a run that drains does not try again", () => {
  const decision = when(after(twice(), stopGracefully()), errored("a"))

  expect(told(decision)).toEqual(["step_failed a", "state_changed stopped"])
})

test("a retry that gets due under an operator's pause waits for the resume", () => {
  const run = after(twice(), errored("a"), pause)

  expect(wakeAt(run, STALL)).toBeNull()
  expect(told(whenAt(run, 5, clock))).toEqual([])
  expect(told(whenAt(run, 5, resume))).toEqual(["state_changed running", "step_started a #2"])
})

test("a retry that is not due at the resume keeps its time", () => {
  const resumed = whenAt(after(twice(), errored("a"), pause), 0.5, resume)

  expect(told(resumed)).toEqual(["state_changed running"])
  expect(wakeAt(resumed.state, STALL)).toBe(at(1))
})

test("a retry waits for as long as the other side wants to be left alone, spread upwards", () => {
  const decision = when(twice(), errored("a", 1, { retryAfterMs: 20_000 }, 0))

  expect(eventOf(decision, "step_retry_scheduled").data).toMatchObject({ retry_at: at(20), retry_after_ms: 20_000 })
  expect(wakeAt(decision.state, STALL)).toBe(at(20))
  const spread = when(twice(), errored("a", 1, { retryAfterMs: 20_000 }, 0.5))
  expect(eventOf(spread, "step_retry_scheduled").data.retry_at).toBe(at(22))
})

test("a wish that is shorter than the usual pause does not shorten it", () => {
  const decision = when(twice(), errored("a", 1, { retryAfterMs: 10 }))

  expect(eventOf(decision, "step_retry_scheduled").data).toMatchObject({ retry_at: at(1), retry_after_ms: 10 })
})

test("nobody is waited for longer than ten minutes, and nonsense is no wish", () => {
  for (const retryAfterMs of [1e12, Number.POSITIVE_INFINITY]) {
    const { data } = eventOf(when(twice(), errored("a", 1, { retryAfterMs }, 0)), "step_retry_scheduled")
    expect(data).toMatchObject({ retry_at: at(RETRY_AFTER_MAX_MS / 1000), retry_after_ms: RETRY_AFTER_MAX_MS })
  }
  for (const retryAfterMs of [-5, 0, Number.NaN]) {
    const { data } = eventOf(when(twice(), errored("a", 1, { retryAfterMs })), "step_retry_scheduled")
    expect(data).not.toHaveProperty("retry_after_ms")
    expect(data.retry_at).toBe(at(1))
  }
  const { data } = eventOf(when(twice(), errored("a", 1, { retryAfterMs: 2_000.4 }, 0)), "step_retry_scheduled")
  expect(data.retry_at).toBe(at(2.001))
})
