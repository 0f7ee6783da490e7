import { expect, test } from "bun:test"
import { VENDORS } from "../../../src/adapters/llm/llm.ts"
import { CATALOG, contextWindowOf, costAt, costOf, modelsOf } from "../../../src/adapters/llm/prices.ts"

const used = { input: 1_000, output: 500, cachedInput: 200, reasoning: 100 }
const NOTHING = { input: null, output: null, cachedInput: null, reasoning: null }

test("a known model's cost is counted in millionths of a dollar, cached tokens by their own price", () => {
  // 800 at $5, 200 at $0.5, 500 at $25 for a million.
  expect(costOf("anthropic", "claude-opus-4-5", used)).toEqual({ microUsd: 16_600, inputMicroUsd: 4_100, outputMicroUsd: 12_500 })
  expect(costAt({ input: 5, output: 25, cachedInput: 0.5 }, used)?.microUsd).toBe(16_600)
})

test("a model that only the table knows has its price from there", () => {
  expect(costOf("openrouter", "anthropic/claude-opus-5.5", used)).not.toBeNull()
  expect(costOf("bedrock", "anthropic.claude-opus-5-5", used)).toEqual(costOf("bedrock", "eu.anthropic.claude-opus-5-5", used))
})

test("what nobody knows has no price, and no price is not a price of nothing", () => {
  expect(costOf("openai", "gpt-that-never-was", used)).toBeNull()
  expect(costOf("local", "qwen3:8b", used)).toBeNull()
  expect(costOf("anthropic", "claude-opus-4-5", NOTHING)).toBeNull()
  expect(costOf("azure", "our-own-deployment", used)).toBeNull()
})

test("what costs is never rounded to nothing, and the built-in model is free", () => {
  expect(costAt({ input: 0.05, output: 0.05, cachedInput: null }, { ...NOTHING, input: 1 }).microUsd).toBe(1)
  expect(costOf("builtin", "echo-1", used)?.microUsd).toBe(0)
})

test("the table has its day, models of each vendor that is no server of one's own, and their windows", () => {
  expect(CATALOG.date).toMatch(/^20\d\d-\d\d-\d\d$/)
  expect(CATALOG.source).toContain("pi-catalog")
  for (const vendor of VENDORS) expect([vendor, modelsOf(vendor).length > 0]).toEqual([vendor, vendor !== "local"])
  expect(contextWindowOf("anthropic", "claude-opus-4-5")).toBe(200_000)
  expect(contextWindowOf("builtin", "echo-1")).toBe(128_000)
  expect(contextWindowOf("openai", "gpt-that-never-was")).toBeNull()
  expect(modelsOf("openai").every(model => model.price === null || model.price.input > 0)).toBe(true)
})
