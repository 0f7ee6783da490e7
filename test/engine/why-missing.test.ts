import { expect, test } from "bun:test"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { eventOf, person, started, step, succeeded, when } from "./machine.ts"

/** The error of b, which reads what is given, when a has answered. */
function errorOf(template: string, result: JsonObject = { rows: [1, 2], secret: "hunter2" }, more: JsonObject = {}): string {
  const b = step(["a"], { args: { x: template } })
  const run = started({ a: step([], more), b, c: ["b"], d: [] })
  return eventOf(when(run, succeeded("a", result)), "step_failed").data.error
}

test.each<[string, string]>([
  ["{{steps.aa.result.rows}}", "there is no step aa; did you mean {{steps.a.result.rows}}?"],
  ["{{a.rows}}", "there is no a here; steps are read below steps; did you mean {{steps.a.result.rows}}?"],
  ["{{steps.a.rows}}", "of a step there is result, and input; did you mean {{steps.a.result.rows}}?"],
  ["{{steps.d.result.x}}", 'b does not wait for d; add "d" to depends_on of b'],
  ["{{steps.c.result.x}}", "c runs after this step; turn their order around"],
  ["{{steps.a.result.row}}", "the result of a has no row; it has rows, secret"],
  ["{{steps.a.result.rows.2}}", "the result of a.rows is a list of 2; there is no 2"],
  ["{{steps.a.result.rows.0.id}}", "the result of a.rows.0 is a number; nothing is below it"],
  ["{{input.name}}", "the run's input has no name"],
  ["{{run.runid}}", "did you mean {{run.run_id}}?"],
])("%s says what is wrong and what to do: %s", (template, sentence) => {
  expect(errorOf(template)).toContain(sentence)
})

test("a step that was skipped is named as the reason", () => {
  const run = started({
    a: [],
    off: step([], { enabled: true, condition: "{{input.no}}" }),
    b: step(["a", "off"], { note: "{{steps.off.result.x}}" }),
  })

  expect(eventOf(when(run, succeeded("a", {})), "step_failed").data.error).toContain("off was skipped (condition_false)")
})

test("keys are named, values never, and not without end", () => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`key${i}${"x".repeat(100)}`, "hunter2" as Json]))
  const error = errorOf("{{steps.a.result.gone}}", many)

  expect(error).toContain("key0")
  expect(error).not.toContain("hunter2")
  expect(error.length).toBeLessThan(1000)
})

test("a human task's payload is explained as well", () => {
  const run = started({ a: [], t: person(["a"], { task_payload: { text: "{{steps.a.result.text}}" } }) })

  expect(eventOf(when(run, succeeded("a", {})), "step_failed").data.error).toContain(
    "the result of a has no text; it has nothing",
  )
})
