import { describe, expect, test } from "bun:test"
import { commands } from "../../src/engine/commands.ts"
import { evolve } from "../../src/engine/evolve.ts"
import { explain } from "../../src/engine/explain.ts"
import { pendingTasks, type RunState, wakeAt } from "../../src/engine/state.ts"
import { STEP_QUESTIONS_MAX } from "../../src/kernel/limits.ts"
import {
  after,
  approved,
  asked,
  at,
  bodyOfItem,
  clock,
  created,
  each,
  errored,
  eventOf,
  gated,
  item,
  knowing,
  pause,
  person,
  rejected,
  repeat,
  resume,
  resumeWith,
  STALL,
  start,
  started,
  step,
  stepOf,
  stopGracefully,
  stopNow,
  succeeded,
  summary,
  told,
  when,
  whenAt,
} from "./machine.ts"

const INNER = "loop#body#do"
const orders = (before: RunState | null, now: RunState) => commands(before, now).map(c => c.type)
const tasksOf = (state: RunState) => pendingTasks(state).map(t => t.task.taskId)
const askedBy = (index: number, more = {}) => asked(INNER, { item: index, ...more })

describe("a step that asks in the middle of an attempt", () => {
  test("waits with a task of its own, and the run pauses for people", () => {
    const run = started({ a: [], b: ["a"] })

    const decision = when(run, asked("a", { taskType: "confirm", payload: { tool: "rm" } }))

    expect(told(decision)).toEqual(["human_task_created a", "state_changed paused human_task"])
    expect(eventOf(decision, "human_task_created").data).toEqual({
      task_id: "a|1.1",
      task_type: "confirm",
      task_payload: { tool: "rm" },
      expires_at: null,
    })
    expect(stepOf(decision.state, "a")).toMatchObject({ status: "waiting", attempt: 1 })
    expect(orders(run, decision.state)).toEqual(["cancel"])
    expect(orders(null, decision.state)).toEqual([])
    expect(wakeAt(decision.state, STALL)).toBeNull()
  })

  test("goes on with the answer in the same attempt, and nothing was blocked by a no", () => {
    const run = after(started({ a: [], b: ["a"] }), asked("a"))

    const decision = when(run, rejected("a|1.1", { why: "too risky" }))

    expect(told(decision)).toEqual(["human_task_completed a", "state_changed running"])
    expect(eventOf(decision, "human_task_completed").data).toEqual({
      ...{ task_id: "a|1.1", approved: false, completed_by: "bob" },
      result: { why: "too risky" },
    })
    expect(stepOf(decision.state, "a")).toMatchObject({
      ...{ status: "running", attempt: 1, rejected: false },
      answers: [{ approved: false, result: { why: "too risky" }, asked: { title: "Really?" }, taskType: "confirmation" }],
    })
    expect(commands(run, decision.state)).toEqual([
      { type: "execute", place: { within: null, index: 0 }, attempt: 1, round: 0, answers: 1, resumed: false },
    ])
    expect(told(when(decision.state, knowing(1, succeeded("a"))))).toEqual(["step_completed a", "step_started b"])
  })

  test("may ask one thing after another, and finds all it was told before, in order", () => {
    const run = after(
      started({ a: [] }),
      asked("a", { payload: { title: "first" } }),
      approved("a|1.1", { n: 1 }),
      asked("a", { answers: 1, payload: { title: "second" } }),
      rejected("a|1.2", { n: 2 }),
    )

    expect(stepOf(run, "a").answers).toEqual([
      { approved: true, result: { n: 1 }, asked: { title: "first" }, taskType: "confirmation" },
      { approved: false, result: { n: 2 }, asked: { title: "second" }, taskType: "confirmation" },
    ])
    expect(commands(null, run)).toMatchObject([{ type: "execute", attempt: 1, answers: 2 }])
    expect(told(when(run, knowing(2, succeeded("a"))))).toEqual(["step_completed a", "state_changed completed"])
  })

  test("is ordered once for each answer, also when question and answer share a commit", () => {
    const run = started({ a: [] })

    expect(commands(run, after(run, asked("a"), approved("a|1.1")))).toMatchObject([
      { type: "cancel" },
      { type: "execute", attempt: 1, answers: 1 },
    ])
  })

  test("is not moved by what it said before it asked, nor by a question that comes twice", () => {
    const waiting = after(started({ a: [] }), asked("a"))
    const going = after(waiting, approved("a|1.1"))

    for (const late of [asked("a"), succeeded("a"), errored("a")]) {
      expect(told(when(waiting, late))).toEqual([])
      expect(told(when(going, late))).toEqual([])
    }
  })

  test("is moved by one answer only", () => {
    const run = after(started({ a: [] }), asked("a"), approved("a|1.1"))

    expect(told(when(run, approved("a|1.1")))).toEqual([])
    expect(told(when(run, rejected("a|1.1")))).toEqual([])
    expect(told(when(after(run, asked("a", { answers: 1 })), approved("a|1.1")))).toEqual([])
  })

  test("holds no other branch back, and keeps the run running while one moves", () => {
    const decision = when(started({ a: [], b: [], c: ["b"] }), asked("a"))

    expect(decision.state.status).toBe("running")
    expect(told(when(decision.state, succeeded("b")))).toEqual(["step_completed b", "step_started c"])
  })

  test("cannot have the name of a human task, of its rounds, or of a review", () => {
    const run = started({
      a: [],
      "a:1.1": person(),
      "a:1": person(),
    })

    expect(tasksOf(after(run, asked("a")))).toEqual(["a|1.1", "a:1.1", "a:1"])
  })

  test("may not ask without an end", () => {
    let run = started({ a: step([], { retry_count: 3 }) })
    for (let n = 0; n < STEP_QUESTIONS_MAX; n++) run = after(run, asked("a", { answers: n }), approved(`a|1.${n + 1}`))

    const decision = when(run, asked("a", { answers: STEP_QUESTIONS_MAX }))

    expect(told(decision)).toEqual(["step_failed a", "state_changed failed"])
    expect(decision.state).toMatchObject({ failureCode: "HUMAN_TASK_FAILED", error: expect.stringContaining("200 times") })
  })

  test("is explained while it waits, and while its answer waits for a resume", () => {
    const run = started({ a: [], b: ["a"] })

    expect(explain(after(run, asked("a")), 0).message).toBe("a waits for a person")
    const held = after(run, asked("a"), pause, approved("a|1.1"))
    expect(explain(held, 0).message).toBe("a waits for the run to be resumed; a person has answered")
    expect(explain(held, 1).message).toBe("b waits for a, which is waiting for the run to be resumed; a person has answered")
  })
})

describe("a new attempt of a step that asked", () => {
  test("begins without answers and asks under a new name", () => {
    const failed = after(started({ a: step([], { retry_count: 1 }) }), asked("a"), approved("a|1.1"), knowing(1, errored("a")))

    expect(stepOf(failed, "a")).toMatchObject({ status: "running", answers: [] })
    const again = whenAt(failed, 2, clock).state
    expect(commands(failed, again)).toMatchObject([{ type: "execute", attempt: 2, answers: 0 }])
    expect(tasksOf(after(again, asked("a", { attempt: 2 })))).toEqual(["a|2.1"])
    expect(told(when(again, knowing(1, succeeded("a", {}, 2))))).toEqual([])
  })

  test("in a new round begins without answers and asks under a new name", () => {
    const chat = started({ a: gated([], { input_allowlist: ["human"] }) }, { input: { _steps: { a: {} } } })

    const again = after(chat, asked("a"), approved("a|1.1"), knowing(1, succeeded("a")), resumeWith({ a: {} }))

    expect(tasksOf(after(again, asked("a", { round: 1 })))).toEqual(["a|2.1.1"])
  })
})

describe("time", () => {
  test("runs out for the person, not for the attempt: then the step fails, and is not tried again", () => {
    const run = after(started({ a: step([], { retry_count: 3, timeout_s: 5 }), b: ["a"] }), asked("a", { expiresInMs: 60_000 }))

    expect(wakeAt(run, STALL)).toBe(at(60))
    expect(told(whenAt(run, 59.999, clock))).toEqual([])
    const decision = whenAt(run, 60, clock)
    expect(told(decision)).toEqual(["step_failed a", "step_completed b blocked", "state_changed failed"])
    expect(eventOf(decision, "step_failed").data).toMatchObject({ failure_code: "HUMAN_TASK_FAILED", timeout: true, attempt: 1 })
    expect(told(when(decision.state, approved("a|1.1")))).toEqual([])
  })

  test("is at most a day", () => {
    const decision = when(started({ a: [] }), asked("a", { expiresInMs: 1e12 }))

    expect(eventOf(decision, "human_task_created").data.expires_at).toBe(at(86_400))
  })

  test("does not stall a run that waits for an answer", () => {
    expect(told(whenAt(after(started({ a: [] }), asked("a")), 1e6, clock))).toEqual([])
  })
})

describe("an operator's pause", () => {
  test("takes the question and its answer, and lets the attempt go on with the resume", () => {
    const paused = after(started({ a: [], b: ["a"] }), pause)

    const question = when(paused, asked("a"))
    expect(told(question)).toEqual(["human_task_created a"])
    const answer = when(question.state, approved("a|1.1"))
    expect(told(answer)).toEqual(["human_task_completed a"])
    expect([tasksOf(answer.state), orders(question.state, answer.state), orders(null, answer.state)]).toEqual([[], [], []])
    const resumed = when(answer.state, resume)
    expect(told(resumed)).toEqual(["state_changed running"])
    expect(commands(answer.state, resumed.state)).toMatchObject([{ type: "execute", attempt: 1, answers: 1 }])
  })

  test("with several answers lets each go on once, inside loops and outside", () => {
    const run = after(started({ a: [], loop: each([1, 2], { do: [] }) }), asked("a"), askedBy(0), askedBy(1), pause)
    const held = after(run, approved("a|1.1"), rejected("loop|1|do|1.1"))

    expect(tasksOf(held)).toEqual(["loop|0|do|1.1"])
    const resumed = after(held, resume)
    expect(commands(held, resumed).map(c => "place" in c && c.place)).toEqual([
      { within: null, index: 0 },
      { within: { parent: 1, item: 1 }, index: 0 },
    ])
    expect(orders(resumed, after(resumed, pause, resume))).toEqual([])
  })

  test("lets a question expire", () => {
    const run = after(started({ a: [] }), pause, asked("a", { expiresInMs: 1000 }))

    expect(told(whenAt(run, 1, clock))).toEqual(["step_failed a", "state_changed failed"])
  })

  test("does not let an answer expire", () => {
    const run = after(started({ a: [] }), pause, asked("a", { expiresInMs: 1000 }), approved("a|1.1"))

    expect(wakeAt(run, STALL)).toBeNull()
    expect(told(whenAt(run, 2, clock))).toEqual([])
  })
})

describe("a stop", () => {
  test("at once or graceful, ends a step that waits for an answer, or with one for a resume", () => {
    const waiting = after(started({ a: [] }), asked("a"))
    const held = after(waiting, pause, approved("a|1.1"))

    for (const run of [waiting, held]) {
      expect(told(when(run, stopNow))).toEqual(["step_cancelled a", "state_changed stopped"])
      expect(told(when(run, stopGracefully()))).toEqual(["state_changed draining", "step_cancelled a", "state_changed stopped"])
    }
  })

  test("that is graceful lets an attempt end that was answered, and gives up one that asks", () => {
    const run = after(started({ a: [], b: [] }), asked("a"), approved("a|1.1"), stopGracefully())

    const question = when(run, asked("a", { answers: 1 }))
    expect(told(question)).toEqual(["step_cancelled a"])
    expect(told(when(question.state, succeeded("b")))).toEqual(["step_completed b", "state_changed stopped"])
  })

  test("and an answer in one commit leave nothing under way", () => {
    const run = after(started({ a: [] }), asked("a"))

    expect(orders(run, after(run, approved("a|1.1"), stopNow))).toEqual([])
    expect(orders(run, after(run, stopNow, approved("a|1.1")))).toEqual([])
  })
})

test("the failure of another step cancels the question, and a late answer decides nothing", () => {
  const decision = when(started({ a: [], b: [] }), asked("a"), errored("b", 1, { retryable: false }))

  expect(told(decision)).toEqual(["step_failed b", "step_cancelled a", "state_changed failed"])
  expect(told(when(decision.state, approved("a|1.1")))).toEqual([])
})

test("the fold of the journal is the decided state, whatever was asked and answered", () => {
  const initial = created({ a: [], loop: each([1], { do: [] }) })
  const inputs = [start, asked("a"), askedBy(0), approved("a|1.1"), pause, rejected("loop|0|do|1.1", { n: 1 }), resume]
  let state = initial
  let folded = initial
  for (const input of inputs) {
    const decision = when(state, input)
    folded = decision.events.reduce((s, event) => evolve(s, event, at(0)), folded)
    state = decision.state
    expect(folded).toEqual(state)
  }
  expect(orders(null, folded)).toEqual(["execute", "execute"])
})

describe("inside a loop", () => {
  test("each item asks for itself and goes on by itself", () => {
    const run = started({ loop: each([1, 2], { do: [] }) })

    const decision = when(run, askedBy(0), askedBy(1))
    expect(decision.events.map(summary)).toEqual([`human_task_created ${INNER}[1]`, "state_changed paused human_task"])
    expect(eventOf(decision, "human_task_created").data).toMatchObject({ task_id: "loop|1|do|1.1", index: 1 })
    const answer = when(decision.state, approved("loop|1|do|1.1"))
    expect(told(answer)).toEqual([`human_task_completed ${INNER}[1]`, "state_changed running"])
    expect(commands(decision.state, answer.state)).toMatchObject([
      { place: { within: { parent: 0, item: 1 }, index: 0 }, answers: 1 },
    ])
    expect(tasksOf(answer.state)).toEqual(["loop|0|do|1.1"])
    expect(told(when(answer.state, knowing(1, item(1, INNER))))).toEqual([
      `step_completed ${INNER}[1]`,
      "state_changed paused human_task",
    ])
  })

  test("an item that asks keeps its place among those under way", () => {
    const run = after(started({ loop: each([1, 2], { do: [] }, { for_each_max_parallel: 1 }) }), askedBy(0))

    expect(run.steps[0]?.loop?.live).toHaveLength(1)
  })

  test("iterations ask under names of their own", () => {
    const run = started({ loop: repeat("until", 3, "{{body.do.result.ok}}", { do: [] }) })

    const next = after(run, askedBy(0), approved("loop|0|do|1.1"), knowing(1, item(0, INNER)), askedBy(1))

    expect(tasksOf(next)).toEqual(["loop|1|do|1.1"])
  })

  test("a new attempt of the loop asks again under a new name", () => {
    const run = after(started({ loop: each([1], { do: [] }, { retry_count: 1, timeout_s: 10 }) }), askedBy(0))

    const again = whenAt(run, 11, clock)
    expect(told(again)).toEqual([`step_cancelled ${INNER}[0]`, "step_retry_scheduled loop", "state_changed running"])
    const retried = whenAt(again.state, 13, clock).state
    expect(tasksOf(after(retried, askedBy(0, { round: 1 })))).toEqual(["loop|0|do|2.1.1"])
    expect(told(when(retried, approved("loop|0|do|1.1")))).toEqual([])
  })

  test("a question that expires fails its item by the loop's policy, and others go on", () => {
    const loop = each([1, 2], { do: [] }, { for_each_error_policy: "continue_on_error" })
    const run = after(started({ loop }), askedBy(0, { expiresInMs: 1000 }), askedBy(1, { expiresInMs: 2000 }))

    expect(wakeAt(run, STALL)).toBe(at(1))
    expect(told(whenAt(run, 1, clock))).toEqual([`step_failed ${INNER}[0]`, "item_failed loop[0]"])
    expect(told(whenAt(run, 2, clock))).toEqual([
      ...[`step_failed ${INNER}[0]`, "item_failed loop[0]", `step_failed ${INNER}[1]`, "item_failed loop[1]"],
      ...["step_completed loop", "state_changed completed"],
    ])
  })

  test("a question that expires under the policy `pause` is asked again when an operator resumes", () => {
    const loop = each([1], { do: [] }, { for_each_error_policy: "pause" })
    const run = whenAt(after(started({ loop }), askedBy(0, { expiresInMs: 1000 })), 1, clock)

    expect(told(run)).toEqual([`step_retry_scheduled ${INNER}[0]`, "state_changed paused operator"])
    const resumed = whenAt(run.state, 2, resume)
    expect(told(resumed)).toEqual(["state_changed running", `step_started ${INNER}[0] #2`])
    expect(tasksOf(after(resumed.state, askedBy(0, { attempt: 2 })))).toEqual(["loop|0|do|2.1"])
  })

  test("the limits of the item go on while a person is waited for", () => {
    const loop = each([1], { do: [] }, { for_each_item_timeout_s: 5 })
    const run = after(started({ loop }), askedBy(0))

    expect(wakeAt(run, STALL)).toBe(at(5))
    expect(told(whenAt(run, 5, clock))).toEqual([`step_failed ${INNER}[0]`, "step_failed loop", "state_changed failed"])
  })

  test("a rejection blocks nothing in the item", () => {
    const run = started({ loop: each([1], { do: [], next: ["do"] }) })

    const next = when(run, askedBy(0), rejected("loop|0|do|1.1"), knowing(1, item(0, INNER, { done: false })))

    expect(told(next)).toEqual([`step_completed ${INNER}[0]`, "step_started loop#body#next[0]"])
    expect(bodyOfItem(next.state, "loop", 0).status).toBe("running")
  })
})
