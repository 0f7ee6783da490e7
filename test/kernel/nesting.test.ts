import { expect, test } from "bun:test"
import { FOREIGN_JSON_MAX_DEPTH } from "../../src/kernel/limits.ts"
import { isTextTooDeep, isTooDeep, parsedJson } from "../../src/kernel/nesting.ts"

const nested = (depth: number) => `${'{"a":['.repeat(depth / 2)}1${"]}".repeat(depth / 2)}`

test("what is nested deeper than anybody means is told, as text and as a value, without a stack for it", () => {
  for (const [depth, isDeep] of [
    [FOREIGN_JSON_MAX_DEPTH, false],
    [FOREIGN_JSON_MAX_DEPTH + 2, true],
    [1_000_000, true],
  ] as const) {
    const text = nested(depth)
    expect([isTextTooDeep(text), isTooDeep(JSON.parse(text)), parsedJson(text) === undefined]).toEqual([isDeep, isDeep, isDeep])
  }
})

test("brackets within texts nest nothing, and what is no JSON is none", () => {
  expect(parsedJson(JSON.stringify({ a: `\\"${"[".repeat(500)}` }))).toEqual({ a: `\\"${"[".repeat(500)}` })
  expect([parsedJson("{"), parsedJson(""), parsedJson("null")]).toEqual([undefined, undefined, null])
  expect(isTooDeep(Array.from({ length: 100_000 }, () => ({ a: [1] })))).toBe(false)
})
