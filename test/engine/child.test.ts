import { expect, test } from "bun:test"
import { commands } from "../../src/engine/commands.ts"
import { type RunState, wakeAt } from "../../src/engine/state.ts"
import {
  after,
  at,
  child,
  childEnded,
  childStarted,
  clock,
  each,
  errored,
  eventOf,
  item,
  pause,
  resume,
  STALL,
  started,
  stepOf,
  stopGracefully,
  stopNow,
  succeeded,
  told,
  when,
  whenAt,
} from "./machine.ts"

const ordered = (before: RunState | null, now: RunState) =>
  commands(before, now).map(c => ("childRunId" in c ? `${c.type} ${c.childRunId}` : c.type))
const waiting = () => after(started({ c: child(), next: ["c"] }), childStarted("c", "r1"))

test("a step that started a run waits for its end, and the run stays running", () => {
  const before = started({ c: child() })

  const decision = when(before, childStarted("c", "r1"))

  expect(told(decision)).toEqual(["child_run_started c"])
  expect(eventOf(decision, "child_run_started").data).toEqual({ child_run_id: "r1" })
  expect(decision.state).toMatchObject({ status: "running", moving: 0, children: 1 })
  expect(wakeAt(decision.state, STALL)).toBeNull()
  expect(ordered(before, decision.state)).toEqual(["cancel", "watch r1"])
})

test("the child's end completes the step with its output, and orders no stop", () => {
  const decision = when(waiting(), childEnded("r1", "completed", { rows: 2 }))

  expect(told(decision)).toEqual(["step_completed c", "step_started next"])
  expect(stepOf(decision.state, "c").result).toEqual({ child_run_id: "r1", status: "completed", output: { rows: 2 } })
  expect(ordered(waiting(), decision.state)).toEqual(["execute"])
})

test("a step that does not wait completes by its own answer", () => {
  expect(told(when(started({ c: child() }), succeeded("c", { child_run_id: "r1" })))).toEqual([
    "step_completed c",
    "state_changed completed",
  ])
})

test("a child that failed fails the step, or lets it try again with another child", () => {
  const failed = when(waiting(), childEnded("r1", "failed", null, "no route"))
  expect(told(failed)).toEqual(["step_failed c", "step_completed next blocked", "state_changed failed"])
  expect(failed.state).toMatchObject({ failureCode: "WORKFLOW_CALL_FAILED", error: "the child run r1 failed: no route" })

  const retried = when(started({ c: child([], { retry_count: 1 }) }), childStarted("c", "r1"), childEnded("r1", "failed"))
  expect(told(retried)).toEqual(["step_retry_scheduled c"])
  const second = whenAt(retried.state, 1, clock).state
  expect(stepOf(second, "c")).toMatchObject({ attempt: 2, childRunId: null })
  expect(told(when(second, childEnded("r1", "completed")))).toEqual([])
})

test("a child that was stopped fails the step for good", () => {
  const run = after(started({ c: child([], { retry_count: 3 }) }), childStarted("c", "r1"))

  const decision = when(run, childEnded("r1", "stopped"))

  expect(told(decision)).toEqual(["step_failed c", "state_changed failed"])
  expect(decision.state.error).toBe("the child run r1 was stopped")
})

test("a second child, an answer beside the child, and the end of another or of a living child decide nothing", () => {
  for (const late of [
    childStarted("c", "r2"),
    succeeded("c"),
    errored("c"),
    childEnded("r2", "completed"),
    childEnded("r1", "paused"),
    childEnded("r1", "running"),
  ]) {
    expect(told(when(waiting(), late))).toEqual([])
  }
  expect(told(when(waiting(), childEnded("r1", "completed"), childEnded("r1", "completed")))).toEqual([])
})

test("a stop, and the failure of another step, order the child's stop", () => {
  const run = after(started({ c: child(), a: [] }), childStarted("c", "r1"))

  expect(ordered(run, after(run, stopNow))).toEqual(["stop_child r1", "cancel"])
  expect(ordered(run, after(run, errored("a")))).toEqual(["stop_child r1", "cancel"])
  expect(ordered(run, whenAt(run, 1, pause).state)).toEqual([])
})

test("a child that began and was given up in one commit is stopped, too", () => {
  const run = started({ c: child() })

  expect(ordered(run, after(run, childStarted("c", "r1"), stopNow))).toEqual(["cancel", "stop_child r1"])
})

test("recovery watches the children that are waited for, and no others", () => {
  expect(ordered(null, waiting())).toEqual(["watch r1"])
  expect(ordered(null, after(waiting(), pause))).toEqual(["watch r1"])
  expect(ordered(null, after(waiting(), stopNow))).toEqual([])
  expect(ordered(null, after(waiting(), childEnded("r1", "completed")))).toEqual(["execute"])
})

test("a graceful stop waits for the child", () => {
  const run = after(waiting(), stopGracefully())

  expect(run.status).toBe("draining")
  expect(told(when(run, childEnded("r1", "completed")))).toEqual(["step_completed c", "state_changed stopped"])
  expect(ordered(run, whenAt(run, 30, clock).state)).toEqual(["stop_child r1"])
})

test("the end of a child under a pause is taken, and what follows waits", () => {
  const decision = when(after(waiting(), pause), childEnded("r1", "completed"))

  expect(told(decision)).toEqual(["step_completed c"])
  expect(told(when(decision.state, resume))).toEqual(["state_changed running", "step_started next"])
})

test("a child that takes longer than the step's limit is stopped, and the step fails", () => {
  const run = after(started({ c: child([], { timeout_s: 60 }) }), childStarted("c", "r1"))

  expect(wakeAt(run, STALL)).toBe(at(60))
  const decision = whenAt(run, 60, clock)
  expect(told(decision)).toEqual(["step_failed c", "state_changed failed"])
  expect(eventOf(decision, "step_failed").data).toMatchObject({ failure_code: "WORKFLOW_CALL_FAILED", timeout: true })
  expect(ordered(run, decision.state)).toEqual(["stop_child r1"])
})

test("each item of a loop may have a child", () => {
  const run = started({ l: each([1, 2], { x: child() }) })
  const both = after(run, childStarted("l#body#x", "r0", 0), childStarted("l#body#x", "r1", 1))

  expect(both).toMatchObject({ moving: 0, children: 2 })
  expect(ordered(null, both)).toEqual(["watch r0", "watch r1"])
  expect(told(when(both, childEnded("r1", "completed")))).toEqual(["step_completed l#body#x[1]"])
  expect(told(when(both, item(0, "l#body#x")))).toEqual([])
  const failed = when(both, childEnded("r0", "stopped"))
  expect(told(failed)).toEqual(["step_failed l#body#x[0]", "step_cancelled l#body#x[1]", "step_failed l", "state_changed failed"])
  expect(ordered(both, failed.state)).toEqual(["stop_child r0", "stop_child r1"])
})
