import { describe, expect, test } from "bun:test"
import { Compile } from "typebox/schema"
import { createArgumentCheck } from "../../src/connectors/arguments.ts"
import { findAdapter } from "../../src/connectors/catalog.ts"
import { createConnectors } from "../../src/connectors/registry.ts"
import { isJsonObject, type Json, type JsonObject } from "../../src/kernel/json.ts"
import { callContext, connectorDeps } from "./call.ts"

const connectors = [...createConnectors(connectorDeps()).values()]
const tools = connectors.flatMap(connector =>
  connector.tools.map(tool => [`${connector.slug} ${tool.name}`, connector, tool] as const),
)
const SENTENCE = /^[A-Z].{10,}\.$/s

describe("every connector", () => {
  test.each(connectors.map(c => [c.slug, c] as const))(
    "%s has the documented tools to the letter, each once, and the documented configuration",
    (slug, connector) => {
      const documented = findAdapter(slug)!

      expect(connector.tools.map(tool => tool.name).toSorted()).toEqual(documented.toolNames.toSorted())
      expect(connector.configSchema).toEqual(documented.configSchema)
      expect(connector.description).toMatch(SENTENCE)
    },
  )

  test.each(connectors.map(c => [c.slug, c] as const))(
    "%s answers a tool that it does not have with a failure",
    async (_, connector) => {
      expect(await connector.call("no_such_tool", {}, callContext())).toMatchObject({ ok: false, retryable: false })
    },
  )
})

describe("every tool", () => {
  test.each(tools)("%s says in a sentence what it does", (_, __, { description }) => {
    expect(description).toMatch(SENTENCE)
  })

  test.each(tools)("%s has an input schema that compiles and refuses what it does not know", (_, __, tool) => {
    expect(tool.inputSchema).toMatchObject({ type: "object", additionalProperties: false })
    expect(Compile(tool.inputSchema as object).Check({ no_such_argument: 1 })).toBe(false)
    expect(createArgumentCheck()(tool, { no_such_argument: 1 })).toMatchObject({ ok: false })
    expect(openObjects(tool.inputSchema)).toEqual([])
  })

  test.each(tools)("%s has an output schema of an object, which compiles", (_, __, { outputSchema }) => {
    expect(outputSchema?.type).toBe("object")
    expect(Compile(outputSchema as object).Check([])).toBe(false)
  })

  test.each(tools)("%s says whether it changes anything", (_, __, { annotations }) => {
    expect(annotations).toEqual({
      readOnlyHint: expect.any(Boolean),
      idempotentHint: expect.any(Boolean),
      destructiveHint: expect.any(Boolean),
    })
    expect(annotations?.readOnlyHint && annotations.destructiveHint).toBe(false)
  })

  test("has schemas that travel as JSON", () => {
    for (const [, , { inputSchema, outputSchema }] of tools) {
      expect(JSON.parse(JSON.stringify({ inputSchema, outputSchema }))).toEqual({ inputSchema, outputSchema })
    }
  })
})

/** Objects with named properties that would let a misspelt one pass. */
function openObjects(schema: Json, path = ""): string[] {
  if (Array.isArray(schema)) return schema.flatMap((item, i) => openObjects(item, `${path}/${i}`))
  if (!isJsonObject(schema)) return []
  const inner = Object.entries(schema).flatMap(([key, value]) => openObjects(value, `${path}/${key}`))
  return isOpen(schema) ? [path, ...inner] : inner
}

function isOpen({ type, properties, additionalProperties }: JsonObject): boolean {
  return type === "object" && isJsonObject(properties) && Object.keys(properties).length > 0 && additionalProperties !== false
}
