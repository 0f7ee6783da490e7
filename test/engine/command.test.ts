import { expect, test } from "bun:test"
import { type Command, commands } from "../../src/engine/commands.ts"
import { type Place, stepAt } from "../../src/engine/place.ts"
import type { RunState } from "../../src/engine/state.ts"
import {
  after,
  approved,
  clock,
  created,
  errored,
  pause,
  person,
  resume,
  start,
  started,
  step,
  stopGracefully,
  stopNow,
  succeeded,
  whenAt,
} from "./machine.ts"

/** `execute a #1` for reading. */
const ordered = (before: RunState | null, now: RunState) => commands(before, now).map(c => line(now, c))
function line(run: RunState, c: Command): string {
  switch (c.type) {
    case "execute":
      return `execute ${nameAt(run, c.place)} #${c.attempt}`
    case "cancel":
      return `cancel ${nameAt(run, c.place)}`
    case "watch":
    case "stop_child":
      return `${c.type} ${c.childRunId}`
  }
}

const nameAt = (run: RunState, place: Place) => stepAt(run, place).path + (place.within ? `[${place.within.item}]` : "")

test("a start orders every root outside, and no human task", () => {
  const run = created({ a: [], b: [], t: person(), c: ["a"] })

  expect(ordered(run, after(run, start))).toEqual(["execute a #1", "execute b #1"])
})

test("a success orders what it made ready, and nothing that was ordered before", () => {
  const run = started({ a: [], b: ["a"], other: [] })

  expect(ordered(run, after(run, succeeded("a")))).toContain("execute b #1")
  expect(ordered(run, after(run, succeeded("a")))).not.toContain("execute other #1")
})

test("an input that decided nothing orders nothing", () => {
  const run = started({ a: [] })

  expect(ordered(run, after(run, succeeded("a", {}, 9)))).toEqual([])
})

test("a retry is ordered when it starts, not when it is planned", () => {
  const run = started({ a: step([], { retry_count: 1 }) })
  const planned = after(run, errored("a"))
  const due = whenAt(planned, 1, clock).state

  expect(ordered(run, planned).filter(c => c.startsWith("execute"))).toEqual([])
  expect(ordered(planned, due)).toEqual(["execute a #2"])
})

test("two attempts in one commit: the older is let go before the newer is ordered", () => {
  const run = started({ a: step([], { retry_count: 1 }) })

  expect(ordered(run, whenAt(after(run, errored("a")), 1, clock).state)).toEqual(["cancel a", "execute a #2"])
})

test("a failure, a stop and a drain limit order the end of what is under way", () => {
  const run = started({ a: [], b: [], t: person() })
  const drained = whenAt(after(run, stopGracefully(0)), 1, clock).state

  expect(ordered(run, after(run, errored("a")))).toContain("cancel b")
  expect(ordered(run, after(run, stopNow))).toEqual(["cancel a", "cancel b"])
  expect(ordered(run, drained)).toEqual(["cancel a", "cancel b"])
})

test("a graceful stop and a pause order the end of nothing", () => {
  const run = started({ a: [], t: person() })

  expect(ordered(run, after(run, stopGracefully()))).toEqual([])
  expect(ordered(run, after(run, pause))).toEqual([])
})

test("a step that began and was cancelled in the same decision is never ordered", () => {
  const run = created({ a: [], b: step([], { note: "{{input.x}}" }) })

  expect(ordered(run, after(run, start))).toEqual([])
})

test("recovery orders exactly what is under way", () => {
  const run = started({ a: [], b: ["a"], r: step([], { retry_count: 1 }), t: person(), d: [] })
  const now = after(run, succeeded("a"), errored("r"))

  expect(ordered(null, now)).toEqual(["execute b #1", "execute d #1"])
})

test("recovery of a paused or draining run orders what may still finish, and of a final run nothing", () => {
  const run = started({ a: [], b: ["a"] })

  expect(ordered(null, after(run, pause))).toEqual(["execute a #1"])
  expect(ordered(null, after(run, stopGracefully()))).toEqual(["execute a #1"])
  expect(ordered(null, after(run, pause, succeeded("a")))).toEqual([])
  expect(ordered(null, after(run, pause, succeeded("a"), resume))).toEqual(["execute b #1"])
  expect(ordered(null, after(run, stopNow))).toEqual([])
  expect(ordered(null, after(started({ t: person() }), approved("t")))).toEqual([])
})
