import { expect, test } from "bun:test"
import { evolve } from "../../src/engine/evolve.ts"
import { inputOf, scriptScope } from "../../src/engine/scope.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { after, at, created, person, placeIn, start, started, step, stepOf, succeeded, when } from "./machine.ts"

const withOverlay = (id: string, overlay: Json, input: JsonObject = {}) => ({ input: { ...input, _steps: { [id]: overlay } } })

test("an overlay goes over the step's own fields", () => {
  const run = started({ a: step([], { note: "drawn", source: "kept" }) }, withOverlay("a", { note: "sent" }))

  expect(stepOf(run, "a").input).toEqual({ note: "sent", source: "kept" })
})

test("an overlay goes over the input for its own step only", () => {
  const both = { args: "{{input.topic}} in {{input.tone}}" }
  const run = started(
    { a: step([], both), b: step([], both) },
    withOverlay("a", { topic: "whales" }, { topic: "ops", tone: "prose" }),
  )

  expect(stepOf(run, "a").input).toEqual({ args: "whales in prose" })
  expect(stepOf(run, "b").input).toEqual({ args: "ops in prose" })
})

test("an overlay decides the condition of its step", () => {
  const run = started({ a: step([], { condition: "{{input.go}}" }) }, withOverlay("a", { go: true }, { go: false }))

  expect(stepOf(run, "a").status).toBe("running")
})

test("a field that an overlay replaces need not resolve", () => {
  const run = started({ a: step([], { note: "{{input.nothing}}" }) }, withOverlay("a", { note: "sent" }))

  expect(stepOf(run, "a").input).toEqual({ note: "sent" })
})

test("what an overlay sends is data: its templates are not resolved", () => {
  const run = started({ a: [] }, withOverlay("a", { note: "{{run.run_id}}" }))

  expect(stepOf(run, "a").input).toEqual({ note: "{{run.run_id}}" })
})

test("an overlay adds no field that the step's type does not have, and changes no control", () => {
  const overlay = { id: "z", type: "human_task", depends_on: ["b"], enabled: false, retry_count: 9, unknown: 1 }
  const run = started({ a: [], b: [] }, withOverlay("a", overlay))

  expect(stepOf(run, "a")).toMatchObject({ status: "running", input: {} })
  expect(run.plan.steps[0]!.retryCount).toBe(0)
})

test("an overlay changes what a person is shown", () => {
  const run = started({ t: person([], { task_payload: { a: 1 } }) }, withOverlay("t", { task_payload: { b: 2 } }))

  expect(stepOf(run, "t").task?.payload).toEqual({ b: 2 })
})

test("overlays that are not objects, or of steps that do not exist, change nothing", () => {
  for (const overlays of [null, 5, "x", [], { a: null }, { a: [1] }, { a: "note" }, { zzz: { note: 1 } }] as Json[]) {
    expect(stepOf(started({ a: step([], { note: "drawn" }) }, { input: { _steps: overlays } }), "a").input).toEqual({
      note: "drawn",
    })
  }
})

test("a key __proto__ in an overlay stays data", () => {
  const overlay = JSON.parse('{"__proto__": {"polluted": true}}')
  const run = after(created({ a: [] }, withOverlay("a", overlay)), start)

  expect(stepOf(run, "a").input).toEqual({})
  expect(inputOf(run, placeIn(run, "a")).polluted).toBeUndefined()
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
})

test("an optional field that is left out is no field of the step", () => {
  const run = started({ a: step([], { note: "{{input.x | omit}}", args: { k: "{{input.x | omit}}" } }) })

  expect(stepOf(run, "a").input).toEqual({ args: {} })
})

test("a field without templates is handed over as it is written", () => {
  expect(stepOf(started({ a: step([], { source: "{{input.x}}" }) }), "a").input).toEqual({ source: "{{input.x}}" })
})

test("a step reads the resolved fields of another, and the facts of its run", () => {
  const run = started(
    {
      a: step([], { args: { q: "{{input.q}}" } }),
      b: step(["a"], { args: ["{{steps.a.input.args.q}}", "{{run.run_id}}", "{{run.started_at}}", "{{run.trigger_type}}"] }),
    },
    { input: { q: 7 } },
  )

  expect(stepOf(after(run, succeeded("a")), "b").input).toEqual({ args: [7, "run-1", "2026-06-10T08:00:00.000Z", "api"] })
})

test("a step reads for whom its run was started, before and after a restart, and nothing that was not said", () => {
  const identity = { external_user_id: "eve", segment_id: "s7" }
  const names = ["external_user_id", "external_id", "segment_id", "principal_id"]
  const graph = {
    a: step([], { args: names.map(name => `{{run.${name} | "none"}}`) }),
    b: step(["a"], { args: "{{run.segment_id}}" }),
  }
  const { events, state } = when(created(graph), { type: "Start", identity })

  expect(stepOf(state, "a").input).toEqual({ args: ["eve", "eve", "s7", "none"] })
  const again = events.reduce((s, e) => evolve(s, e, at(0)), created(graph))
  expect(stepOf(after(again, succeeded("a")), "b").input).toEqual({ args: "s7" })
  expect(scriptScope(again, placeIn(again, "b")).run).toMatchObject({ ...identity, external_id: "eve" })
})

test("a step id with hyphens or dots is named as it is, and the longest id wins", () => {
  const run = started({
    "load-rows": [],
    a: [],
    "a.result": [],
    b: step(["load-rows", "a", "a.result"], {
      args: ["{{steps.load-rows.result.n}}", "{{steps.a.result.n}}", "{{steps.a.result.result.n}}"],
    }),
  })

  const done = after(run, succeeded("load-rows", { n: 1 }), succeeded("a", { n: 2 }), succeeded("a.result", { n: 3 }))

  expect(stepOf(done, "b").input).toEqual({ args: [1, 2, 3] })
})

test("scripts see the same input, results and run as templates do", () => {
  const run = after(started({ "a-b": [], c: ["a-b"], d: [] }, withOverlay("c", { x: 2 }, { x: 1 })), succeeded("a-b", { n: 1 }))

  const scope = scriptScope(run, placeIn(run, "c"))

  expect(scope.input).toMatchObject({ x: 2 })
  expect(scope.steps).toEqual({ "a-b": { result: { n: 1 } } })
  expect(scope.run).toEqual({
    run_id: "run-1",
    started_at: "2026-06-10T08:00:00.000Z",
    trigger_type: "api",
    user_id: "user-1",
  })
})

test("a step whose id is __proto__ is a step like another", () => {
  const steps = JSON.parse('{"__proto__": [], "b": {"depends_on": ["__proto__"], "args": "{{steps.__proto__.result.n}}"}}')
  const named = after(started(steps), succeeded("__proto__", { n: 1 }))

  expect(named.steps.length).toBe(2)
  expect(stepOf(named, "b").input).toEqual({ args: 1 })
  expect(Object.keys(scriptScope(named, placeIn(named, "b")).steps as JsonObject)).toEqual(["__proto__"])
})
