import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { modelRefOf, readModelRef } from "../../../src/modules/llm/model-ref.ts"
import { SEED } from "../../engine/seed.ts"

describe("a model_ref", () => {
  test.each([
    ["direct.openai.gpt-4o", { route: "direct", vendor: "openai", model: "gpt-4o" }],
    ["direct.google.gemini-2.5-pro", { route: "direct", vendor: "google", model: "gemini-2.5-pro" }],
    [
      "direct.openrouter.meta-llama/llama-3.3:free",
      { route: "direct", vendor: "openrouter", model: "meta-llama/llama-3.3:free" },
    ],
    ["direct.bedrock.eu.anthropic.claude-v2:0", { route: "direct", vendor: "bedrock", model: "eu.anthropic.claude-v2:0" }],
    ["local.ollama.llama3.2:3b", { route: "local", label: "ollama", model: "llama3.2:3b" }],
    ["local.box.My Model (Q4).gguf", { route: "local", label: "box", model: "My Model (Q4).gguf" }],
    ["local.builtin.echo-1", { route: "local", label: "builtin", model: "echo-1" }],
  ] as const)("%s is read", (text, ref) => {
    expect(readModelRef(text)).toEqual({ ok: true, ref })
    expect(modelRefOf(ref.route === "direct" ? ref.vendor : "local", "label" in ref ? ref.label : "", ref.model)).toBe(text)
  })

  test.each([
    ...["", ".", "..", "...", "gpt-4o", "openai.gpt-4o", "direct", "direct.", "direct.openai", "direct.openai.", "direct..m"],
    ...[
      "Direct.openai.m",
      "direct.openai. m",
      "direct.openai.m ",
      "direct.openai.a b",
      "direct.openai.a\nb",
      "direct.openai.a%2Fb",
    ],
    ...[
      "direct.openai.../x",
      "direct.openai.a/../b",
      "direct.openai./a",
      "direct.openai.a//b",
      "direct.openai.a?b",
      "direct.openai.a#b",
    ],
    ...[
      "direct.openai.a\\b",
      "direct.openai.ａ",
      "local..m",
      "local.a b.m",
      "local.a.",
      "local.a.\u0000",
      "local.a.m\u0007",
      "local.a.‮m",
    ],
    ...["local.a. m", "proxy.openai.m", "direct.local.m", "direct.builtin.echo-1", "direct.acme.m", `local.a.${"m".repeat(301)}`],
    ...["{{input.model}}", "__proto__.a.b", "direct.__proto__.m", "direct.constructor.m", "local.a.\u200b", "local.\u0430.m"],
  ])("rubbish is refused (case %#)", text => {
    expect(readModelRef(text).ok).toBe(false)
  })

  test("is refused in words that repeat nothing of it", () => {
    for (const text of ["secret-route.openai.m", "direct.secret-vendor.m", "direct.openai.se cret", "local.box. secret"]) {
      const read = readModelRef(text)
      expect(read.ok || /sec|cret/.test(read.message)).toBe(false)
    }
  })

  test("of any 300 kinds of rubbish is refused, or comes back as it was written", () => {
    const part = fc.oneof(
      fc.constantFrom("direct", "local", "openai", "builtin", ".", "..", "/", " ", "\0", "%00", "\u202e", "echo-1"),
      fc.string({ unit: "binary", maxLength: 20 }),
      fc.string({ maxLength: 20 }),
    )
    const rubbish = fc.oneof(
      fc.array(part, { maxLength: 6 }).map(parts => parts.join(".")),
      fc.array(part, { maxLength: 8 }).map(parts => parts.join("")),
      part.map(text => `direct.openai.${text}`),
      part.map(text => `local.box.${text}`),
    )
    fc.assert(
      fc.property(rubbish, text => {
        const read = readModelRef(text)
        if (!read.ok) return expect(read.message.length).toBeGreaterThan(10)
        const { ref } = read
        expect(modelRefOf(ref.route === "direct" ? ref.vendor : "local", ref.route === "local" ? ref.label : "", ref.model)).toBe(
          text,
        )
        if (ref.route === "direct") expect(ref.model).toMatch(/^[A-Za-z0-9._:@/+-]+$/)
      }),
      { seed: SEED, numRuns: 3_000 },
    )
  })
})
