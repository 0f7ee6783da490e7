import { describe, expect, test } from "bun:test"
import { commands } from "../../src/engine/commands.ts"
import { evolve } from "../../src/engine/evolve.ts"
import { explain } from "../../src/engine/explain.ts"
import { type RunState, wakeAt } from "../../src/engine/state.ts"
import { STEP_NOTE_MAX_CHARS, STEP_NOTES_MAX, STEP_NOTES_MAX_CHARS } from "../../src/kernel/limits.ts"
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
  itemErrored,
  knowing,
  noted,
  pause,
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
  told,
  when,
  whenAt,
} from "./machine.ts"

const INNER = "loop#body#do"
const notesOf = (state: RunState, id = "a") => stepOf(state, id).notes.map(n => n.data)
const itemNotes = (state: RunState, index: number) => bodyOfItem(state, "loop", index).steps[0]!.notes.map(n => n.data)
const notedBy = (index: number, data = {}, more = {}) => noted(INNER, data, { item: index, ...more })
const LIMIT = { type: "agent_turn_limit_reached", data: { rounds: 8 } } as const

describe("what a step records on its way", () => {
  test("is an event of the step with its attempt, and orders nothing", () => {
    const run = started({ a: [] })

    const decision = when(run, noted("a", { round: 1, tool: "rm" }))

    expect(decision.events).toEqual([{ type: "agent_turn_tool_round", stepId: "a", data: { round: 1, tool: "rm", attempt: 1 } }])
    expect(commands(run, decision.state)).toEqual([])
    expect(stepOf(decision.state, "a")).toMatchObject({ status: "running", attempt: 1, answers: [] })
  })

  test("is kept in order, with its type, and without what the event adds", () => {
    const run = after(started({ a: [] }), noted("a", { n: 1 }), noted("a", {}, { note: LIMIT }), noted("a", { n: 2 }))

    expect(stepOf(run, "a").notes).toEqual([
      { type: "agent_turn_tool_round", data: { n: 1 } },
      LIMIT,
      { type: "agent_turn_tool_round", data: { n: 2 } },
    ])
  })

  test("is there after a crash, and the attempt that goes on is told that it was taken over", () => {
    const initial = created({ a: [] })
    const inputs = [start, noted("a", { n: 1 }), noted("a", { n: 2 })]
    let run = initial
    let folded = initial
    for (const input of inputs) {
      const decision = when(run, input)
      run = decision.state
      folded = decision.events.reduce((s, event) => evolve(s, event, at(0)), folded)
    }

    expect(folded).toEqual(run)
    expect(notesOf(folded)).toEqual([{ n: 1 }, { n: 2 }])
    expect(commands(null, folded)).toMatchObject([{ type: "execute", attempt: 1, resumed: true }])
  })

  test("is there when a person has answered, and more can be recorded behind the answer", () => {
    const run = after(started({ a: [] }), noted("a", { n: 1 }), asked("a"), approved("a|1.1"))

    expect(notesOf(run)).toEqual([{ n: 1 }])
    expect(told(when(run, noted("a", { n: 2 })))).toEqual([])
    expect(notesOf(after(run, knowing(1, noted("a", { n: 2 }))))).toEqual([{ n: 1 }, { n: 2 }])
  })

  test("is there in the next attempt", () => {
    const run = after(started({ a: step([], { retry_count: 2 }) }), noted("a", { n: 1 }), errored("a"))

    expect(notesOf(run)).toEqual([{ n: 1 }])
    const again = whenAt(run, 2, clock, noted("a", { n: 2 }, { attempt: 2 }))
    expect(notesOf(again.state)).toEqual([{ n: 1 }, { n: 2 }])
    expect(eventOf(again, "agent_turn_tool_round").data).toEqual({ n: 2, attempt: 2 })
  })

  test("is gone from memory when the step has ended, however that was", () => {
    const run = after(started({ a: [], b: [] }), noted("a", { n: 1 }))

    for (const end of [succeeded("a"), errored("a", 1, { retryable: false }), stopNow, errored("b", 1, { retryable: false })])
      expect(stepOf(after(run, end), "a")).toMatchObject({ notes: [], noteChars: 0 })
  })

  test("does not reach into the next round of a step that is entered again", () => {
    const chat = started({ a: gated([], { input_allowlist: ["human"] }) }, { input: { _steps: { a: {} } } })

    const again = after(chat, noted("a", { n: 1 }), succeeded("a"), resumeWith({ a: {} }))

    expect(stepOf(again, "a").status).toBe("running")
    expect(notesOf(again)).toEqual([])
    expect(told(when(again, noted("a")))).toEqual([])
    expect(notesOf(after(again, noted("a", { n: 2 }, { round: 1 })))).toEqual([{ n: 2 }])
  })

  test("comes too late when the attempt is over, waits, or has become another one", () => {
    const run = started({ a: step([], { retry_count: 1 }) })
    const failed = after(run, errored("a"))

    for (const state of [failed, whenAt(failed, 2, clock).state, after(run, asked("a")), after(run, succeeded("a"))])
      expect(told(when(state, noted("a")))).toEqual([])
    expect(told(when(run, noted("nobody")))).toEqual([])
    expect(told(when(after(run, stopNow), noted("a")))).toEqual([])
  })

  test("goes on under an operator's pause and while the run drains, as the attempt does", () => {
    const run = started({ a: [], b: ["a"] })

    expect(told(when(after(run, pause), noted("a")))).toEqual(["agent_turn_tool_round a"])
    expect(told(when(after(run, pause, noted("a")), resume))).toEqual(["state_changed running"])
    expect(told(when(after(run, stopGracefully()), noted("a")))).toEqual(["agent_turn_tool_round a"])
  })

  test("shows that the run moves: it does not stall, and wakes for nothing", () => {
    const run = after(started({ a: [] }), noted("a"))

    expect(wakeAt(run, STALL)).toBeNull()
    expect(told(whenAt(run, 1e6, clock))).toEqual([])
  })

  test("is counted in the explanation of a step under way", () => {
    const run = after(started({ a: [] }), noted("a"))

    expect(explain(run, 0).message).toBe(
      "a is running, attempt 1; it has recorded 1 thing on its way (agent_turn_… in its events)",
    )
    expect(explain(after(run, noted("a")), 0).message).toContain("recorded 2 things")
  })
})

describe("too much of it", () => {
  const filled = (count: number, chars: number) => {
    let run = started({ a: step([], { retry_count: 3 }) })
    // {"t":""} has eight characters.
    for (let n = 0; n < count; n++) run = after(run, noted("a", { t: "x".repeat(chars - 8) }))
    return run
  }

  test("at a time fails the step with a sentence, and no attempt follows", () => {
    expect(notesOf(filled(1, STEP_NOTE_MAX_CHARS))).toHaveLength(1)

    const decision = when(filled(0, 0), noted("a", { t: "x".repeat(STEP_NOTE_MAX_CHARS - 7) }))

    expect(told(decision)).toEqual(["step_failed a", "state_changed failed"])
    expect(decision.state).toMatchObject({ failureCode: "AGENT_TURN_FAILED", error: expect.stringContaining("of one call") })
  })

  test("together fails the step", () => {
    const run = filled(STEP_NOTES_MAX_CHARS / STEP_NOTE_MAX_CHARS, STEP_NOTE_MAX_CHARS)
    expect(stepOf(run, "a")).toMatchObject({ status: "running", noteChars: STEP_NOTES_MAX_CHARS })

    const decision = when(run, noted("a", {}))

    expect(told(decision)).toEqual(["step_failed a", "state_changed failed"])
    expect(decision.state.error).toContain("together")
  })

  test("or too often fails the step", () => {
    let run = started({ a: [] })
    for (let n = 0; n < STEP_NOTES_MAX; n++) run = after(run, noted("a"))
    expect(stepOf(run, "a").notes).toHaveLength(STEP_NOTES_MAX)

    expect(when(run, noted("a")).state.error).toContain(`more than ${STEP_NOTES_MAX}`)
  })

  test("of an item fails the item", () => {
    const loop = each([1, 2], { do: [] }, { for_each_error_policy: "continue_on_error" })

    const decision = when(started({ loop }), notedBy(0, { t: "x".repeat(STEP_NOTE_MAX_CHARS) }))

    expect(told(decision)).toEqual([`step_failed ${INNER}[0]`, "item_failed loop[0]"])
    expect(told(when(decision.state, notedBy(1)))).toEqual([`agent_turn_tool_round ${INNER}[1]`])
  })
})

describe("inside a loop", () => {
  test("each item keeps its own, and the event says which", () => {
    const decision = when(started({ loop: each([1, 2], { do: [] }) }), notedBy(0, { n: 0 }), notedBy(1, { n: 1 }))

    expect(eventOf(decision, "agent_turn_tool_round")).toEqual({
      ...{ type: "agent_turn_tool_round", stepId: INNER },
      data: { n: 1, attempt: 1, index: 1 },
    })
    expect([itemNotes(decision.state, 0), itemNotes(decision.state, 1)]).toEqual([[{ n: 0 }], [{ n: 1 }]])
    expect(itemNotes(after(decision.state, item(0, INNER)), 0)).toEqual([])
  })

  test("an item that is held back by a pause keeps what it recorded for the attempt behind it", () => {
    const loop = each([1], { do: [] }, { for_each_error_policy: "pause" })
    const held = after(started({ loop }), notedBy(0, { n: 1 }), itemErrored(0, INNER, { retryable: false }))

    expect(itemNotes(held, 0)).toEqual([{ n: 1 }])
    expect(itemNotes(after(held, resume, notedBy(0, { n: 2 }, { attempt: 2 })), 0)).toEqual([{ n: 1 }, { n: 2 }])
  })

  test("a new attempt of the loop begins its items from nothing", () => {
    const run = after(started({ loop: each([1], { do: [] }, { retry_count: 1, timeout_s: 10 }) }), notedBy(0, { n: 1 }))

    const again = whenAt(whenAt(run, 11, clock).state, 13, clock).state

    expect(itemNotes(again, 0)).toEqual([])
    expect(told(when(again, notedBy(0)))).toEqual([])
  })

  test("an iteration does not see what the one before it recorded", () => {
    const run = started({ loop: repeat("until", 3, "{{body.do.result.ok}}", { do: [] }) })

    expect(itemNotes(after(run, notedBy(0, { n: 1 }), item(0, INNER)), 1)).toEqual([])
  })
})

test("only what a recovery hands over is resumed", () => {
  const run = created({ a: [], loop: each([1], { do: [] }) })
  const going = after(run, start)

  expect(commands(run, going).map(c => c.type === "execute" && c.resumed)).toEqual([false, false])
  expect(commands(null, going).map(c => c.type === "execute" && c.resumed)).toEqual([true, true])
})
