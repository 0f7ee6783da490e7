import { describe, expect, test } from "bun:test"
import { createArgumentCheck } from "../../src/connectors/arguments.ts"
import { checkConfig, missingKeys, withDefaults } from "../../src/connectors/config.ts"
import type { ConfigSchema, Tool } from "../../src/connectors/connector.ts"
import type { JsonObject } from "../../src/kernel/json.ts"

const tool: Tool = {
  name: "order",
  description: "Orders something.",
  inputSchema: {
    type: "object",
    properties: {
      what: { type: "string" },
      count: { type: "integer", minimum: 1, default: 1 },
      price: { type: "number" },
      express: { type: "boolean" },
      note: { type: ["string", "null"] },
      tags: { type: "array", items: { type: "integer" } },
      size: { enum: ["S", "M"] },
      address: {
        type: "object",
        properties: { zip: { type: "string" }, floor: { type: "integer", default: 0 } },
        additionalProperties: false,
      },
      anything: {},
    },
    required: ["what"],
    additionalProperties: false,
  },
}
const check = createArgumentCheck()
const made = (args: JsonObject) => check(tool, args)
const refusal = (args: JsonObject) => {
  const checked = made(args)
  return checked.ok ? "not refused" : checked.message
}

describe("the arguments of a tool", () => {
  test("that fit are kept, with defaults filled in at every level", () => {
    expect(made({ what: "tea", address: { zip: "10115" } })).toEqual({
      ok: true,
      args: { what: "tea", count: 1, address: { zip: "10115", floor: 0 } },
    })
  })

  test("that a template left as text become what the schema asks for", () => {
    expect(
      made({ what: 7, count: "3", price: " 1.5e2 ", express: "true", tags: ["1", 2], address: { zip: 10115 }, anything: "5" }),
    ).toEqual({
      ok: true,
      args: { what: "7", count: 3, price: 150, express: true, tags: [1, 2], address: { zip: "10115", floor: 0 }, anything: "5" },
    })
    expect(made({ what: "true", note: null })).toMatchObject({ args: { what: "true", note: null } })
  })

  test("that cannot be read that way are refused by name", () => {
    expect(refusal({})).toContain("order cannot take these arguments: tool_args")
    expect(refusal({})).toContain("what")
    expect(refusal({ what: "tea", count: "three" })).toContain("tool_args.count")
    expect(refusal({ what: "tea", count: 0 })).toContain("tool_args.count")
    expect(refusal({ what: "tea", count: "1.5" })).toContain("tool_args.count")
    expect(refusal({ what: "tea", count: "9007199254740993" })).toContain("tool_args.count")
    expect(refusal({ what: "tea", express: "yes" })).toContain("tool_args.express")
    expect(refusal({ what: null })).toContain("tool_args.what")
    expect(refusal({ what: "tea", tags: ["x"] })).toContain("tool_args.tags.0")
    expect(refusal({ what: "tea", suger: 1 })).toContain("suger")
    expect(refusal({ what: "tea", price: "" })).toContain("tool_args.price")
  })

  test("that are misspelt, missing or not among the values are told with what would be right", () => {
    const lead = "order cannot take these arguments: "
    expect(refusal({ what: "tea", cuont: 2 })).toBe(`${lead}tool_args has no cuont; did you mean count?`)
    expect(refusal({ what: "tea", address: { zap: "1" } })).toBe(`${lead}tool_args.address has no zap; did you mean zip?`)
    expect(refusal({ what: "tea", address: { planet: "1" } })).toBe(
      `${lead}tool_args.address has no planet; there are zip, floor`,
    )
    expect(refusal({ what: "tea", size: "XL" })).toBe(`${lead}tool_args.size must be one of "S", "M"`)
    expect(refusal({ waht: "tea" })).toBe(`${lead}tool_args needs what; tool_args has no waht; did you mean what?`)
  })

  test("named like parts of every object are nothing special", () => {
    expect(refusal(JSON.parse('{"what":"tea","__proto__":{"count":5}}'))).not.toBe("not refused")
    expect(refusal({ what: "tea", constructor: 1 })).toContain("constructor")
  })
})

describe("a configuration", () => {
  const schema: ConfigSchema = {
    host: { type: "string", displayName: "Host", required: true },
    port: { type: "number", displayName: "Port", required: true, default: 5432 },
    tls: { type: "boolean", displayName: "TLS", required: false },
    mode: { type: "option", displayName: "Mode", required: false, options: [{ label: "A", value: "a" }] },
  }
  const issues = (config: JsonObject) => checkConfig(schema, config).map(issue => issue.message)

  test("with everything required, given or by default, is complete", () => {
    expect(issues({ host: "db", mode: "a", tls: false })).toEqual([])
    expect(withDefaults(schema, { host: "db" })).toEqual({ host: "db", port: 5432 })
    expect(missingKeys(schema, { host: "" })).toEqual(["host"])
  })

  test("is told what is wrong with it by key", () => {
    expect(issues({ port: "1", tls: 1, mode: "b", extra: 1 })).toEqual([
      "port must be a number",
      "tls must be true or false",
      "mode must be one of a",
      "extra is not a configuration key (known: host, port, tls, mode)",
    ])
    expect(issues({ host: "x".repeat(9_000) })[0]).toContain("longer than")
    expect(issues({ host: "db", toString: "x" })[0]).toContain("not a configuration key")
  })
})
