import { expect, test } from "bun:test"
import type { Message, ModelRequest, ModelTool } from "../../../src/adapters/llm/llm.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { ask, failureFrom, models, options, request, TIME, target, WEATHER } from "./calling.ts"

const SEARCH = tool("search", { query: { type: "string" }, limit: { type: "integer" } }, ["query"])
const WRITE = tool("write_file", { path: { type: "string" }, content: { type: "string" } }, ["path", "content"])
const ADD = tool("add", { a: { type: "number" }, b: { type: "number" } }, ["a", "b"])

const say = (given: ModelRequest) => models().complete(target(), given, options())

test("a prompt comes back as it is, from a model that says what it is", async () => {
  const answer = await say(ask("Good morning!"))

  expect(answer.message.text).toBe("Good morning!")
  expect(answer.model).toBe("local.builtin.echo-1")
  expect(answer.finish).toBe("stop")
  expect(answer.usage).toEqual({ input: expect.any(Number), output: 4, cachedInput: 0, reasoning: 0 })
})

test("the same request has the same answer", async () => {
  const given = ask("Call add with 1 and 2", { tools: [ADD] })

  expect(await say(given)).toEqual(await say(given))
})

test("text streams word by word, and is the answer's text", async () => {
  const words: string[] = []

  const answer = await models().complete(target(), ask("one two\nthree"), options({ onText: word => words.push(word) }))

  expect(words).toEqual(["one", " two", "\nthree"])
  expect(answer.message.text).toBe(words.join(""))
})

test("a tool that the prompt names is called with the arguments that stand beside it", async () => {
  const calls = async (text: string, ...tools: ModelTool[]) => {
    const { message, finish } = await say(ask(text, { tools }))
    expect(finish).toBe("tool_calls")
    return message.toolCalls.map(call => [call.name, call.args])
  }

  expect(await calls("Use add to add 17 and 25.", ADD)).toEqual([["add", { a: 17, b: 25 }]])
  expect(await calls('search for "durable agents", limit: 3', SEARCH)).toEqual([
    ["search", { query: "durable agents", limit: 3 }],
  ])
  expect(await calls("Use get_weather for city: Rome", WEATHER)).toEqual([["get_weather", { city: "Rome" }]])
  expect(await calls('write_file /tmp/a.txt "hello there"', WRITE)).toEqual([
    ["write_file", { path: "/tmp/a.txt", content: "hello there" }],
  ])
  expect(await calls('write_file {"path":"b.txt","content":"{x}"} please', WRITE)).toEqual([
    ["write_file", { path: "b.txt", content: "{x}" }],
  ])
  expect(await calls("What time is it? Please get the time.", TIME)).toEqual([["get_time", {}]])
  expect(await calls("Tell me about agents with search", SEARCH)).toEqual([
    ["search", { query: "Tell me about agents with search" }],
  ])
})

test("tools that the prompt names in order are called one with each answer, and then told", async () => {
  const text = 'First get_time, then search for "news", then write_file to notes.md with what you found.'
  const conversation = await through(ask(text, { tools: [WRITE, SEARCH, TIME] }), name => `the answer of ${name}`)

  expect(conversation.calls).toEqual([
    ["get_time", {}],
    ["search", { query: "news" }],
    ["write_file", { path: "notes.md", content: "the answer of search" }],
  ])
  expect(conversation.text).toBe(
    "get_time answered: the answer of get_time\nsearch answered: the answer of search\nwrite_file answered: the answer of write_file",
  )
})

test("instructions that name tools are followed where the message names none", async () => {
  const conversation = await through(request({ system: "Always call get_time before you answer.", tools: [TIME] }), () => "noon")

  expect(conversation.calls).toEqual([["get_time", {}]])
  expect(conversation.text).toBe("get_time answered: noon")
})

test("tools named in parallel are called with one answer", async () => {
  const { message } = await say(ask('Call get_time and search for "x" in parallel', { tools: [TIME, SEARCH] }))

  expect(message.toolCalls.map(call => call.name)).toEqual(["get_time", "search"])
  expect(new Set(message.toolCalls.map(call => call.id)).size).toBe(2)
})

test("a call written out several times is made as often", async () => {
  const conversation = await through(ask('add {"a":1,"b":1} add {"a":1,"b":1} add {"a":1,"b":1}', { tools: [ADD] }), () => "2")

  expect(conversation.calls).toHaveLength(3)
})

test("a name of a tool within another's is not called", async () => {
  const { message } = await say(ask("read_file please", { tools: [tool("read", {}, []), tool("read_file", {}, [])] }))

  expect(message.toolCalls.map(call => call.name)).toEqual(["read_file"])
})

test("with a schema the answer is JSON of it, out of the prompt and of what tools said", async () => {
  const output: JsonObject = {
    type: "object",
    properties: {
      title: { type: "string" },
      count: { type: "integer", minimum: 1 },
      mood: { enum: ["good", "bad"] },
      tags: { type: "array", items: { type: "string" } },
      author: { $ref: "#/$defs/person" },
      note: { anyOf: [{ type: "null" }, { type: "string" }] },
    },
    required: ["title", "count", "mood", "tags", "author"],
    $defs: { person: { type: "object", properties: { name: { type: "string" } }, required: ["name"] } },
  }
  const answer = await say(ask('title: "Night train", count is 4, mood bad', { output }))

  expect(JSON.parse(answer.message.text)).toMatchObject({
    title: "Night train",
    count: 4,
    mood: "bad",
    author: { name: expect.any(String) },
  })

  const later = await through(ask('search for "x"', { tools: [SEARCH], output }), () => '{"title":"From a tool","count":7}')
  expect(JSON.parse(later.text)).toMatchObject({ title: "From a tool", count: 7 })
})

test("JSON with named fields is answered without a schema, too", async () => {
  const answer = await say(ask('Answer as JSON with the fields title, mood and score. title: "Rain" mood: grey'))

  expect(JSON.parse(answer.message.text)).toMatchObject({ title: "Rain", mood: "grey", score: expect.any(String) })
})

test("a prompt that is too long, a cut answer and an unknown name are what they are with any model", async () => {
  const long = await failureFrom(say(ask("x".repeat(600_000))))
  expect([long.problem, long.more.retryable]).toEqual(["context_length", false])

  const cut = await say(ask("a long answer to be cut", { params: { max_tokens: 2 } }))
  expect([cut.message.text, cut.finish]).toEqual(["a long a", "length"])

  const unknown = await failureFrom(models().complete(target({ model: "gpt-9" }), request(), options()))
  expect(unknown.problem).toBe("unknown_model")
})

test("a text that names a tool ten thousand times does not hold anybody up", async () => {
  const before = performance.now()

  await say(ask("add 1 2 ".repeat(10_000), { tools: [ADD, SEARCH, WRITE, TIME] }))

  expect(performance.now() - before).toBeLessThan(2_000)
})

function tool(name: string, properties: JsonObject, required: string[]): ModelTool {
  return { name, description: name, inputSchema: { type: "object", properties, required } }
}

/** The whole conversation, each tool answered by `answerOf`. */
async function through(first: ModelRequest, answerOf: (name: string) => string) {
  const calls: [string, JsonObject][] = []
  let messages: readonly Message[] = first.messages
  for (let round = 0; round < 20; round++) {
    const { message } = await say({ ...first, messages })
    if (message.toolCalls.length === 0) return { calls, text: message.text }
    calls.push(...message.toolCalls.map((call): [string, JsonObject] => [call.name, call.args]))
    const results = message.toolCalls.map(({ id, name }) => ({ id, name, text: answerOf(name), isError: false }))
    messages = [...messages, message, { role: "tool", results }]
  }
  throw new Error("it does not end")
}
