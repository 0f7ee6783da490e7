import { afterEach, beforeEach, expect, test } from "bun:test"
import { createEgress } from "../../../src/adapters/egress/egress.ts"
import { EgressRefused } from "../../../src/adapters/egress/errors.ts"
import type { ModelFailure, ModelProblem, ModelTarget } from "../../../src/adapters/llm/llm.ts"
import type { Json } from "../../../src/kernel/json.ts"
import { LLM_TOOL_CALLS_KEPT_MAX, LLM_TOOL_CALLS_MAX } from "../../../src/kernel/limits.ts"
import { ask, failureFrom, models, options, TIME, target, WEATHER } from "./calling.ts"
import { SPOKEN, type Spoken } from "./vendors.ts"
import { type Script, type Scripted, serveWire, type WireServer } from "./wire.ts"

let server: WireServer
let at: ModelTarget

function speak(name: string): Spoken {
  const spoken = SPOKEN.find(one => one.name === name)
  if (spoken === undefined) throw new Error(`nobody speaks ${name}`)
  server?.stop()
  server = serveWire(spoken.wire)
  at = spoken.targetAt(server.url)
  return spoken
}

beforeEach(() => void speak("local"))
afterEach(() => server.stop())

const TOOLS = [WEATHER, TIME]
const call = (args: string, name = "get_weather", id = "c1") => ({ id, name, args })
const say = (tools = TOOLS) => models().complete(at, ask("hi", { tools }), options())

for (const how of ["at once", "streamed"] as const) {
  const complete = (script: Script) => {
    server.say(script)
    return models().complete(at, ask("hi", { tools: TOOLS }), options(how === "streamed" ? { onText: () => {} } : {}))
  }

  test(`arguments that are no JSON, or no object, are the tool request's problem, ${how}`, async () => {
    const problems = async (args: string) => (await complete({ calls: [call(args)] })).message.toolCalls[0]

    expect(await problems('{"city": "Ro')).toMatchObject({ args: {}, problem: 'The arguments are no JSON: {"city": "Ro' })
    expect(await problems("[1,2]")).toMatchObject({ args: {}, problem: "The arguments have to be a JSON object." })
    expect(await problems('"Rome"')).toMatchObject({ args: {}, problem: "The arguments have to be a JSON object." })
    expect(await problems('{"city":"Rome"}')).toMatchObject({ args: { city: "Rome" }, problem: null })
  })

  test(`arguments that are nested without end are the tool request's problem, and hold nobody up, ${how}`, async () => {
    const startedAt = performance.now()
    const { message } = await complete({ calls: [call(`{"city":${"[".repeat(60_000)}${"]".repeat(60_000)}}`)] })

    expect(message.toolCalls[0]).toMatchObject({ args: {}, problem: expect.stringContaining("are no JSON") })
    expect(performance.now() - startedAt).toBeLessThan(2_000)
  })

  test(`a tool that is not there is the tool request's problem, ${how}`, async () => {
    const { message } = await complete({ calls: [call("{}", "rm_rf")] })

    expect(message.toolCalls[0]).toMatchObject({
      name: "rm_rf",
      problem: "There is no tool rm_rf. There are: get_weather, get_time.",
    })
  })

  test(`of 300 calls at once the first are made, and the model is told of the others, ${how}`, async () => {
    const { message } = await complete({ calls: Array.from({ length: 300 }, (_, i) => call("{}", "get_time", `c${i}`)) })

    expect(message.toolCalls.filter(one => one.problem === null)).toHaveLength(LLM_TOOL_CALLS_MAX)
    expect(message.toolCalls).toHaveLength(300)
    expect(message.toolCalls.at(-1)?.problem).toContain("At most 64 tools are called at once")
  })

  test(`calls with one id, or none, have one each, ${how}`, async () => {
    const { message } = await complete({
      calls: [call("{}", "get_time", "same"), call("{}", "get_time", "same"), call("{}", "get_time", "call_1")],
    })

    expect(new Set(message.toolCalls.map(one => one.id)).size).toBe(3)
  })
}

test("an answer with more calls than anybody means is refused", async () => {
  server.say({ calls: Array.from({ length: LLM_TOOL_CALLS_KEPT_MAX + 1 }, (_, i) => call("{}", "get_time", `c${i}`)) })

  const failure = await failureFrom(say())

  expect([failure.problem, failure.more.retryable, failure.more.usage?.output]).toEqual(["bad_answer", false, 9])
})

test("a tool whose name vendors refuse is called under another, and comes back under its own", async () => {
  const odd = { ...TIME, name: "clock.v2/get time" }
  const long = { ...TIME, name: "x".repeat(90) }
  const same = { ...TIME, name: "clock_v2_get_time" }
  server.say({
    calls: [call("{}", "clock_v2_get_time_2"), call("{}", "x".repeat(64), "c2"), call("{}", "clock_v2_get_time", "c3")],
  })

  const { message } = await say([odd, long, same])

  expect(message.toolCalls.map(one => [one.name, one.problem])).toEqual([
    [odd.name, null],
    [long.name, null],
    [same.name, null],
  ])
})

test("a tool without a description or a schema, and an answer of nothing in between, are no trouble to anybody", async () => {
  for (const { name } of SPOKEN) {
    speak(name)
    const nothing = { role: "assistant", text: "", toolCalls: [], vendorData: null } as const
    const messages = [...ask("hi").messages, nothing]
    const tools = [{ name: "ping", description: "", inputSchema: {} }]

    const answer = await models().complete(at, { ...ask("hi", { tools }), messages }, options())

    expect(answer.message.text).toBe("ok")
  }
})

test("extra fields go to local servers, but none that is ours", async () => {
  const extra = { num_ctx: 16_384, chat_template_kwargs: { thinking: false }, stream: true, model: "other", messages: [] }

  await models().complete(at, ask("hi", { params: { extra, top_k: 5, seed: 7 } }), options())

  expect(server.bodies[0]).toMatchObject({
    num_ctx: 16_384,
    chat_template_kwargs: { thinking: false },
    model: "qwen3:8b",
    top_k: 5,
    seed: 7,
  })
  expect(server.bodies[0]?.stream).toBeUndefined()
  expect(server.bodies[0]?.messages).toHaveLength(1)

  speak("anthropic")
  const { warnings } = await models().complete(at, ask("hi", { params: { extra } }), options())
  expect(warnings).toContain("extra is for local servers, and was not sent to anthropic")
})

test("a server that takes no schema is told in words, and its code fence is taken off", async () => {
  server.say({ text: 'Here you are:\n```json\n{"mood": "good"}\n```' })
  const output = { type: "object", properties: { mood: { type: "string" } } }

  const answer = await models().complete({ ...at, options: { structured_output: false } }, ask("Mood?", { output }), options())

  expect(JSON.parse(answer.message.text)).toEqual({ mood: "good" })
  expect(server.bodies[0]?.response_format).toBeUndefined()
  expect(JSON.stringify(server.bodies[0]?.messages)).toContain("JSON Schema")
})

test("a model that runs on with blanks behind an open fence holds nobody up", async () => {
  server.say({ text: `\`\`\`json${"\n".repeat(200_000)}{` })
  const startedAt = performance.now()

  const answer = await models().complete(at, ask("Mood?", { output: { type: "object" } }), options())

  expect(answer.message.text).toHaveLength(200_008)
  expect(performance.now() - startedAt).toBeLessThan(5_000)
})

/** What vendors say, by vendor, status and body, and what it is. */
const SAID: readonly (readonly [
  vendor: string,
  status: number,
  body: Json,
  problem: ModelProblem,
  more?: Partial<ModelFailure["more"]>,
])[] = [
  [
    "openai",
    429,
    openAiError("You exceeded your current quota, please check your plan and billing details.", "insufficient_quota"),
    "quota",
  ],
  [
    "openai",
    400,
    openAiError("Your input exceeds the context window of this model.", "context_length_exceeded"),
    "context_length",
  ],
  [
    "openai",
    404,
    openAiError("The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"),
    "unknown_model",
  ],
  ["openai", 400, openAiError("Unknown parameter: 'x'.", null), "bad_request"],
  ["openai", 403, openAiError("Country not supported", "unsupported_country"), "unauthorized"],
  [
    "azure",
    400,
    openAiError("The response was filtered due to Azure OpenAI's content management policy.", "content_filter"),
    "content_filter",
  ],
  [
    "anthropic",
    400,
    anthropicError("invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
    "context_length",
  ],
  ["anthropic", 413, anthropicError("request_too_large", "Request exceeds the maximum size"), "context_length"],
  ["anthropic", 400, anthropicError("invalid_request_error", "Your credit balance is too low to access the API."), "quota"],
  ["anthropic", 404, anthropicError("not_found_error", "model: claude-9"), "unknown_model"],
  [
    "google",
    429,
    googleError(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan and billing details.", [
      { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay: "36.5s" },
    ]),
    "rate_limited",
    { retryAfterMs: 36_500 },
  ],
  [
    "google",
    400,
    googleError(
      400,
      "INVALID_ARGUMENT",
      "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
      [],
    ),
    "context_length",
  ],
  ["google", 503, googleError(503, "UNAVAILABLE", "The model is overloaded.", []), "overloaded"],
  [
    "mistral",
    400,
    { object: "error", message: "Invalid model: mistral-9", type: "invalid_model", param: null, code: "1500" },
    "unknown_model",
  ],
  ["mistral", 422, { detail: [{ loc: ["body", "messages"], msg: "Field required" }] }, "bad_request"],
  ["openrouter", 402, { error: { code: 402, message: "Insufficient credits. Add more." } }, "quota"],
  ["bedrock", 429, { message: "Too many requests, please wait before trying again." }, "rate_limited"],
  ["bedrock", 400, { message: "Input is too long for requested model." }, "context_length"],
  [
    "local",
    400,
    { error: { code: 400, message: "the request exceeds the available context size", type: "exceed_context_size_error" } },
    "context_length",
  ],
  [
    "local",
    404,
    { error: { message: 'model "qwen9" not found, try pulling it first', type: "api_error", param: null, code: null } },
    "unknown_model",
  ],
  ["local", 500, { error: "out of memory" }, "overloaded"],
]

test.each(SAID)("%s that answers %i with %o has a problem called %s", async (vendor, status, body, problem, more = {}) => {
  speak(vendor)
  server.say({ status, body })

  const failure = await failureFrom(say())

  expect(failure.problem).toBe(problem)
  expect(failure.more).toMatchObject({ status, retryable: ["rate_limited", "overloaded"].includes(problem), ...more })
  expect(failure.message).toStartWith(`${at.vendor} answered ${status}`)
})

test("a vendor that says not to try again is not tried again", async () => {
  server.say({ status: 500, body: { error: { message: "broken for good" } }, headers: { "x-should-retry": "false" } })

  expect((await failureFrom(say())).more).toEqual({ retryable: false, status: 500 })
})

test("an error within a stream is that error", async () => {
  const during = async (vendor: string, ...frames: readonly string[]) => {
    const spoken = speak(vendor)
    server.stop()
    server = serveWire({ ...spoken.wire, events: (script, body) => [...spoken.wire.events(script, body).slice(0, 3), ...frames] })
    at = spoken.targetAt(server.url)
    server.say({ text: "a text that is never finished" })
    return await failureFrom(models().complete(at, ask("hi"), options({ onText: () => {} })))
  }
  const overloaded = JSON.stringify({ type: "error", error: { type: "overloaded_error", message: "Overloaded" } })

  expect(await during("anthropic", `event: error\ndata: ${overloaded}\n\n`)).toMatchObject({
    problem: "overloaded",
    more: { retryable: true, status: 529 },
  })
  expect(
    await during("local", `data: {"error":{"message":"the server is out of memory","type":"server_error"}}\n\n`),
  ).toMatchObject({ problem: "overloaded", more: { retryable: true } })
  expect(await during("local", "data: {not json\n\n")).toMatchObject({ problem: "bad_answer" })
  expect(await during("google", `data: ${JSON.stringify(googleError(503, "UNAVAILABLE", "overloaded", []))}\n\n`)).toMatchObject({
    problem: "overloaded",
    more: { status: 503 },
  })
})

test("a key is in no sentence, however the vendor repeats it", async () => {
  const apiKey = "sk-very/secret+key=0123456789"
  const echoes = [apiKey, encodeURIComponent(apiKey), btoa(apiKey), btoa(`user:${apiKey}`), JSON.stringify(apiKey)]
  for (const vendor of ["openai", "anthropic", "google", "mistral", "openrouter"]) {
    for (const echo of echoes) {
      const spoken = speak(vendor)
      server.stop()
      server = serveWire({ ...spoken.wire, check: () => {} })
      server.say({ status: 400, body: openAiError(`bad key ${echo}`, null) })
      const failure = await failureFrom(models().complete({ ...spoken.targetAt(server.url), apiKey }, ask("hi"), options()))
      expect(failure.message).not.toContain("secret")
      for (const form of echoes) expect(failure.message).not.toContain(form)
    }
  }
})

test("a long sentence is cut", async () => {
  server.say({ status: 400, body: { error: { message: "x".repeat(50_000) } } })

  expect((await failureFrom(say())).message.length).toBeLessThan(1_100)
})

test("of a refusal without end only the beginning is read", async () => {
  let sent = 0
  const endless = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () =>
      new Response(
        new ReadableStream({
          pull(controller) {
            sent += 64 * 1024
            controller.enqueue(new Uint8Array(64 * 1024).fill(120))
          },
        }),
        { status: 400 },
      ),
  })
  try {
    const { problem } = await failureFrom(
      models().complete(target({ vendor: "local", baseUrl: endless.url.origin }), ask("hi"), options()),
    )

    expect(problem).toBe("bad_request")
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  } finally {
    await endless.stop(true)
  }
})

test("what may not be reached is refused as that", async () => {
  const egress = createEgress({ allow: [] })
  const refused = await models(egress)
    .complete(at, ask("hi"), options())
    .catch(error => error)

  expect(refused).toBeInstanceOf(EgressRefused)
  expect(server.bodies).toEqual([])
})

test("the environment's keys and addresses are nobody's", async () => {
  const env = [
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_AUTH_TOKEN",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "MISTRAL_API_KEY",
    "AZURE_API_KEY",
    "AZURE_RESOURCE_NAME",
    "AWS_BEARER_TOKEN_BEDROCK",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
  ]
  const before = Object.fromEntries(env.map(name => [name, process.env[name]]))
  for (const name of env) process.env[name] = name.endsWith("URL") ? "http://127.0.0.1:1" : "of-the-environment"
  try {
    for (const { name, wire } of SPOKEN) {
      const spoken = speak(name)
      server.stop()
      server = serveWire({ ...wire, check: () => {} })
      const keyless = { ...spoken.targetAt(server.url), apiKey: name === "bedrock" ? "AKID:secret-of-the-key" : "" }
      await models().complete(keyless, ask("hi"), options())
      expect(JSON.stringify([...(server.headers[0] ?? [])])).not.toContain("of-the-environment")
    }
    const nowhere = await failureFrom(models().complete(target({ vendor: "azure", model: "m" }), ask("hi"), options()))
    expect(nowhere.problem).toBe("bad_request")
    const anywhere = await failureFrom(
      models().complete(
        target({ vendor: "bedrock", model: "m", apiKey: null, options: { region: "eu-west-1" } }),
        ask("hi"),
        options(),
      ),
    )
    expect(anywhere.problem).toBe("bad_request")
  } finally {
    for (const name of env) {
      if (before[name] === undefined) delete process.env[name]
      else process.env[name] = before[name]
    }
  }
})

test("nobody is told of text after the call has ended", async () => {
  const spoken = speak("local")
  server.stop()
  const slow: Scripted = { text: "one two three four five six seven eight nine ten" }
  server = serveWire(spoken.wire)
  at = spoken.targetAt(server.url)
  server.say(slow)
  const stop = new AbortController()
  const heard: string[] = []
  const work = models().complete(
    at,
    ask("hi"),
    options({
      signal: stop.signal,
      onText(delta) {
        heard.push(delta)
        stop.abort(new Error("enough"))
      },
    }),
  )

  await expect(work).rejects.toThrow("enough")
  const told = heard.length
  await Bun.sleep(30)
  expect(heard.length).toBe(told)
})

function openAiError(message: string, code: string | null): Json {
  return { error: { message, type: code ?? "invalid_request_error", param: null, code } }
}

function anthropicError(type: string, message: string): Json {
  return { type: "error", error: { type, message } }
}

function googleError(code: number, status: string, message: string, details: readonly Json[]): { error: Json } {
  return { error: { code, status, message, details } }
}
