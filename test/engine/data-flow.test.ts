import { expect, test } from "bun:test"
import fc from "fast-check"
import { decide } from "../../src/engine/decide.ts"
import type { RunEvent } from "../../src/engine/events.ts"
import { evolve } from "../../src/engine/evolve.ts"
import type { RunInput } from "../../src/engine/inputs.ts"
import { lookupFor } from "../../src/engine/scope.ts"
import type { RunState } from "../../src/engine/state.ts"
import type { Json } from "../../src/kernel/json.ts"
import { at, created, each, item, placeIn, start, step, stepOf, succeeded } from "./machine.ts"
import { SEED } from "./seed.ts"

/** Whatever an API, a tool or a model may give, templates and all. */
const json = fc.oneof(
  fc.json({ maxDepth: 4 }).map(text => JSON.parse(text) as Json),
  fc.constantFrom<Json>("{{input.secret}}", "}}{{", '{"__proto__":1}', "{{steps.a.result}} | omit", ""),
  fc.dictionary(
    fc.constantFrom("__proto__", "constructor", "toString", "length", "{{input.secret}}", "result", "0"),
    fc.constantFrom<Json>("{{input.secret}}", 0, null, [], {}, false),
  ),
)

/** The run after these inputs, and once more from its events as a disk gives them back. */
function lived(initial: RunState, inputs: readonly RunInput[]): readonly RunState[] {
  let state = initial
  const events: (readonly [RunEvent, number])[] = []
  for (const [i, input] of inputs.entries()) {
    const decision = decide(state, input, at(i))
    events.push(...decision.events.map(event => [event, at(i)] as const))
    state = decision.state
  }
  const stored = JSON.parse(JSON.stringify(events)) as typeof events
  return [state, stored.reduce((s, [event, when]) => evolve(s, event, when), initial)]
}

test("a value of any kind goes from step to step through a template as it is, before and after a restart", () => {
  const graph = created(
    {
      a: [],
      b: step(["a"], { args: { whole: "{{steps.a.result}}", list: ["{{steps.a.result}}"], own: "{{input.given}}" } }),
      c: step(["b"], { args: "{{steps.b.input.args.whole}}" }),
    },
    { input: { given: "{{input.secret}}", secret: "never" } },
  )
  fc.assert(
    fc.property(json, value => {
      for (const state of lived(graph, [start, succeeded("a", value), succeeded("b")])) {
        expect(stepOf(state, "b").input?.args).toEqual({ whole: value, list: [value], own: "{{input.secret}}" })
        expect(stepOf(state, "c").input?.args).toEqual(value)
      }
    }),
    { seed: SEED },
  )
})

test("items of any kind reach the steps of their loop as they are, and its results keep the order of the items", () => {
  const graph = created({
    a: [],
    l: each("{{steps.a.result}}", { i: step([], { args: ["{{item}}", "{{foreach.index}}"] }) }, { depends_on: ["a"] }),
    b: step(["l"], { args: "{{steps.l.result.results}}" }),
  })
  fc.assert(
    fc.property(fc.array(json, { minLength: 1, maxLength: 5 }), fc.infiniteStream(fc.nat()), (items, order) => {
      const ranks = items.map(() => order.next().value)
      const arrival = [...items.keys()].sort((x, y) => ranks[x]! - ranks[y]!)
      const answers = arrival.map(i => item(i, "l#body#i", items[i]!))
      for (const state of lived(graph, [start, succeeded("a", items), ...answers])) {
        const results = stepOf(state, "b").input?.args as { index: number; result: Json }[]
        expect(results.map(r => r.index)).toEqual([...items.keys()])
        expect(results.map(r => r.result)).toEqual(items)
      }
    }),
    { seed: SEED },
  )
})

test("no path leads to what objects, lists and texts inherit", () => {
  const name = fc.constantFrom(
    ...["__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", "at", "map", "0", "-1", "1e0"],
    ...["input", "steps", "run", "a", "result", "list", "text", "item", "body", "while", "prev"],
  )
  const [state] = lived(created({ a: [], b: ["a"] }, { input: { list: [1], text: "abc", a: {} } }), [
    start,
    succeeded("a", { list: [{}], text: "abc" }),
  ])
  const lookup = lookupFor(state!, placeIn(state!, "b"))
  fc.assert(
    fc.property(fc.array(name, { minLength: 1, maxLength: 6 }), path => {
      const found = lookup(path)
      expect(["undefined", "string", "number", "object"]).toContain(typeof found)
      expect(found).not.toBe(Object.prototype as never)
      expect(found).not.toBe(Array.prototype as never)
      // All of it is plain data: as JSON it is the same.
      if (found !== undefined) expect(JSON.parse(JSON.stringify(found))).toEqual(found)
    }),
    { seed: SEED, numRuns: 1000 },
  )
})

test("templates made to be slow do not hold up the start of their step", () => {
  const size = 50_000
  const hostile = [
    `{{steps.${"a.result.".repeat(size / 9)}x | omit}}`,
    `{{steps.${"a.".repeat(size / 2)}result | omit}}`,
    `{{input.${"x.".repeat(size / 2)}y | omit}}`,
    `{{${"input.x | ".repeat(size / 10)}omit}}`,
    "{{input.given}}".repeat(size / 15),
    `{{body.${"result.".repeat(size / 7)}x | omit}}`,
  ]
  for (const text of hostile) {
    const graph = created({ a: [], b: step(["a"], { args: text, condition: text }) }, { input: { given: "g" } })
    const from = performance.now()
    lived(graph, [start, succeeded("a", { result: { result: 1 } })])
    expect([text.slice(0, 30), performance.now() - from < 1000]).toEqual([text.slice(0, 30), true])
  }
})
