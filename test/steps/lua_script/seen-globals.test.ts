import { describe, expect, test } from "bun:test"
import { LuaMachine } from "../../../src/adapters/sandbox/lua-machine.ts"
import { seenGlobals } from "../../../src/steps/lua_script/seen-globals.ts"

const globals = {
  input: { n: 1, steps: { x: 5 } },
  steps: {
    a: { result: { n: 2 } },
    "b-c": { result: { n: 3 } },
    b_d: { result: { n: 4 } },
    "b-d": { result: { n: 5 } },
    ["__proto__"]: { result: { n: 6 } },
    "two words": { result: { n: 7 } },
  },
  run: { run_id: "r" },
  item: 8,
}
const stepsSeen = (script: string) => Object.keys((seenGlobals(script, globals).steps as object | undefined) ?? {})
const ALL = Object.keys(globals.steps)

describe("what a script can see", () => {
  test.each([
    ["return {}", []],
    ["return { n = input.n }", ["input"]],
    ["return { run.run_id, item }", ["run", "item"]],
    ["return { n = _G['in' .. 'put'].n }", ["input", "steps", "run", "item"]],
    ["return { n = load('return in' .. 'put.n')() }", ["input", "steps", "run", "item"]],
    ["local _ENV = _ENV return { n = input.n }", ["input", "steps", "run", "item"]],
  ])("is the globals it names: %s", (script, names) => {
    expect(Object.keys(seenGlobals(script, globals))).toEqual(names)
  })

  test.each([
    ["return { n = steps.a.result.n }", ["a"]],
    ["return { n = steps . a.result.n }", ["a"]],
    ["return { n = steps['a'].result.n + steps[ \"two words\" ].result.n }", ["a", "two words"]],
    ["return { n = steps.b_c.result.n }", ["b-c"]],
    ["return { n = steps['b-c'].result.n }", ["b-c"]],
    ["return { n = steps.b_d.result.n }", ["b_d", "b-d"]],
    ["return { n = steps.unknown }", []],
    ["return { n = steps['__proto__'].result.n }", ["__proto__"]],
  ])("is the steps it names: %s", (script, names) => {
    expect(stepsSeen(script)).toEqual(names)
  })

  test.each([
    "local n = 0 for _, s in pairs(steps) do n = n + s.result.n end return { n = n }",
    "local s = steps return { n = s.a.result.n }",
    "local id = 'a' return { n = steps[id].result.n }",
    "return { n = steps['\\97'].result.n }",
    "return { n = steps[ [[a]] ].result.n }",
    "return { n = steps --[[ where? ]] .a.result.n }",
    "return { n = (steps).a.result.n }",
    "return { n = 'n'..steps.a.result.n }",
    "return { n = input.steps.x }",
    "return { n = steps.a.result.n, m = #steps }",
    "return { s = rawget(steps, 'a') }",
  ])("is all steps where it might read any: %s", script => {
    expect(stepsSeen(script)).toEqual(ALL)
  })

  test("makes no difference to what a script returns", () => {
    const machine = new LuaMachine(64 * 1024 * 1024)
    for (const script of [
      "return { n = steps.a.result.n + steps.b_c.result.n + steps.b_d.result.n + steps['b-d'].result.n + item }",
      "local n = 0 for _, s in pairs(steps) do n = n + s.result.n end return { n = n }",
      "return { n = 'n'..steps.a.result.n, x = input.steps.x }",
      "local t = {} for k in pairs(_ENV) do t[#t + 1] = k end table.sort(t) return t",
      "return { missing = steps.unknown == nil, none = nothing == nil }",
    ]) {
      expect(machine.run(script, seenGlobals(script, globals))).toEqual(machine.run(script, globals))
    }
  })
})
