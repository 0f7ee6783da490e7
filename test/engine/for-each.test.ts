import { describe, expect, test } from "bun:test"
import { commands } from "../../src/engine/commands.ts"
import { stepAt } from "../../src/engine/place.ts"
import { scriptScope } from "../../src/engine/scope.ts"
import { pendingTasks, type RunState, wakeAt } from "../../src/engine/state.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import {
  after,
  approved,
  at,
  bodyOfItem,
  clock,
  created,
  each,
  eventOf,
  item,
  itemErrored,
  loopOf,
  pause,
  rejected,
  resume,
  STALL,
  start,
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

const X = "loop#body#x"
/** A loop of one inner step `x`, and a step behind it. */
const loopOver = (items: Json, more: JsonObject = {}) => ({ loop: each(items, { x: [] }, more), next: ["loop"] })
const resultOf = (state: RunState) => stepOf(state, "loop").result as JsonObject
const all = (state: RunState, n: number) => after(state, ...Array.from({ length: n }, (_, i) => item(i, X, { n: i })))

describe("a for_each", () => {
  test("runs its body for each item, and what waits for it gets the results in the order of the items", () => {
    const run = started({ loop: each(["a", "b"], { x: [], y: [] }), next: step(["loop"], { args: "{{steps.loop.result}}" }) })

    const one = when(run, item(1, X, { x: 1 }), item(1, "loop#body#y", { y: 1 }), item(0, X, { x: 0 }))
    const last = when(one.state, item(0, "loop#body#y", { y: 0 }))

    expect(told(one)).toEqual(["step_completed loop#body#x[0]", "step_started loop#body#y[0]"])
    expect(told(last)).toEqual(["step_completed loop#body#y[0]", "step_completed loop", "step_started next"])
    expect(stepOf(last.state, "next").input).toEqual({
      args: {
        count: 2,
        max_parallel: 10,
        results: [
          { index: 0, result: { y: 0 }, body: { x: { x: 0 }, y: { y: 0 } } },
          { index: 1, result: { y: 1 }, body: { x: { x: 1 }, y: { y: 1 } } },
        ],
        succeeded_count: 2,
        failed_count: 0,
        partial_success: false,
      },
    })
  })

  test("names its inner steps by loop and body, with the item in the data", () => {
    const decision = when(created(loopOver([1])), start)

    expect(eventOf(decision, "step_started", X)).toEqual({ type: "step_started", stepId: X, data: { attempt: 1, index: 0 } })
    expect(
      commands(null, decision.state).map(c => ("place" in c ? [stepAt(decision.state, c.place).path, c.place.within] : [])),
    ).toEqual([[X, { parent: 0, item: 0 }]])
  })

  test("has at most so many items under way, and starts the next one when one ends", () => {
    const run = started(loopOver([1, 2, 3, 4], { for_each_max_parallel: 2 }))

    expect(loopOf(run, "loop")).toMatchObject({ active: 2, live: [{ status: "running" }, { status: "running" }] })
    expect(told(when(run, item(1, X)))).toEqual([`step_completed ${X}[1]`, `step_started ${X}[2]`])
  })

  const lists: readonly (readonly [string, Json, number])[] = [
    ["an empty list", [], 0],
    ["null", null, 0],
    ["an empty map", {}, 0],
    ["a map", { a: 1, b: 2 }, 1],
    ["an empty text", "", 1],
    ["zero", 0, 1],
    ["false", false, 1],
    ["a list of nothing", [null, []], 2],
  ]
  for (const [what, value, count] of lists) {
    test(`over ${what} has ${count} items, as data and as a template`, () => {
      for (const run of [started(loopOver(value)), started(loopOver("{{input.v}}"), { input: { v: value } })]) {
        const end = all(run, count)
        expect(resultOf(end)).toMatchObject({ count, succeeded_count: count, failed_count: 0 })
        expect(stepOf(end, "next").status).toBe("running")
      }
    })
  }

  test("over a text in the run's data has one item; a text in the graph is the path of a list", () => {
    expect(resultOf(all(started(loopOver("{{input.v}}"), { input: { v: "a" } }), 1))).toMatchObject({ count: 1 })
    expect(resultOf(all(started(loopOver("input.v"), { input: { v: ["a", "b"] } }), 2))).toMatchObject({ count: 2 })
    expect(stepOf(started(loopOver("input.nothing")), "loop").failureCode).toBe("TEMPLATE_UNRESOLVED")
  })

  test("over nothing completes in the decision that starts it", () => {
    expect(told(when(created(loopOver([])), start))).toEqual([
      "run_started",
      "step_started loop",
      "step_completed loop",
      "step_started next",
    ])
  })

  test("over a path that names nothing fails", () => {
    const decision = when(created(loopOver("{{input.rows}}")), start)

    expect(told(decision)).toEqual([
      "run_started",
      "step_started loop",
      "step_failed loop",
      "step_completed next blocked",
      "state_changed failed",
    ])
    expect(decision.state.failureCode).toBe("TEMPLATE_UNRESOLVED")
  })

  test("takes 500 items, and fails for good with 501", () => {
    const list = Array.from({ length: 501 }, (_, i) => i)

    expect(loopOf(started(loopOver(list.slice(1))), "loop").items.length).toBe(500)
    const decision = when(created(loopOver(list, { retry_count: 3 })), start)
    expect(told(decision)).toContain("step_failed loop")
    expect(decision.state.error).toBe("the list has 501 items; a loop takes at most 500")
  })

  test("runs inner steps one after another unless they say what they wait for", () => {
    const inOrder = started({ loop: each([1], { x: [], y: [], z: [] }) })
    const declared = started({ loop: each([1], { x: [], y: [], z: ["x"] }) })

    const runs = (state: RunState) => bodyOfItem(state, "loop", 0).steps.map(s => s.status)
    expect(runs(inOrder)).toEqual(["running", "pending", "pending"])
    expect(runs(declared)).toEqual(["running", "running", "pending"])
  })

  test("gives the result of the inner step that is last in order, not in the document", () => {
    const run = started({ loop: each([1], { b: ["a"], a: [] }) })

    const end = after(run, item(0, "loop#body#a", { a: 1 }), item(0, "loop#body#b", { b: 1 }))

    expect(resultOf(end).results).toEqual([{ index: 0, result: { b: 1 }, body: { b: { b: 1 }, a: { a: 1 } } }])
  })

  test("passes over inner steps that are disabled or whose condition is false", () => {
    const body = {
      off: step([], { enabled: false }),
      x: step([], { condition: "{{item.go}}" }),
      y: step([], { skip_when: "{{index}}" }),
    }
    const decision = when(created({ loop: each([{ go: true }, { go: false }], body) }), start)

    expect(told(decision)).toEqual([
      "run_started",
      "step_started loop",
      "step_completed loop#body#off[0] step_disabled",
      "step_started loop#body#x[0]",
      "step_completed loop#body#off[1] step_disabled",
      "step_completed loop#body#x[1] condition_false",
      "step_completed loop#body#y[1] skip_when",
    ])
    expect(resultOf(after(decision.state, item(0, X, 5), item(0, "loop#body#y", 6))).results).toEqual([
      { index: 0, result: 6, body: { x: 5, y: 6 } },
      { index: 1, result: null, body: {} },
    ])
  })

  test("takes a single nested step, which needs no id", () => {
    const single = { type: "for_each", for_each_items: [1], for_each_body: { type: "mcp_call", args: "{{item}}" } }
    const run = started({ loop: single })

    expect(resultOf(after(run, item(0, "loop#body#item", "r"))).results).toEqual([{ index: 0, result: "r", body: { item: "r" } }])
  })

  test("lets its inner steps name the item, its index, what ran before in the item, and what ran before the loop", () => {
    const args = [
      "{{foreach.item.k}}",
      "{{foreach.index}}",
      "{{item}}",
      "{{index}}",
      "{{body.x.v}}",
      "{{body.x.result.v}}",
      "{{steps.x.result.v}}",
    ]
    const run = started(
      {
        a: [],
        loop: each(
          [{ k: 1 }],
          { x: [], y: step([], { args: [...args, "{{steps.a.result.n}}", "{{input.i}}"] }) },
          { depends_on: ["a"] },
        ),
      },
      { input: { i: 9, _steps: { loop: { i: 10 } } } },
    )

    const end = after(run, succeeded("a", { n: 3 }), item(0, X, { v: 2 }))

    expect(bodyOfItem(end, "loop", 0).steps[1]!.input).toEqual({ args: [1, 0, { k: 1 }, 0, 2, 2, 2, 3, 10] })
    expect(scriptScope(end, { within: { parent: 1, item: 0 }, index: 1 })).toMatchObject({
      item: { k: 1 },
      index: 0,
      foreach: { item: { k: 1 }, index: 0 },
      body: { x: { v: 2 } },
      steps: { a: { result: { n: 3 } }, x: { result: { v: 2 } } },
      input: { i: 10 },
    })
  })

  test("does not take a missing field of an item, or of an output, for the whole", () => {
    for (const path of ["item.result", "item.result.k", "foreach.item.result.k", "body.x.data.result.k"]) {
      const run = started({ loop: each([{ k: 1 }], { x: [], y: step([], { args: `{{${path} | "none"}}` }) }) })
      expect(bodyOfItem(after(run, item(0, X, { data: { k: 1 } })), "loop", 0).steps[1]!.input).toEqual({ args: "none" })
    }
  })

  test("cuts a result that is too large for its event, and keeps it whole for the steps behind it", () => {
    const big = "x".repeat(600_000)
    const run = started({
      loop: each([1, 2], { x: [] }),
      next: step(["loop"], { args: "{{steps.loop.result.results.1.result}}" }),
    })

    const decision = when(after(run, item(0, X, big)), item(1, X, big))

    expect(eventOf(decision, "step_completed", "loop").data).toMatchObject({
      result: { count: 2, max_parallel: 10, succeeded_count: 2, failed_count: 0, partial_success: false, truncated: true },
      truncated: true,
    })
    expect(JSON.stringify(eventOf(decision, "step_completed", "loop")).length).toBeLessThan(500)
    expect(Object.keys(resultOf(decision.state)).sort()).toEqual([
      ...["count", "failed_count", "max_parallel", "partial_success", "results", "succeeded_count"],
    ])
    expect(stepOf(decision.state, "next").input).toEqual({ args: big })
  })

  test("500 items that end at once, and a thousand loops in a row, need no deep stack", () => {
    const list = Array.from({ length: 500 }, (_, i) => i)
    const failing = created({
      loop: each(
        list,
        { x: step([], { args: "{{item.no}}" }) },
        { for_each_error_policy: "continue_on_error", for_each_max_parallel: 1 },
      ),
    })
    const chain = Object.fromEntries(
      Array.from({ length: 1000 }, (_, i) => [
        `l${i}`,
        each([1], { x: step([], { enabled: false }) }, { depends_on: i ? [`l${i - 1}`] : [] }),
      ]),
    )

    expect(resultOf(after(failing, start))).toMatchObject({ failed_count: 500, partial_success: false })
    expect(after(created(chain), start).status).toBe("completed")
  })
})

describe("an inner step", () => {
  test("is tried again by itself, and its item waits", () => {
    const run = started({ loop: each([1], { x: step([], { retry_count: 1 }) }) })

    const failed = when(run, itemErrored(0, X))
    expect(told(failed)).toEqual([`step_retry_scheduled ${X}[0]`])
    expect(wakeAt(failed.state, STALL)).toBe(at(1))
    const again = whenAt(failed.state, 1, clock)
    expect(told(again)).toEqual([`step_started ${X}[0] #2`])
    expect(told(when(again.state, item(0, X, {}, 1)))).toEqual([])
    expect(told(when(again.state, item(0, X, {}, 2)))).toContain("step_completed loop")
  })

  test("of another item, or of no item, is not meant by an answer", () => {
    const run = started(loopOver([1, 2]))

    for (const wrong of [
      item(2, X),
      item(-1, X),
      item(0.5, X),
      succeeded(X),
      item(0, "loop"),
      item(0, "next"),
      succeeded("loop"),
      item(0, "loop#body#z"),
    ]) {
      expect(told(when(run, wrong))).toEqual([])
    }
  })

  test("of an older attempt of its loop is not meant by an answer", () => {
    const run = started(loopOver([1], { retry_count: 1 }))
    const again = whenAt(after(run, itemErrored(0, X)), 1, clock)

    expect(told(again)).toEqual(["step_started loop #2", `step_started ${X}[0]`])
    expect(told(when(again.state, item(0, X, {}, 1, 0)))).toEqual([])
    expect(told(when(again.state, item(0, X, {}, 1, 1)))).toContain("step_completed loop")
  })
})

describe("when an item fails", () => {
  const policy = (name: string, more: JsonObject = {}) =>
    started(loopOver([1, 2, 3], { for_each_error_policy: name, for_each_max_parallel: 2, ...more }))

  test("the loop fails at once, and cancels the others, by default", () => {
    const decision = when(started(loopOver([1, 2, 3], { for_each_max_parallel: 2 })), itemErrored(0, X, { retryable: false }))

    expect(told(decision)).toEqual([
      `step_failed ${X}[0]`,
      `step_cancelled ${X}[1]`,
      "step_failed loop",
      "step_completed next blocked",
      "state_changed failed",
    ])
    expect(eventOf(decision, "step_cancelled").data).toEqual({
      cancelled: true,
      reason: "loop_failed",
      caused_by_step_id: "loop",
      index: 1,
    })
    expect(decision.state).toMatchObject({ failureCode: "FOR_EACH_FAILED", failedStepId: "loop", error: "item 0: no route" })
  })

  test("the loop is tried again from its first item, if it has retries left and that can help", () => {
    const run = policy("fail_fast", { retry_count: 1 })

    const failed = when(after(run, item(1, X)), itemErrored(0, X))
    expect(told(failed)).toEqual([`step_failed ${X}[0]`, `step_cancelled ${X}[2]`, "step_retry_scheduled loop"])
    const again = whenAt(failed.state, 1, clock)
    expect(told(again)).toEqual(["step_started loop #2", `step_started ${X}[0]`, `step_started ${X}[1]`])
    expect(told(when(run, itemErrored(0, X, { retryable: false })))).toContain("state_changed failed")
    const orders = commands(run, again.state).map(c => `${c.type} ${"place" in c ? c.place.within?.item : ""}`)
    expect(orders).toEqual(["cancel 0", "execute 0", "cancel 1", "execute 1"])
  })

  test("continue_on_error goes on, and the result says which failed", () => {
    const failed = when(policy("continue_on_error"), itemErrored(0, X))

    expect(told(failed)).toEqual([`step_failed ${X}[0]`, "item_failed loop[0]", `step_started ${X}[2]`])
    expect(resultOf(after(failed.state, item(1, X, "b"), item(2, X, "c")))).toEqual({
      count: 3,
      max_parallel: 2,
      results: [
        { index: 0, error: "no route" },
        { index: 1, result: "b", body: { x: "b" } },
        { index: 2, result: "c", body: { x: "c" } },
      ],
      succeeded_count: 2,
      failed_count: 1,
      partial_success: true,
    })
  })

  test("continue_on_error ends the item's other steps, and completes even when every item failed", () => {
    const run = started({ loop: each([1], { x: [], y: [], z: ["x"] }, { for_each_error_policy: "continue_on_error" }) })

    const decision = when(run, itemErrored(0, X))

    expect(told(decision)).toEqual([
      `step_failed ${X}[0]`,
      "step_cancelled loop#body#y[0]",
      "item_failed loop[0]",
      "step_completed loop",
      "state_changed completed",
    ])
    expect(resultOf(decision.state)).toMatchObject({ succeeded_count: 0, failed_count: 1, partial_success: false })
  })

  test("pause holds the item back and pauses the run; the others finish, and a resume tries the item again", () => {
    const failed = when(policy("pause"), itemErrored(0, X, { retryable: false }))
    expect(told(failed)).toEqual([`step_retry_scheduled ${X}[0]`, "state_changed paused operator"])
    expect(eventOf(failed, "state_changed").data).toMatchObject({ by: X, error: "no route" })
    const other = when(failed.state, item(1, X))
    expect(told(other)).toEqual([`step_completed ${X}[1]`])
    expect(wakeAt(other.state, STALL)).toBeNull()
    const resumed = when(other.state, resume)
    expect(told(resumed)).toEqual(["state_changed running", `step_started ${X}[0] #2`, `step_started ${X}[2]`])
    expect(told(when(resumed.state, item(2, X), item(0, X, {}, 2)))).toContain("step_completed loop")
  })

  test("pause again as often as the item fails, and fails it while the run drains", () => {
    const again = when(policy("pause"), itemErrored(0, X), resume, itemErrored(0, X, {}, 2))
    expect(told(again)).toEqual([`step_retry_scheduled ${X}[0]`, "state_changed paused operator"])
    const drained = when(policy("pause"), stopGracefully(), item(1, X), itemErrored(0, X))
    expect(told(drained)).toEqual([`step_failed ${X}[0]`, "step_cancelled loop", "state_changed stopped"])
  })

  test("pause cannot help where a template names nothing: the loop fails", () => {
    const run = created({ loop: each([1], { x: step([], { args: "{{item.no}}" }) }, { for_each_error_policy: "pause" }) })

    expect(told(when(run, start))).toEqual([
      "run_started",
      "step_started loop",
      `step_started ${X}[0]`,
      `step_failed ${X}[0]`,
      "step_failed loop",
      "state_changed failed",
    ])
  })

  test("human_review asks a person, and the other items go on", () => {
    const failed = when(policy("human_review", { for_each_max_parallel: 1 }), itemErrored(0, X))

    expect(told(failed)).toEqual([`step_failed ${X}[0]`, "human_task_created loop[0]", `step_started ${X}[1]`])
    expect(eventOf(failed, "human_task_created").data).toEqual({
      task_id: "loop:0",
      task_type: "item_review",
      task_payload: { title: "loop: item 0 failed", error: "no route", failure_code: "MCP_TOOL_FAILED", item: 1, index: 0 },
      expires_at: null,
      index: 0,
    })
    expect(pendingTasks(failed.state).map(t => [t.task.taskId, t.place.index, t.review])).toEqual([["loop:0", 0, 0]])
    const waiting = when(failed.state, item(1, X), item(2, X))
    expect(told(waiting)).toEqual([`step_completed ${X}[2]`, "state_changed paused human_task"])
  })

  const reviewed = () => after(policy("human_review"), itemErrored(0, X), item(1, X, "b"), item(2, X, "c"))

  test("an approval with a result puts it in the item's place", () => {
    const decision = when(reviewed(), approved("loop:0", { text: "mine" }))

    expect(told(decision)).toEqual([
      "human_task_completed loop[0]",
      "item_completed loop[0]",
      "step_completed loop",
      "state_changed running",
      "step_started next",
    ])
    expect(resultOf(decision.state)).toMatchObject({
      results: [{ index: 0, result: { text: "mine" } }, { result: "b" }, { result: "c" }],
      succeeded_count: 3,
      failed_count: 0,
    })
  })

  test("an approval without a result leaves the item failed, and the loop goes on", () => {
    const decision = when(reviewed(), approved("loop:0"))

    expect(told(decision)).toEqual([
      "human_task_completed loop[0]",
      "item_failed loop[0]",
      "step_completed loop",
      "state_changed running",
      "step_started next",
    ])
    expect(resultOf(decision.state)).toMatchObject({ succeeded_count: 2, failed_count: 1, partial_success: true })
    expect(told(when(decision.state, approved("loop:0")))).toEqual([])
  })

  test("a rejection fails the loop for good", () => {
    const decision = when(after(policy("human_review", { retry_count: 2 }), itemErrored(0, X)), rejected("loop:0"))

    expect(told(decision)).toEqual([
      "human_task_completed loop[0]",
      `step_cancelled ${X}[1]`,
      `step_cancelled ${X}[2]`,
      "step_failed loop",
      "step_completed next blocked",
      "state_changed failed",
    ])
    expect(decision.state).toMatchObject({ failureCode: "FOR_EACH_FAILED", waiting: 0 })
  })

  test("a review in a second attempt of the loop has a task of its own", () => {
    const run = policy("human_review", { timeout_s: 10, retry_count: 1 })
    const second = whenAt(whenAt(after(run, itemErrored(0, X)), 10, clock).state, 11, clock).state

    expect(told(when(second, approved("loop:0")))).toEqual([])
    expect(eventOf(when(second, itemErrored(0, X, {}, 1, 1)), "human_task_created").data.task_id).toBe("loop:2:0")
  })

  test("a loop that times out while only people are waited for is tried again", () => {
    const run = policy("human_review", { timeout_s: 10, retry_count: 1 })
    const waiting = after(run, ...[0, 1, 2].map(i => itemErrored(i, X)))
    expect(waiting.pauseReason).toBe("human_task")

    const late = whenAt(waiting, 10, clock)

    expect(told(late)).toEqual(["step_retry_scheduled loop", "state_changed running"])
    expect(wakeAt(late.state, STALL)).toBe(at(11))
    expect(told(whenAt(late.state, 11, clock))).toContain("step_started loop #2")
  })

  test("no review is asked for in a run that drains", () => {
    const decision = when(policy("human_review"), stopGracefully(), itemErrored(0, X), item(1, X))

    expect(told(decision)).toEqual([`step_completed ${X}[1]`, "step_cancelled loop", "state_changed stopped"])
  })
})

describe("time limits of a for_each", () => {
  const limited = (more: JsonObject) => started({ loop: each([1, 2], { x: [], y: [] }, more) })

  test("an item that takes too long fails like its inner step, by the loop's policy", () => {
    const run = limited({ for_each_item_timeout_s: 5, for_each_error_policy: "continue_on_error" })
    const moved = whenAt(run, 4, item(0, X)).state

    expect(wakeAt(moved, STALL)).toBe(at(5))
    const decision = whenAt(moved, 5, clock)
    expect(told(decision)).toEqual([
      "step_failed loop#body#y[0]",
      "item_failed loop[0]",
      `step_failed ${X}[1]`,
      "item_failed loop[1]",
      "step_completed loop",
      "state_changed completed",
    ])
    expect(eventOf(decision, "step_failed").data).toMatchObject({ failure_code: "STEP_TIMEOUT", timeout: true, index: 0 })
  })

  test("two items that are late together fail a fail_fast loop once", () => {
    const decision = whenAt(limited({ for_each_item_timeout_s: 5 }), 5, clock)

    expect(told(decision)).toEqual([`step_failed ${X}[0]`, `step_cancelled ${X}[1]`, "step_failed loop", "state_changed failed"])
  })

  test("an item that is late under `pause` is held back, and has its whole time again after the resume", () => {
    const run = limited({ for_each_item_timeout_s: 5, for_each_error_policy: "pause" })

    const held = whenAt(run, 5, clock)
    expect(told(held)).toEqual([`step_retry_scheduled ${X}[0]`, "state_changed paused operator", `step_retry_scheduled ${X}[1]`])
    expect(wakeAt(held.state, STALL)).toBeNull()
    const resumed = whenAt(held.state, 100, resume)
    expect(told(resumed)).toEqual(["state_changed running", `step_started ${X}[0] #2`, `step_started ${X}[1] #2`])
    expect(wakeAt(resumed.state, STALL)).toBe(at(105))
  })

  test("an item between two steps under a pause wakes nobody", () => {
    const run = after(limited({ for_each_item_timeout_s: 5 }), pause, item(0, X), item(1, X))

    expect(wakeAt(run, STALL)).toBeNull()
    expect(told(whenAt(run, 9, clock))).toEqual([])
    expect(told(whenAt(run, 2, resume))).toEqual([
      "state_changed running",
      "step_started loop#body#y[0]",
      "step_started loop#body#y[1]",
    ])
  })

  test("a loop that takes too long fails, or is tried again", () => {
    const once = whenAt(limited({ timeout_s: 7 }), 7, clock)
    expect(told(once)).toEqual([`step_cancelled ${X}[0]`, `step_cancelled ${X}[1]`, "step_failed loop", "state_changed failed"])
    expect(once.state).toMatchObject({ failureCode: "STEP_TIMEOUT", error: "the loop took longer than 7 s" })
    const twice = whenAt(limited({ timeout_s: 7, retry_count: 1 }), 7, clock)
    expect(told(twice)).toEqual([`step_cancelled ${X}[0]`, `step_cancelled ${X}[1]`, "step_retry_scheduled loop"])
    const second = whenAt(twice.state, 8, clock).state
    expect(wakeAt(second, STALL)).toBe(at(15))
  })

  test("of two loops that are late together one fails the run", () => {
    const late = each([1], { x: [] }, { timeout_s: 1 })

    expect(told(whenAt(started({ a: late, b: late }), 1, clock))).toEqual([
      "step_cancelled a#body#x[0]",
      "step_failed a",
      "step_cancelled b#body#x[0]",
      "step_cancelled b",
      "state_changed failed",
    ])
  })
})

describe("in the middle of a for_each", () => {
  const run = () => started({ loop: each([1, 2, 3], { x: [], y: [] }, { for_each_max_parallel: 2 }), next: ["loop"] })

  test("a pause starts no step and no item, and a resume goes on with both", () => {
    const paused = when(run(), pause, item(0, X), item(1, X))

    expect(told(paused)).toEqual([`step_completed ${X}[1]`])
    expect(told(when(paused.state, resume))).toEqual([
      "state_changed running",
      "step_started loop#body#y[0]",
      "step_started loop#body#y[1]",
    ])
  })

  test("a loop whose last item ends under a pause completes, and what follows waits", () => {
    const paused = after(started(loopOver([1])), pause)

    const decision = when(paused, item(0, X))

    expect(told(decision)).toEqual([`step_completed ${X}[0]`, "step_completed loop"])
    expect(told(when(decision.state, resume))).toEqual(["state_changed running", "step_started next"])
  })

  test("an immediate stop cancels the items before the loop", () => {
    const decision = when(run(), stopNow)

    expect(told(decision)).toEqual([
      `step_cancelled ${X}[0]`,
      `step_cancelled ${X}[1]`,
      "step_cancelled loop",
      "state_changed stopped",
    ])
    expect(commands(run(), decision.state).map(c => c.type)).toEqual(["cancel", "cancel"])
  })

  test("a graceful stop lets the inner steps under way end, and then ends the loop", () => {
    const draining = when(run(), stopGracefully(), item(0, X))
    const done = when(draining.state, item(1, X))

    expect(told(draining)).toEqual([`step_completed ${X}[0]`])
    expect(told(done)).toEqual([`step_completed ${X}[1]`, "step_cancelled loop", "state_changed stopped"])
  })

  test("a failure elsewhere cancels the items and the loop", () => {
    const both = started({ bad: [], loop: each([1], { x: [] }) })

    expect(told(when(both, { ...itemErrored(0, "bad"), item: null } as never))).toEqual([
      "step_failed bad",
      `step_cancelled ${X}[0]`,
      "step_cancelled loop",
      "state_changed failed",
    ])
  })
})
