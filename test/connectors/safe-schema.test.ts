import { expect, test } from "bun:test"
import { safeSchema } from "../../src/connectors/safe-schema.ts"

test("types, bounds, enums and nested properties stay; patterns, formats and references go", () => {
  const schema = {
    type: "object",
    properties: {
      name: { type: "string", minLength: 1, pattern: "^(a+)+$", format: "email" },
      kind: { enum: ["a", "b"], default: "a" },
      list: { type: "array", items: { $ref: "#/$defs/x" }, maxItems: 3 },
      pattern: { type: "integer" },
    },
    required: ["name"],
    additionalProperties: false,
    $defs: { x: { type: "string" } },
  }
  expect(safeSchema(schema)).toEqual({
    type: "object",
    properties: {
      name: { type: "string", minLength: 1 },
      kind: { enum: ["a", "b"], default: "a" },
      list: { type: "array", items: {}, maxItems: 3 },
      pattern: { type: "integer" },
    },
    required: ["name"],
    additionalProperties: false,
  })
})

test("what goes makes the rest no stricter", () => {
  expect(safeSchema({ patternProperties: { "^x": {} }, additionalProperties: false })).toEqual({})
  expect(safeSchema({ not: { pattern: "x" } })).toEqual({})
  expect(safeSchema({ oneOf: [{ pattern: "a" }, { pattern: "b" }] })).toEqual({ anyOf: [{}, {}] })
  expect(safeSchema({ anyOf: [{ type: "null" }], oneOf: [true] })).toEqual({ anyOf: [{ type: "null" }] })
})
