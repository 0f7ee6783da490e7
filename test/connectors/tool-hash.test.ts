import { expect, test } from "bun:test"
import type { Tool } from "../../src/connectors/connector.ts"
import { toolHash } from "../../src/connectors/tool-hash.ts"

const tool: Tool = {
  name: "find",
  description: "Finds rows.",
  inputSchema: { type: "object", properties: { q: { type: "string" }, n: { type: "integer" } }, required: ["q", "n"] },
  annotations: { readOnlyHint: true },
}

test("the order of keys and the name are no part of what a tool promises", () => {
  const other: Tool = {
    annotations: { readOnlyHint: true },
    inputSchema: { required: ["q", "n"], properties: { n: { type: "integer" }, q: { type: "string" } }, type: "object" },
    description: "Finds rows.",
    name: "search",
  }
  expect(toolHash(other)).toBe(toolHash(tool))
  expect(toolHash(tool)).toMatch(/^[0-9a-f]{64}$/)
})

test("each of description, schemas, annotations and the order of a list is", () => {
  const changed: readonly Tool[] = [
    { ...tool, description: "Finds rows!" },
    { ...tool, inputSchema: { ...tool.inputSchema, required: ["n", "q"] } },
    { ...tool, outputSchema: { type: "object" } },
    { ...tool, annotations: { readOnlyHint: false } },
    { ...tool, annotations: {} },
  ]
  expect(new Set([tool, ...changed].map(toolHash)).size).toBe(changed.length + 1)
})

test("a schema whose keys look like another's text does not hash as it", () => {
  const a: Tool = { ...tool, inputSchema: { 'a":1,"b': 2 } }
  const b: Tool = { ...tool, inputSchema: { a: 1, b: 2 } }
  expect(toolHash(a)).not.toBe(toolHash(b))
})
