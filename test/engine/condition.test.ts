import { expect, test } from "bun:test"
import { isTruthy } from "../../src/engine/truth.ts"
import type { Json } from "../../src/kernel/json.ts"
import { created, start, started, step, stepOf, succeeded, told, when } from "./machine.ts"

const FALSE: readonly Json[] = [false, null, "", "false", "0", 0, -0, [], {}, "False", " false ", "  "]
const TRUE: readonly Json[] = [true, "true", "no", "00", 1, -1, 0.5, [0], [null], { a: null }, "null", "[]"]

for (const value of FALSE) {
  test(`a condition that gives ${JSON.stringify(value)} skips its step`, () => {
    const run = started({ a: [], b: step(["a"], { condition: "{{steps.a.result.ok}}" }) })

    expect(isTruthy(value)).toBe(false)
    expect(told(when(run, succeeded("a", { ok: value })))).toEqual([
      "step_completed a",
      "step_completed b condition_false",
      "state_changed completed",
    ])
  })
}

for (const value of TRUE) {
  test(`a condition that gives ${JSON.stringify(value)} runs its step`, () => {
    const run = started({ a: [], b: step(["a"], { condition: "{{steps.a.result.ok}}" }) })

    expect(isTruthy(value)).toBe(true)
    expect(told(when(run, succeeded("a", { ok: value })))).toEqual(["step_completed a", "step_started b"])
  })
}

test("a value that is missing is false, not a failure", () => {
  const conditions = [
    "{{input.nothing}}",
    "{{steps.a.result.x.y}}",
    "{{steps.nobody.result}}",
    "{{nothing.at.all}}",
    "{{input.no | omit}}",
  ]

  for (const condition of conditions) {
    expect(told(when(created({ a: step([], { condition }) }), start))).toContain("step_completed a condition_false")
  }
})

test("a default decides when the value is missing", () => {
  expect(told(when(created({ a: step([], { condition: "{{input.go | true}}" }) }), start))).toContain("step_started a")
  expect(told(when(created({ a: step([], { condition: "{{input.go | false}}" }) }), start))).toContain(
    "step_completed a condition_false",
  )
})

test("a condition may be a plain true or false, and null is none", () => {
  expect(told(when(created({ a: step([], { condition: false }) }), start))).toContain("step_completed a condition_false")
  expect(told(when(created({ a: step([], { condition: true }) }), start))).toContain("step_started a")
  expect(told(when(created({ a: step([], { condition: null }) }), start))).toContain("step_started a")
})

test("the dependents of a step whose condition was false still run", () => {
  const run = started({ a: [], b: step(["a"], { condition: "{{steps.a.result.ok}}" }), c: ["b"] })

  expect(told(when(run, succeeded("a", { ok: false })))).toEqual([
    "step_completed a",
    "step_completed b condition_false",
    "step_started c",
  ])
})

test("what a skipped step would have given is missing for the steps behind it", () => {
  const skipped = step([], { condition: false })

  const bare = when(created({ a: skipped, b: step(["a"], { note: "{{steps.a.result.x}}" }) }), start)
  const piped = when(created({ a: skipped, b: step(["a"], { note: '{{steps.a.result.x | "none"}}' }) }), start)

  expect(stepOf(bare.state, "b").failureCode).toBe("TEMPLATE_UNRESOLVED")
  expect(stepOf(piped.state, "b").input).toEqual({ note: "none" })
})
