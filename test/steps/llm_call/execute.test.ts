import { describe, expect, test } from "bun:test"
import { EgressRefused } from "../../../src/adapters/egress/errors.ts"
import { type ModelAnswer, ModelFailure } from "../../../src/adapters/llm/llm.ts"
import type { ModelWish, ResolvedModel, UnresolvedModel } from "../../../src/adapters/llm/resolve.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import type { StepJob, StepOutcome } from "../../../src/runtime/ports.ts"
import type { Exchange, RecordedAttempt } from "../../../src/runtime/recorder.ts"
import { createLlmCallExecutor } from "../../../src/steps/llm_call/execute.ts"
import { type AskedModel, answerOf, fakeModels } from "../../helpers/models.ts"

const KEY = "sk-proj-V3rySecret/Key+0123456789="

function setUp(
  answer: (asked: AskedModel) => ModelAnswer | Promise<ModelAnswer>,
  found: Partial<ResolvedModel> | UnresolvedModel = {},
) {
  const { models, asked } = fakeModels(answer)
  const wishes: ModelWish[] = []
  const progress: JsonObject[] = []
  const resolved: ResolvedModel = {
    ok: true,
    target: { vendor: "openai", model: "m", baseUrl: null, apiKey: KEY, options: {} },
    ...{ modelRef: "direct.openai.m", credentialId: "k", credentialScope: "tenant", contextWindow: null, isListed: true },
    secrets: [KEY],
    costOf: ({ input, output }) => (input === null || output === null ? null : input * 2 + output),
  }
  const recorded: (RecordedAttempt & Exchange)[] = []
  const executor = createLlmCallExecutor({
    models,
    recorder: { keep: async (attempt, exchange) => void recorded.push({ ...attempt, ...exchange }) },
    async resolve(wish) {
      wishes.push(wish)
      return found.ok === false ? found : { ...resolved, ...found }
    },
  })
  const run = (config: JsonObject, change: Partial<StepJob> = {}, signal = new AbortController().signal) =>
    executor.execute(job(config, { progress: data => void progress.push(data), ...change }), signal)
  return { run, asked, wishes, progress, recorded }
}

const job = (config: JsonObject, change: Partial<StepJob>): StepJob => ({
  ...{ tenantId: "acme", projectId: "p1", workflowId: "w", version: 1, runId: "r", userId: "u", depth: 0 },
  ...{ stepId: "s", item: null, stepType: "llm_call", round: 0, attempt: 1, recording: false, idempotencyKey: "r:s:0" },
  config: { prompt: "Say hello", model_ref: "direct.openai.m", ...config },
  scope: () => ({}),
  timeoutMs: null,
  answers: [],
  resumed: false,
  onCrash: "retry",
  notes: [],
  record: async () => {},
  progress: () => {},
  ...change,
})

const resultOf = (outcome: StepOutcome) => (outcome.ok && "result" in outcome ? (outcome.result as JsonObject) : {})
const failureOf = (outcome: StepOutcome) => (outcome.ok ? null : outcome.failure)

describe("a prompt", () => {
  test("of a recorded run is kept with what came of it, without the key", async () => {
    const { run, recorded } = setUp(() => answerOf(`Your key is ${KEY}`))
    await run({ prompt: `Is it ${KEY}?` }, { recording: true, attempt: 2 })
    await run({})
    expect(recorded).toHaveLength(1)
    expect(JSON.stringify(recorded.map(({ request, response }) => [request, response]))).not.toContain(KEY)
    expect(recorded[0]).toMatchObject({
      ...{ kind: "model", stepId: "s", attempt: 2 },
      request: { model_ref: "direct.openai.m", system: null, messages: [{ role: "user", text: "Is it ***?" }] },
      response: {
        ok: true,
        value: { message: { text: "Your key is ***" }, cost_usd: 23 },
      },
    })
  })

  test("of a recorded run that failed is kept as it failed", async () => {
    const { run, recorded } = setUp(() => {
      throw new ModelFailure("rate_limited", "too many", { retryable: true, retryAfterMs: 2_000 })
    })
    await run({}, { recording: true })
    const failure = { message: "too many", retryable: true, problem: "rate_limited", retry_after_ms: 2_000 }
    expect(recorded[0]?.response).toEqual({ ok: false, failure })
  })

  test("is sent with its parameters, and the answer is the result", async () => {
    const { run, asked, wishes } = setUp(() => answerOf("Hello!"))
    const config = { system: "Be short", llm_params: { temperature: "0.2", max_tokens: 50, stop: "END", top_p: null } }
    const outcome = await run(config, { timeoutMs: 5_000 })

    expect(outcome).toEqual({
      ok: true,
      result: {
        ...{ model: "m-1", text: "Hello!", tokens_in: 10, tokens_out: 3, latency_ms: expect.any(Number) },
        ...{ model_ref: "direct.openai.m", cost_micro_usd: 23, finish_reason: "stop" },
      },
    })
    const [{ request, options }] = asked as [AskedModel]
    expect(request).toEqual({
      ...{ system: "Be short", messages: [{ role: "user", text: "Say hello" }], tools: [], output: null },
      params: { temperature: 0.2, max_tokens: 50, stop: ["END"] },
    })
    expect(options.timeoutMs).toBeGreaterThan(4_000)
    expect(options.timeoutMs).toBeLessThanOrEqual(5_000)
    expect(options.asker).toMatchObject({ what: "model direct.openai.m", tenantId: "acme", runId: "r", stepId: "s" })
    const none = { model: null, credentialId: null, credentialScope: null }
    expect(wishes).toEqual([{ tenantId: "acme", modelRef: "direct.openai.m", ...none }])
  })

  test("that a template made of an object is sent as JSON", async () => {
    const { run, asked } = setUp(() => answerOf("ok"))
    await run({ prompt: { rows: [1, 2] } })
    expect(asked[0]?.request.messages).toEqual([{ role: "user", text: '{"rows":[1,2]}' }])
  })

  test("of two megabytes is the vendor's to refuse, and its refusal is told", async () => {
    const tooLong = new ModelFailure("context_length", "openai answered 400: the prompt is too long", { retryable: false })
    const { run, asked } = setUp(() => Promise.reject(tooLong))
    const outcome = await run({ prompt: "x".repeat(2 * 1024 * 1024) })
    expect(asked).toHaveLength(1)
    expect(failureOf(outcome)).toEqual({ code: "LLM_REQUEST_FAILED", message: tooLong.message, retryable: false })
  })

  test.each([
    [{ prompt: "  " }, "the prompt is empty"],
    [{ llm_params: [1] }, "llm_params is not an object"],
    [{ llm_params: { max_tokens: 0 } }, "llm_params.max_tokens must be a whole number above 0"],
    [{ llm_params: { temperature: "warm" } }, "llm_params.temperature must be a number"],
    [{ output_schema: "no" }, "output_schema is not an object"],
    [{ output_schema: { title: "x".repeat(70_000) } }, "output_schema is larger than 64 KiB; shorten it"],
  ])("is not sent when the step is wrong (case %#)", async (config, message) => {
    const { run, asked } = setUp(() => answerOf("never"))
    expect(failureOf(await run(config))).toEqual({ code: "LLM_REQUEST_FAILED", message, retryable: false })
    expect(asked).toEqual([])
  })

  test("is not sent when no model is found, and the sentence says what to do", async () => {
    const { run, asked } = setUp(() => answerOf("never"), { ok: false, reason: "no_key", message: "there is no key of openai" })
    expect(failureOf(await run({}))).toMatchObject({ message: "there is no key of openai", retryable: false })
    expect(asked).toEqual([])
  })

  test("has 120 s unless the step says otherwise", async () => {
    const { run, asked } = setUp(() => answerOf("ok"))
    await run({})
    expect(Math.round((asked[0]?.options.timeoutMs ?? 0) / 1_000)).toBe(120)
  })
})

describe("an answer", () => {
  test("that is a JSON object shows its keys, and none of them takes the place of a documented one", async () => {
    const { run } = setUp(() => answerOf('{"items":[1],"text":"mine","model":"mine","__proto__":{"a":1},"ok":true}'))
    const result = resultOf(await run({}))
    expect(result.items).toEqual([1])
    expect(result.ok).toBe(true)
    expect([result.model, result.text]).toEqual([
      "m-1",
      '{"items":[1],"text":"mine","model":"mine","__proto__":{"a":1},"ok":true}',
    ])
    expect(({} as JsonObject).a).toBeUndefined()
  })

  test.each(["[1,2]", '"a"', '{"a":1} and more', `${"[".repeat(100_000)}`, '{"a":'])(
    "that is none stays text (case %#)",
    async text => {
      const { run } = setUp(() => answerOf(text))
      const { latency_ms: _, ...result } = resultOf(await run({}))
      expect(result).toEqual({
        model: "m-1",
        text,
        tokens_in: 10,
        tokens_out: 3,
        model_ref: "direct.openai.m",
        cost_micro_usd: 23,
        finish_reason: "stop",
      })
    },
  )

  test("whose tokens or price nobody knows costs null, never nothing", async () => {
    const usage = { input: null, output: 3, cachedInput: null, reasoning: null }
    const unknown = resultOf(await setUp(() => answerOf("x", { usage })).run({}))
    expect([unknown.tokens_in, unknown.tokens_out, unknown.cost_micro_usd]).toEqual([null, 3, null])
    expect(resultOf(await setUp(() => answerOf("x"), { costOf: () => null }).run({})).cost_micro_usd).toBeNull()
  })

  test("comes with what was left out of the request", async () => {
    const { run } = setUp(() => answerOf("x", { warnings: ["top_k is not known to openai"] }))
    const outcome = await run({ llm_params: { response_format: { type: "json" }, top_k: 3 } })
    expect(outcome).toMatchObject({
      warnings: [
        { code: "llm_param_ignored", message: "llm_params.response_format is not known here, and was not sent" },
        { code: "llm_param_ignored", message: "top_k is not known to openai" },
      ],
    })
  })

  test("is shown while it grows, its end alone, and never a part of a secret", async () => {
    const parts = ["The key is ", KEY.slice(0, 20), KEY.slice(20), " and 密", "x".repeat(9_000), " end "]
    const { run, progress } = setUp(async ({ options }) => {
      for (const part of parts) {
        options.onText?.(part)
        await Bun.sleep(110)
      }
      return answerOf(parts.join(""))
    })
    const result = resultOf(await run({}))
    const shown = progress.map(({ text }) => String(text))
    expect(shown.slice(0, 4)).toEqual(["The key is ", "The key is ", "The key is ", "The key is *** and 密"])
    expect(shown.at(-1)?.length).toBeLessThanOrEqual(2_000)
    expect(progress.at(-1)?.chars).toBe(parts.join("").length)
    for (const text of [...shown, String(result.text)]) expect(text).not.toContain(KEY.slice(0, 8))
    expect(result.text).toStartWith("The key is *** and 密")
  })

  test.each([
    ["itself", KEY],
    ["in base64", btoa(`Bearer ${KEY}`)],
    ["as hex", Buffer.from(KEY).toString("hex")],
    ["in an address", encodeURIComponent(KEY)],
    ["in JSON", JSON.stringify({ deep: { [KEY]: KEY } })],
  ])("that holds the key %s is kept without it", async (_, text) => {
    const { run } = setUp(() => answerOf(text, { model: `m ${KEY}`, warnings: [`odd ${KEY}`] }))
    const kept = JSON.stringify(await run({}))
    for (const form of [KEY, btoa(KEY).slice(4, -4), Buffer.from(KEY).toString("hex"), encodeURIComponent(KEY)])
      expect(kept).not.toContain(form)
  })
})

describe("with output_schema", () => {
  const schema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"], additionalProperties: false }

  test("an answer that fits is the output, within a fence, too", async () => {
    for (const text of ['{"n":1}', '```json\n{"n":1}\n```']) {
      const { run, asked } = setUp(() => answerOf(text))
      expect(resultOf(await run({ output_schema: schema }))).toMatchObject({ text, output: { n: 1 }, n: 1 })
      expect(asked.map(({ request }) => request.output)).toEqual([schema])
    }
  })

  test("one that does not fit may be repaired once: the model sees what was wrong, and both are paid", async () => {
    const texts = ['{"n":"one"}', '{"n":1}']
    const { run, asked } = setUp(({ request }) => answerOf(texts[request.messages.length === 1 ? 0 : 1] ?? ""))
    const result = resultOf(await run({ output_schema: schema }))
    expect(result).toMatchObject({ output: { n: 1 }, tokens_in: 20, tokens_out: 6, cost_micro_usd: 46 })
    expect(asked[1]?.request.messages).toEqual([
      { role: "user", text: "Say hello" },
      { role: "assistant", text: '{"n":"one"}', toolCalls: [], vendorData: null },
      { role: "user", text: expect.stringContaining("/n must be integer") },
    ])
  })

  test.each([["no JSON at all"], ['{"n":null}'], ["{}"], ['{"n":1,"m":2}']])(
    "one that never fits fails after two: %p",
    async text => {
      const { run, asked } = setUp(() => answerOf(text, { finish: "length" }))
      const failure = failureOf(await run({ output_schema: schema }))
      expect(failure).toMatchObject({ code: "LLM_REQUEST_FAILED", retryable: true })
      expect(failure?.message).toStartWith(
        "the model's answer does not fit output_schema, and neither does its second try (it was cut at max_tokens): ",
      )
      expect(asked).toHaveLength(2)
    },
  )

  test("a pattern that would take for ever is the model's to follow, and not evaluated", async () => {
    const evil = { type: "object", properties: { s: { type: "string", pattern: "^(a+)+$" } } }
    const { run } = setUp(() => answerOf(JSON.stringify({ s: `${"a".repeat(50)}!` })))
    expect(resultOf(await run({ output_schema: evil }))).toHaveProperty("output")
  })
})

describe("what goes wrong", () => {
  test.each([
    ["rate_limited", true],
    ["overloaded", true],
    ["unauthorized", false],
    ["quota", false],
    ["unknown_model", false],
    ["content_filter", false],
  ] as const)("%s is retryable as the vendor allows: %p", async (problem, retryable) => {
    const { run } = setUp(() => Promise.reject(new ModelFailure(problem, `openai: ${problem} for ${KEY}`, { retryable })))
    expect(failureOf(await run({}))).toEqual({ code: "LLM_REQUEST_FAILED", message: `openai: ${problem} for ***`, retryable })
  })

  test("the wait that the vendor asks for goes with it", async () => {
    const more = { retryable: true, status: 429, retryAfterMs: 3_600_000 }
    const { run } = setUp(() => Promise.reject(new ModelFailure("rate_limited", "openai answered 429", more)))
    expect(failureOf(await run({}))).toMatchObject({ retryable: true, retryAfterMs: 3_600_000 })
  })

  test("a time-out says so", async () => {
    const { run } = setUp(() =>
      Promise.reject(new ModelFailure("timeout", "openai did not answer within 1 s", { retryable: true })),
    )
    expect(failureOf(await run({}))).toMatchObject({ code: "LLM_REQUEST_FAILED", timeout: true, retryable: true })
  })

  test("an address that may not be reached is told, and not tried again", async () => {
    const { run } = setUp(() => Promise.reject(new EgressRefused("10.0.0.2 is a private address; egress.allow")))
    expect(failureOf(await run({}))).toMatchObject({ message: expect.stringContaining("egress.allow"), retryable: false })
  })

  test("a stop ends the call", async () => {
    const stop = new AbortController()
    const { run } = setUp(
      ({ options }) => new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason))),
    )
    const running = run({}, {}, stop.signal)
    await Bun.sleep(1)
    stop.abort()
    expect(failureOf(await running)).toMatchObject({ message: "the call was cancelled", retryable: false })
  })
})
