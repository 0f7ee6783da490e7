import { expect, test } from "bun:test"
import { wakeAt } from "../../src/engine/state.ts"
import {
  after,
  approved,
  at,
  clock,
  created,
  errored,
  eventOf,
  person,
  rejected,
  STALL,
  start,
  started,
  step,
  stepOf,
  succeeded,
  told,
  when,
  whenAt,
} from "./machine.ts"

test("a human task is created with its resolved payload, and the run pauses for people", () => {
  const task = person([], { task_type: "edit", task_payload: { title: "Hello {{input.name}}" } })

  const decision = when(created({ t: task }, { input: { name: "Ann" } }), start)

  expect(told(decision)).toEqual(["run_started", "step_started t", "human_task_created t", "state_changed paused human_task"])
  expect(eventOf(decision, "human_task_created").data).toEqual({
    task_id: "t",
    task_type: "edit",
    task_payload: { title: "Hello Ann" },
    expires_at: null,
  })
  expect(stepOf(decision.state, "t")).toMatchObject({ status: "waiting", task: { taskId: "t", taskType: "edit" } })
  expect(wakeAt(decision.state, STALL)).toBeNull()
})

test("a task without type or payload is an approval of nothing", () => {
  expect(eventOf(when(created({ t: person() }), start), "human_task_created").data).toMatchObject({
    task_type: "approval",
    task_payload: {},
  })
})

test("while another step can still move, the run stays running, and pauses when only people can move it", () => {
  const decision = when(created({ t: person(), a: [], b: ["a"] }), start)
  const next = when(decision.state, succeeded("a"))
  const last = when(next.state, succeeded("b"))

  expect(decision.state.status).toBe("running")
  expect(told(next)).toEqual(["step_completed a", "step_started b"])
  expect(told(last)).toEqual(["step_completed b", "state_changed paused human_task"])
})

test("a step that waits for its retry still counts as moving", () => {
  const run = after(started({ t: person(), a: step([], { retry_count: 1 }) }), errored("a"))

  expect(run.status).toBe("running")
})

test("an approval completes the step and wakes the run before the next step starts", () => {
  const decision = whenAt(started({ t: person(), b: ["t"] }), 60, approved("t", { text: "fine" }))

  expect(told(decision)).toEqual(["human_task_completed t", "step_completed t", "state_changed running", "step_started b"])
  expect(eventOf(decision, "human_task_completed").data).toEqual({ task_id: "t", approved: true, completed_by: "bob" })
  expect(eventOf(decision, "step_completed").data).toEqual({
    result: { text: "fine", approved: true },
    duration_ms: 60_000,
    attempt: 1,
  })
})

test("a run whose last step is approved completes without running again", () => {
  expect(told(when(started({ t: person() }), approved("t")))).toEqual([
    "human_task_completed t",
    "step_completed t",
    "state_changed completed",
  ])
})

test("a task behind a task leaves the run paused all the way", () => {
  expect(told(when(started({ t: person(), u: person(["t"]) }), approved("t")))).toEqual([
    "human_task_completed t",
    "step_completed t",
    "step_started u",
    "human_task_created u",
  ])
})

test("of two pending tasks the first answer starts its own branch only", () => {
  const decision = when(started({ t: person(), u: person(), a: ["t"], join: ["a", "u"] }), approved("t"))

  expect(told(decision)).toEqual(["human_task_completed t", "step_completed t", "state_changed running", "step_started a"])
  expect(told(when(decision.state, succeeded("a")))).toEqual(["step_completed a", "state_changed paused human_task"])
})

test("`approved` is the caller's word even if the result holds another", () => {
  const yes = when(started({ t: person() }), approved("t", { approved: false }))
  const no = when(started({ t: person() }), rejected("t", { approved: true, why: "no" }))

  expect(stepOf(yes.state, "t").result).toEqual({ approved: true })
  expect(stepOf(no.state, "t").result).toEqual({ approved: false, why: "no" })
})

test("a rejection blocks what depends on it, and theirs in turn, and the run completes", () => {
  const decision = when(started({ t: person(), b: ["t"], c: ["b"] }), rejected("t"))

  expect(told(decision)).toEqual([
    "human_task_completed t",
    "step_completed t",
    "step_completed b blocked",
    "step_completed c blocked",
    "state_changed completed",
  ])
})

test("after a rejection a dependent with a condition decides for itself", () => {
  const run = started({
    t: person(),
    publish: step(["t"], { condition: "{{steps.t.result.approved}}" }),
    apologise: step(["t"], { condition: "{{steps.t.result.comment}}" }),
    plain: ["t"],
  })

  expect(told(when(run, rejected("t", { comment: "no" })))).toEqual([
    "human_task_completed t",
    "step_completed t",
    "step_completed publish condition_false",
    "state_changed running",
    "step_started apologise",
    "step_completed plain blocked",
  ])
})

test("a blocked chain ends where a step with a condition takes over", () => {
  const run = started({ t: person(), b: ["t"], c: step(["b"], { condition: true }), d: ["c"] })

  const decision = when(run, rejected("t"))

  expect(told(decision)).toContain("step_completed b blocked")
  expect(told(decision)).toContain("step_started c")
  expect(told(when(decision.state, succeeded("c")))).toEqual(["step_completed c", "step_started d"])
})

test("a join of a rejected and a successful branch is blocked, and other branches are not", () => {
  const run = started({ t: person(), a: [], join: ["t", "a"], b: ["a"] })

  const decision = when(after(run, rejected("t")), succeeded("a"))

  expect(told(decision)).toEqual(["step_completed a", "step_completed join blocked", "step_started b"])
})

test("an approval after another task's rejection does not unblock their join", () => {
  const run = started({ t: person(), u: person(), join: ["t", "u"] })

  expect(told(when(run, rejected("t"), approved("u")))).toEqual([
    "human_task_completed u",
    "step_completed u",
    "step_completed join blocked",
    "state_changed completed",
  ])
})

test("a second answer, the same or another, decides nothing", () => {
  const run = after(started({ t: person(), b: ["t"] }), approved("t"))

  expect(told(when(run, approved("t")))).toEqual([])
  expect(told(when(run, rejected("t")))).toEqual([])
})

test("an answer to a task that does not exist, or not yet, decides nothing", () => {
  const run = started({ a: [], t: person(["a"]) })

  expect(told(when(run, approved("t")))).toEqual([])
  expect(told(when(run, approved("a")))).toEqual([])
  expect(told(when(run, approved("nobody")))).toEqual([])
})

test("a human task is not completed by the answer of an executor", () => {
  const run = started({ t: person() })

  expect(told(when(run, succeeded("t")))).toEqual([])
  expect(told(when(run, errored("t")))).toEqual([])
})

test("a task that nobody completes in time fails the run", () => {
  const run = started({ t: person([], { timeout_s: 60 }), b: ["t"] })

  expect(stepOf(run, "t").task?.expiresAt).toBe(at(60))
  expect(wakeAt(run, STALL)).toBe(at(60))
  expect(told(whenAt(run, 59.999, clock))).toEqual([])
  const decision = whenAt(run, 60, clock)
  expect(told(decision)).toEqual(["step_failed t", "step_completed b blocked", "state_changed failed"])
  expect(eventOf(decision, "step_failed").data).toMatchObject({ failure_code: "HUMAN_TASK_FAILED", timeout: true, attempt: 1 })
  expect(decision.state.failureCode).toBe("HUMAN_TASK_FAILED")
})

test("of two tasks that expire together one fails and the other is cancelled", () => {
  const brief = person([], { timeout_s: 1 })

  expect(told(whenAt(started({ t: brief, u: brief }), 2, clock))).toEqual([
    "step_failed t",
    "step_cancelled u",
    "state_changed failed",
  ])
})

test("the earliest of several expiries wakes the run", () => {
  const run = started({ t: person([], { timeout_s: 90 }), u: person([], { timeout_s: 30 }), v: person() })

  expect(wakeAt(run, STALL)).toBe(at(30))
  expect(wakeAt(after(run, approved("u")), STALL)).toBe(at(90))
})

test("a rejected step keeps its answer where templates can read it", () => {
  const run = started({ t: person(), b: step(["t"], { condition: true, args: "{{steps.t.result}}" }) })

  expect(stepOf(after(run, rejected("t", { why: "typo" })), "b").input).toEqual({ args: { why: "typo", approved: false } })
})
