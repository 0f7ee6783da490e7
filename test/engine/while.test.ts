import { expect, test } from "bun:test"
import { scriptScope } from "../../src/engine/scope.ts"
import { type RunState, wakeAt } from "../../src/engine/state.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import {
  after,
  at,
  bodyOfItem,
  clock,
  created,
  eventOf,
  item,
  itemErrored,
  loopOf,
  pause,
  repeat,
  resume,
  STALL,
  start,
  started,
  step,
  stepOf,
  stopGracefully,
  told,
  when,
  whenAt,
} from "./machine.ts"

const X = "w#body#x"
const TEST = "w#body#test"
const ok = (n: number, value: Json) => item(n, X, { ok: value })
const resultOf = (state: RunState) => stepOf(state, "w").result as JsonObject
const loop = (mode: "until" | "while", more: JsonObject = {}, max = 3) => ({
  w: repeat(mode, max, "{{body.x.ok}}", { x: [] }, more),
  next: ["w"],
})

test("until repeats its body until the test is true, and says why it stopped", () => {
  const one = when(created(loop("until")), start, ok(0, false))
  const two = when(one.state, ok(1, true))

  expect(told(one)).toEqual([`step_completed ${X}[0]`, `step_started ${X}[1]`])
  expect(told(two)).toEqual([`step_completed ${X}[1]`, "step_completed w", "step_started next"])
  expect(resultOf(two.state)).toEqual({
    iteration_count: 2,
    max_iterations: 3,
    last: { x: { ok: true } },
    iterations: [{ x: { ok: false } }, { x: { ok: true } }],
    stopped_reason: "condition_met",
  })
})

test("while repeats its body until the test is false, and the body runs once even if it is", () => {
  expect(resultOf(after(started(loop("while")), ok(0, false)))).toMatchObject({
    iteration_count: 1,
    stopped_reason: "condition_met",
  })
  expect(resultOf(after(started(loop("while")), ok(0, true), ok(1, 0)))).toMatchObject({
    iteration_count: 2,
    stopped_reason: "condition_met",
  })
})

test("reaching the largest number of iterations ends the loop and is no failure", () => {
  const end = after(started(loop("until")), ok(0, false), ok(1, false), ok(2, false))

  expect(resultOf(end)).toMatchObject({ iteration_count: 3, stopped_reason: "max_iterations" })
  expect(stepOf(end, "next").status).toBe("running")
})

test("a test that is true in the last iteration was met", () => {
  expect(resultOf(after(started(loop("until", {}, 1)), ok(0, true))).stopped_reason).toBe("condition_met")
})

test("a missing value is false, and a test that cannot be read fails the loop", () => {
  expect(loopOf(after(started(loop("until")), item(0, X, {})), "w").live.length).toBe(2)
  const broken = { w: repeat("until", 3, "{{", { x: [] }, { retry_count: 2 }) }
  const decision = when(started(broken), ok(0, true))
  expect(told(decision)).toEqual([`step_completed ${X}[0]`, "step_failed w", "state_changed failed"])
  expect(decision.state.failureCode).toBe("TEMPLATE_UNRESOLVED")
})

test("a script is the last step of each iteration, and wins over the condition", () => {
  const run = started(loop("until", { while_eval_script: "return { pass = true }" }))

  const tested = when(run, ok(0, true))
  expect(told(tested)).toEqual([`step_completed ${X}[0]`, `step_started ${TEST}[0]`])
  expect(bodyOfItem(tested.state, "w", 0).steps[1]!.input).toEqual({ script: "return { pass = true }" })
  const again = when(tested.state, item(0, TEST, { pass: false }))
  expect(told(again)).toEqual([`step_completed ${TEST}[0]`, `step_started ${X}[1]`])
  expect(told(when(again.state, ok(1, false), item(1, TEST, { pass: true })))).toContain("step_completed w")
})

test("in while mode a script that does not pass ends the loop, and one that gives no table does not pass", () => {
  for (const result of [{ pass: false }, {}, null, []] as Json[]) {
    const run = started(loop("while", { while_eval_script: "return {}" }))
    expect(told(when(run, ok(0, true), item(0, TEST, result)))).toContain("step_completed w")
  }
})

test("an iteration reads its number, and what the one before gave", () => {
  const args = ["{{while.iteration}}", '{{while.prev.x.n | "none"}}', '{{while.prev.x.result.n | "none"}}']
  const run = started({ w: repeat("until", 3, "{{body.x.ok}}", { x: step([], { args }) }) })

  const second = after(run, item(0, X, { n: 7 }))

  expect(bodyOfItem(second, "w", 0).steps[0]!.input).toEqual({ args: [1, "none", "none"] })
  expect(bodyOfItem(second, "w", 1).steps[0]!.input).toEqual({ args: [2, 7, 7] })
  const scope = scriptScope(second, { within: { parent: 0, item: 1 }, index: 0 })
  expect(scope).toMatchObject({ while: { iteration: 2 }, loop: { iteration: 2, prev: { x: { n: 7 } } }, body: {} })
})

test("an iteration whose steps are all passed over counts, so that a loop of nothing ends", () => {
  const nothing = { w: repeat("until", 1000, "{{body.x.ok}}", { x: step([], { enabled: false }) }) }

  expect(resultOf(after(created(nothing), start))).toMatchObject({
    iteration_count: 1000,
    last: {},
    stopped_reason: "max_iterations",
  })
})

test("a failed inner step fails the loop with its code, and a retry begins with the first iteration", () => {
  const failed = when(started(loop("until")), ok(0, false), itemErrored(1, X, { code: "LLM_REQUEST_FAILED", retryable: false }))
  expect(told(failed)).toEqual([`step_failed ${X}[1]`, "step_failed w", "step_completed next blocked", "state_changed failed"])
  expect(failed.state).toMatchObject({ failureCode: "LLM_REQUEST_FAILED", error: "iteration 2: no route" })

  const retried = when(started(loop("until", { retry_count: 1 })), ok(0, false), itemErrored(1, X))
  const again = whenAt(retried.state, 1, clock)
  expect(told(again)).toEqual(["step_started w #2", `step_started ${X}[0]`])
  expect(told(when(again.state, item(0, X, { ok: true }, 1, 1)))).toContain("step_completed w")
})

test("an iteration that takes too long fails the loop, and each has the whole time", () => {
  const run = whenAt(started(loop("until", { while_iteration_timeout_s: 5 })), 4, ok(0, false)).state

  expect(wakeAt(run, STALL)).toBe(at(9))
  const decision = whenAt(run, 9, clock)
  expect(told(decision)).toEqual([`step_failed ${X}[1]`, "step_failed w", "step_completed next blocked", "state_changed failed"])
  expect(eventOf(decision, "step_failed", "w").data).toMatchObject({ failure_code: "STEP_TIMEOUT", timeout: true })
})

test("a pause holds back the next iteration, but not the end", () => {
  const paused = after(started(loop("until")), pause)

  const more = when(paused, ok(0, false))
  expect(told(more)).toEqual([`step_completed ${X}[0]`])
  expect(told(when(more.state, resume))).toEqual(["state_changed running", `step_started ${X}[1]`])
  expect(told(when(paused, ok(0, true)))).toEqual([`step_completed ${X}[0]`, "step_completed w"])
})

test("a graceful stop ends the loop with its iteration", () => {
  expect(told(when(started(loop("until")), stopGracefully(), ok(0, false)))).toEqual([
    `step_completed ${X}[0]`,
    "step_cancelled w",
    "state_changed stopped",
  ])
})

test("a result that is too large is cut in its event, and whole behind it", () => {
  const big = "x".repeat(600_000)
  const decision = when(after(started(loop("while")), item(0, X, { ok: true, big })), item(1, X, { big }))

  expect(eventOf(decision, "step_completed", "w").data).toMatchObject({
    result: { iteration_count: 2, max_iterations: 3, truncated: true, stopped_reason: "condition_met" },
    truncated: true,
  })
  expect(resultOf(decision.state)).toEqual({
    iteration_count: 2,
    max_iterations: 3,
    last: { x: { big } },
    iterations: [{ x: { ok: true, big } }, { x: { big } }],
    stopped_reason: "condition_met",
  })
})
