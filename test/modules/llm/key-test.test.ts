import { expect, test } from "bun:test"
import type { Models } from "../../../src/adapters/llm/llm.ts"
import { KeyTests } from "../../../src/modules/llm/key-test.ts"
import type { LlmKey, LlmKeys } from "../../../src/modules/llm/keys.ts"

test("of a local server's models those are kept that a model_ref can name, whatever else the server lists", async () => {
  const listed = ["qwen3:8b", "x".repeat(1_000_000), "two\nlines", "", "a/b.gguf"].map(model => ({ model, contextWindow: null }))
  const models = { list: async () => listed } as unknown as Models
  const tests = new KeyTests({ keys: {} as LlmKeys, models, clock: { now: () => 0 } })
  const key = { vendor: "local", label: "gpu", baseUrl: "http://127.0.0.1:1", options: {} } as unknown as LlmKey

  const { models: kept } = await tests.try(key, null, { tenantId: "acme", projectId: "p1", userId: "u1" })

  expect(kept?.map(({ model }) => model)).toEqual(["qwen3:8b", "a/b.gguf"])
})
