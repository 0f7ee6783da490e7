import { expect, test } from "bun:test"
import type { RemoteTool } from "../../../src/adapters/mcp/mcp.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { KnownTools } from "../../../src/modules/mcp/known-tools.ts"
import { readTools } from "../../../src/modules/mcp/remote-tools.ts"

const remote = (name: string, inputSchema: JsonObject = { type: "object" }): RemoteTool => {
  return { name, title: null, description: "", inputSchema, outputSchema: null, annotations: {} }
}
const large = { type: "object", title: "x".repeat(120_000) }

test("of tools that are megabytes together the first are used, and of the others it is told", () => {
  const { tools, problems } = readTools(Array.from({ length: 60 }, (_, i) => remote(`t${i}`, large)))

  expect(tools.length).toBeGreaterThan(10)
  expect(tools.length).toBeLessThan(20)
  expect(problems[0]).toContain("more are not used")
  expect(tools.length + problems.length).toBe(60)
})

test("a schema of any depth is a problem of its tool alone", () => {
  let schema: JsonObject = {}
  for (let i = 0; i < 200_000; i++) schema = { items: schema }

  const { tools, problems } = readTools([remote("deep", schema), remote("plain")])

  expect([tools.map(tool => tool.name), problems[0]]).toEqual([["plain"], expect.stringContaining("nested deeper")])
})

test("what servers said is kept up to so many characters; the oldest is asked for again", () => {
  const known = new KnownTools()
  const { tools } = readTools(Array.from({ length: 10 }, (_, i) => remote(`t${i}`, large)))
  const scope = { tenantId: "acme", projectId: "p1" }

  for (let i = 0; i < 100; i++) known.remember(`k${i}`, scope, `server${i}`, tools, 1_000)

  expect(known.get("k0", 1_000)).toEqual({ tools: null, fresh: false })
  expect(known.get("k99", 1_000)).toEqual({ tools, fresh: true })
  expect([known.said(scope, "server0"), known.said(scope, "server99")]).toEqual([null, tools])
})
