import { describe, expect, test } from "bun:test"
import { commands } from "../../src/engine/commands.ts"
import { explain } from "../../src/engine/explain.ts"
import { wakeAt } from "../../src/engine/state.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import {
  after,
  approved,
  at,
  clock,
  created,
  eventOf,
  gated,
  pause,
  person,
  resume,
  resumeWith,
  STALL,
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

const overlays = (steps: JsonObject) => ({ input: { _steps: steps } })
const handsTo = (to: string, payload: JsonObject = {}, more: JsonObject = {}): Json => ({
  message: "",
  handoff: { to, payload },
  ...more,
})
const done = { done: true }
const agent = (dependsOn: readonly string[] = [], more: JsonObject = {}) => gated(dependsOn, { no_auto_start: false, ...more })

describe("a gated step", () => {
  test("does not start with the others, and neither does what waits for it", () => {
    expect(told(when(created({ a: [], b: gated(), c: ["b"], d: ["a", "b"] }), start))).toEqual(["run_started", "step_started a"])
  })

  test("starts when the start names it, even with nothing to say", () => {
    expect(told(when(created({ a: gated(), b: gated() }, overlays({ b: {} })), start))).toEqual(["run_started", "step_started b"])
  })

  test("starts when a resume names it, with what the resume brings", () => {
    const run = started({ a: gated([], { note: "{{input.note}}" }), b: ["a"] })

    const decision = when(run, resumeWith({ a: { note: "hi" } }))

    expect(told(decision)).toEqual(["entry_granted a by human", "step_started a"])
    expect(stepOf(decision.state, "a").input).toEqual({ note: "hi" })
    expect(told(when(decision.state, succeeded("a")))).toEqual(["step_completed a", "step_started b"])
  })

  test("with dependencies waits for them, too", () => {
    const run = started({ a: [], b: gated(["a"]) })

    expect(told(when(run, resumeWith({ b: {} })))).toEqual(["entry_granted b by human"])
    expect(told(when(run, resumeWith({ b: {} }), succeeded("a")))).toEqual(["step_completed a", "step_started b"])
  })

  test("gets no entry from a resume that may not give it, or for a step that is not gated or not there", () => {
    const run = started({ a: [], b: gated([], { input_allowlist: ["a"] }) })

    for (const id of ["a", "b", "nobody", "__proto__"]) expect(told(when(run, resumeWith({ [id]: {} })))).toEqual([])
  })

  test("gets neither entry nor input from a start that may not give it", () => {
    const graph = { a: agent(), b: gated([], { note: '{{input.x | "own"}}', input_allowlist: ["a"] }) }
    const run = started(graph, overlays({ b: { x: "smuggled", note: "smuggled" } }))

    expect(stepOf(run, "b").status).toBe("pending")
    expect(stepOf(after(run, succeeded("a", handsTo("b"))), "b").input).toEqual({ note: "own" })
  })

  test("that nobody let in is the reason that is given, also once the run stalled over it", () => {
    const run = started({ a: [], b: gated(), c: gated([], { input_allowlist: ["a"] }), d: ["b"] })
    const stalled = whenAt(after(run, succeeded("a")), STALL / 1000, clock).state
    const why = (id: string) => explain(stalled, stalled.plan.indexOf.get(id)!).because.map(c => `${c.kind}: ${c.message}`)

    expect(stalled.failureCode).toBe("RUN_STALLED_OR_TIMED_OUT")
    expect(why("b")).toEqual([
      "grant: b is gated (no_auto_start) and was not granted entry: name it in trigger_steps, or hand over to it",
    ])
    expect(why("c")).toEqual([
      "grant: c is gated (no_auto_start) and was not granted entry: one of its input_allowlist has to hand over to it (a)",
    ])
    expect(why("d")[0]).toBe("dependency: d waits for b, which is pending")
  })

  test("that takes input from people gets entry from a start, as does one that takes it from anyone", () => {
    const graph = { a: gated([], { input_allowlist: ["human", "b"] }), b: gated() }

    expect(told(when(created(graph, overlays({ a: {}, b: {} })), start))).toEqual([
      "run_started",
      "step_started a",
      "step_started b",
    ])
  })

  test("gets entry under a pause with the resume, and not from the pause itself", () => {
    const run = after(started({ a: gated() }), pause)

    expect(told(when(run, resumeWith({ a: {} })))).toEqual([
      "state_changed running",
      "entry_granted a by human",
      "step_started a",
    ])
  })

  test("may be named like what every object has", () => {
    for (const id of ["constructor", "__proto__", "toString"]) {
      const run = started(JSON.parse(`{"${id}": ${JSON.stringify(gated())}, "a": ${JSON.stringify(agent())}}`))
      expect(stepOf(run, id).status).toBe("pending")
      expect(told(when(run, succeeded("a", handsTo(id))))).toContain(`step_started ${id}`)
    }
  })

  test("that is disabled is passed over when it gets entry", () => {
    expect(told(when(started({ a: gated([], { enabled: false }), b: [] }), resumeWith({ a: {} })))).toEqual([
      "entry_granted a by human",
      "step_completed a step_disabled",
    ])
  })
})

describe("a hand-over", () => {
  test("gives entry and input to a gated step", () => {
    const run = started({ a: agent(), b: gated([], { note: "{{input.note}}", input_allowlist: ["a"] }) })

    const decision = when(run, succeeded("a", handsTo("b", { note: "for you" })))

    expect(told(decision)).toEqual(["step_completed a", "entry_granted b by a", "step_started b"])
    expect(eventOf(decision, "entry_granted").data).toEqual({ by: "a", payload: { note: "for you" }, again: false })
    expect(stepOf(decision.state, "b").input).toEqual({ note: "for you" })
    expect(decision.state.episode).toMatchObject({ granted: ["b"], senders: { b: ["a"] }, closed: false })
  })

  const refusals: readonly (readonly [string, string, string])[] = [
    ["to a step that does not take it", "b", "step b does not take input from a (input_allowlist)"],
    ["to a step that is not gated", "c", "step c is not gated (no_auto_start), so nobody can hand over to it"],
    ["to a step that is not there", "zzz", "there is no step zzz to hand over to"],
  ]
  for (const [what, to, error] of refusals) {
    test(`${what} fails the turn for good`, () => {
      const run = started({ a: agent([], { retry_count: 3 }), b: gated([], { input_allowlist: ["c"] }), c: ["b"] })

      const decision = when(run, succeeded("a", handsTo(to)))

      expect(told(decision)).toEqual([
        "step_failed a",
        "step_completed b blocked",
        "step_completed c blocked",
        "state_changed failed",
      ])
      expect(decision.state).toMatchObject({ failureCode: "AGENT_TURN_FAILED", error })
    })
  }

  test("is an agent's only: the same result of another step is data", () => {
    expect(told(when(started({ a: [], b: gated() }), succeeded("a", handsTo("b"))))).toEqual(["step_completed a"])
  })

  test("to a step that ended runs it again, and late answers of its first round decide nothing", () => {
    const run = after(started({ a: agent(), b: gated() }), succeeded("a", handsTo("b")), succeeded("b", handsTo("b")))

    expect(stepOf(run, "b")).toMatchObject({ status: "running", round: 1, attempt: 1, result: undefined })
    expect(told(when(run, succeeded("b", {}, 1, 0)))).toEqual([])
    expect(told(when(run, succeeded("b", done, 1, 1)))).toEqual(["step_completed b", "state_changed completed"])
  })

  test("back and forth goes on as long as they hand over", () => {
    const run = after(started({ a: gated(), b: gated() }, overlays({ a: {} })), succeeded("a", handsTo("b")))
    const back = when(run, succeeded("b", handsTo("a")))
    const forth = when(back.state, succeeded("a", handsTo("b"), 1, 1))

    expect(told(back)).toEqual(["step_completed b", "entry_granted a by b again", "step_started a"])
    expect(told(forth)).toEqual(["step_completed a", "entry_granted b by a again", "step_started b"])
  })

  test("two steps that handed over to each other and get entry together do not wait for each other", () => {
    const run = after(
      started({ a: gated(), b: gated(), z: gated() }, overlays({ a: {} })),
      succeeded("a", handsTo("b")),
      succeeded("b", handsTo("a")),
    )
    const idle = after(run, succeeded("a", {}, 1, 1))

    const both = when(idle, resumeWith({ a: {}, b: {} }))

    expect(told(both)).toEqual(["entry_granted a by human again", "entry_granted b by human again", "step_started a"])
    expect(told(when(both.state, succeeded("a", {}, 1, 2)))).toEqual(["step_completed a", "step_started b"])
  })

  test("to a step that is under way runs it once more when it ends", () => {
    const run = after(started({ a: agent(), c: agent(), b: gated() }), succeeded("a", handsTo("b", { n: 1 })))

    const second = when(run, succeeded("c", handsTo("b", { n: 2 })))
    expect(told(second)).toEqual(["step_completed c", "entry_granted b by c"])
    const again = when(second.state, succeeded("b"))
    expect(told(again)).toEqual(["step_completed b", "entry_granted b by c again", "step_started b"])
    expect(told(when(again.state, succeeded("b", {}, 1, 1)))).toEqual(["step_completed b", "state_changed completed"])
  })

  test("starts with the answer of a step outside and is ordered once", () => {
    const run = started({ a: agent(), b: gated() })

    const next = after(run, succeeded("a", handsTo("b")))

    expect(commands(run, next)).toEqual([
      { type: "cancel", place: { within: null, index: 0 } },
      { type: "execute", place: { within: null, index: 1 }, attempt: 1, round: 0, answers: 0, resumed: false },
    ])
    const again = after(next, succeeded("b", handsTo("b")))
    expect(commands(next, again)).toEqual([
      { type: "cancel", place: { within: null, index: 1 } },
      { type: "execute", place: { within: null, index: 1 }, attempt: 1, round: 1, answers: 0, resumed: false },
    ])
  })

  test("under a pause starts with the resume", () => {
    const decision = when(started({ a: agent(), b: gated() }), pause, succeeded("a", handsTo("b")))

    expect(told(decision)).toEqual(["step_completed a", "entry_granted b by a"])
    expect(told(when(decision.state, resume))).toEqual(["state_changed running", "step_started b"])
  })
})

describe("the end of an episode", () => {
  const closings: readonly (readonly [string, Json, JsonObject])[] = [
    ["done in its result", { done: true }, {}],
    ["done one level down", { result: { done: true } }, {}],
    ["a terminal step", {}, { terminal: true }],
  ]
  for (const [what, result, more] of closings) {
    test(`comes with ${what}: what is not in scope is skipped`, () => {
      const decision = when(started({ a: agent([], more), b: gated(), c: ["b"] }), succeeded("a", result))

      expect(told(decision)).toEqual([
        "step_completed a",
        "step_completed b out_of_scope",
        "step_completed c out_of_scope",
        "state_changed completed",
      ])
    })
  }

  test("comes with done in the result of any step: the contract names no type here, as it does for a hand-over", () => {
    expect(told(when(started({ a: [], b: gated() }), succeeded("a", done)))).toEqual([
      "step_completed a",
      "step_completed b out_of_scope",
      "state_changed completed",
    ])
  })

  test("need not come for the run to complete, once every step has ended", () => {
    const run = started({ a: [], b: gated() }, overlays({ b: {} }))

    expect(told(when(run, succeeded("a"), succeeded("b")))).toEqual(["step_completed b", "state_changed completed"])
  })

  test("does not come with done: false, or with a terminal step that was skipped", () => {
    expect(told(when(started({ a: agent(), b: gated() }), succeeded("a", { done: false })))).toEqual(["step_completed a"])
    expect(told(when(created({ a: step([], { terminal: true, enabled: false }), b: gated() }), start))).not.toContain(
      "state_changed completed",
    )
  })

  test("is not the end of the run before all that is in scope has ended", () => {
    const run = started({ a: agent(), other: [], behind: ["other"], b: gated() })

    const closed = when(run, succeeded("a", done))
    expect(told(closed)).toEqual(["step_completed a", "step_completed b out_of_scope"])
    expect(told(when(closed.state, succeeded("other")))).toEqual(["step_completed other", "step_started behind"])
    expect(told(when(closed.state, succeeded("other"), succeeded("behind")))).toEqual([
      "step_completed behind",
      "state_changed completed",
    ])
    expect(told(when(closed.state, resumeWith({ b: {} })))).toEqual([])
  })

  test("with a hand-over in the same turn runs that step first", () => {
    const decision = when(started({ a: agent(), b: gated(), c: gated() }), succeeded("a", handsTo("b", {}, done)))

    expect(told(decision)).toEqual([
      "step_completed a",
      "entry_granted b by a",
      "step_started b",
      "step_completed c out_of_scope",
    ])
    expect(told(when(decision.state, succeeded("b")))).toEqual(["step_completed b", "state_changed completed"])
  })

  test("that does not come leaves the run running until it stalls", () => {
    const run = whenAt(started({ a: [], b: gated() }), 60, succeeded("a")).state

    expect(run.status).toBe("running")
    expect(wakeAt(run, STALL)).toBe(at(60 + 15 * 60))
    expect(told(whenAt(run, 60 + 15 * 60 - 1, clock))).toEqual([])
    const decision = whenAt(run, 60 + 15 * 60, clock)
    expect(told(decision)).toEqual(["state_changed failed"])
    expect(decision.state).toMatchObject({ failureCode: "RUN_STALLED_OR_TIMED_OUT", status: "failed" })
  })

  test("while a person is waited for, nothing stalls; once nobody is, the run is running again, and may stall", () => {
    const run = after(started({ a: [], t: person(), b: gated() }), succeeded("a"))
    expect(run.pauseReason).toBe("human_task")
    expect(wakeAt(run, STALL)).toBeNull()

    const answered = when(run, approved("t"))

    expect(told(answered)).toEqual(["human_task_completed t", "step_completed t", "state_changed running"])
    expect(wakeAt(answered.state, STALL)).not.toBeNull()
  })
})

describe("a conversation", () => {
  const message = (text: string) => ({ chat: { human_message: { text } } })
  const session = () =>
    started({ chat: gated([], { input_allowlist: ["human"], note: "{{input.human_message.text}}" }) }, overlays(message("one")))

  test("waits for the next message after each turn, without a limit", () => {
    const decision = when(session(), succeeded("chat", { message: "hello" }))

    expect(told(decision)).toEqual(["step_completed chat", "state_changed paused awaiting_chat"])
    expect(wakeAt(decision.state, STALL)).toBeNull()
    expect(told(when(decision.state, resume))).toEqual([])
  })

  test("runs the step again with the next message", () => {
    const decision = when(session(), succeeded("chat"), resumeWith(message("two")))

    expect(told(decision)).toEqual(["state_changed running", "entry_granted chat by human again", "step_started chat"])
    expect(stepOf(decision.state, "chat")).toMatchObject({ round: 1, attempt: 1, input: { note: "two" } })
  })

  test("answers a message that comes during a turn after it", () => {
    const early = when(session(), resumeWith(message("two")))

    expect(told(early)).toEqual(["entry_granted chat by human"])
    const next = when(early.state, succeeded("chat"))
    expect(told(next)).toEqual(["step_completed chat", "entry_granted chat by human again", "step_started chat"])
    expect(stepOf(next.state, "chat").input).toEqual({ note: "two" })
    expect(told(when(next.state, succeeded("chat", {}, 1, 1)))).toEqual([
      "step_completed chat",
      "state_changed paused awaiting_chat",
    ])
  })

  test("ends with done, even with a message that came during the turn", () => {
    expect(told(when(session(), succeeded("chat", done)))).toEqual(["step_completed chat", "state_changed completed"])
    expect(told(when(session(), resumeWith(message("two")), succeeded("chat", done)))).toEqual([
      "step_completed chat",
      "state_changed completed",
    ])
  })

  test("can be stopped while it waits, and paused by an operator and taken back", () => {
    const waiting = after(session(), succeeded("chat"))

    expect(told(when(waiting, stopNow))).toEqual(["state_changed stopped"])
    expect(told(when(waiting, pause))).toEqual(["state_changed paused operator"])
    expect(told(when(waiting, pause, resume))).toEqual(["state_changed running", "state_changed paused awaiting_chat"])
  })

  test("gives a repeated human task a name of its own", () => {
    const run = started({ t: person([], { no_auto_start: true, input_allowlist: ["human"] }) }, overlays({ t: {} }))
    const again = after(run, approved("t"), resumeWith({ t: {} }))

    expect(stepOf(again, "t").task?.taskId).toBe("t:2")
    expect(told(when(again, approved("t")))).toEqual([])
    expect(told(when(again, approved("t:2")))).toContain("step_completed t")
  })
})
