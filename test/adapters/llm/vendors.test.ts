import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { Message, ModelRequest, ModelTarget } from "../../../src/adapters/llm/llm.ts"
import type { Json } from "../../../src/kernel/json.ts"
import { ask, failureFrom, models, options, request, TIME, WEATHER } from "./calling.ts"
import { SPOKEN } from "./vendors.ts"
import { serveWire, USAGE, type WireServer } from "./wire.ts"

const CALLS = [
  { id: "abcdefgh1", name: "get_weather", args: '{"city":"Rome","days":2}' },
  { id: "abcdefgh2", name: "get_time", args: "{}" },
]
const TOOLS = [WEATHER, TIME]
const ROME: Json = { city: "Rome", days: 2 }

for (const { name, wire, targetAt, lists, thinks, countsReasoning } of SPOKEN) {
  describe(name, () => {
    let server: WireServer
    let at: ModelTarget
    beforeEach(() => {
      server = serveWire(wire)
      at = targetAt(server.url)
    })
    afterEach(() => server.stop())

    const say = (given: ModelRequest) => models().complete(at, given, options())
    const stream = async (given: ModelRequest) => {
      const heard: string[] = []
      const answer = await models().complete(at, given, options({ onText: delta => heard.push(delta) }))
      return { answer, heard }
    }
    test("a prompt with instructions and parameters is answered with text, and with what it used", async () => {
      server.say({ text: "It is fine." })

      const answer = await say(
        ask("How are you?", { system: "Be short.", params: { temperature: 0.5, top_p: 0.9, max_tokens: 50, stop: ["END"] } }),
      )

      expect(answer.message).toMatchObject({ role: "assistant", text: "It is fine.", toolCalls: [] })
      expect(answer.finish).toBe("stop")
      expect(answer.usage).toMatchObject({ input: USAGE.input, output: USAGE.output, cachedInput: USAGE.cached })
      if (countsReasoning) expect(answer.usage.reasoning).toBe(USAGE.reasoning)
      expect(JSON.stringify(server.bodies[0])).toContain("Be short.")
      // Models that reason take none, and then the answer says so.
      expect(JSON.stringify([server.bodies[0], answer.warnings])).toMatch(/0\.5|temperature is not/)
    })

    test("text streams as it is written", async () => {
      server.say({ text: "It is fine, thank you." })

      const { answer, heard } = await stream(ask("How are you?"))

      expect(heard.length).toBeGreaterThan(2)
      expect(heard.join("")).toBe("It is fine, thank you.")
      expect(answer.message.text).toBe("It is fine, thank you.")
      expect(answer.finish).toBe("stop")
      expect(answer.usage).toMatchObject({ input: USAGE.input, output: USAGE.output })
    })

    for (const how of ["at once", "streamed"]) {
      test(`tools are called in parallel, and the conversation goes on with their answers, ${how}`, async () => {
        const complete = async (given: ModelRequest) => (how === "at once" ? await say(given) : (await stream(given)).answer)
        server.say({ text: "I shall look.", calls: CALLS }, { text: "Sunny, at noon." })
        const first = ask("What is it like in Rome?", { tools: TOOLS })

        const calling = await complete(first)

        expect(calling.finish).toBe("tool_calls")
        expect(calling.message.text).toBe("I shall look.")
        expect(calling.message.toolCalls.map(call => [call.name, call.args, call.problem])).toEqual([
          ["get_weather", ROME, null],
          ["get_time", {}, null],
        ])

        const told = await complete({
          ...first,
          messages: [...first.messages, kept(calling.message), answersTo(calling.message)],
        })

        expect(told.message.text).toBe("Sunny, at noon.")
        expect(JSON.stringify(server.bodies[1])).toContain("no such clock")
      })

      if (thinks) {
        test(`what the model thought goes back as it came, also from another process, ${how}`, async () => {
          const complete = async (given: ModelRequest) => (how === "at once" ? await say(given) : (await stream(given)).answer)
          server.say({ thought: "Rome, then.", calls: CALLS }, { text: "Sunny." })
          const first = ask("What is it like in Rome?", { tools: TOOLS, params: { reasoning_effort: "low" } })

          const calling = await complete(first)
          const told = await complete({
            ...first,
            messages: [...first.messages, kept(calling.message), answersTo(calling.message)],
          })

          expect(told.message.text).toBe("Sunny.")
        })
      }
    }

    test("a turn that began with another vendor goes on here", async () => {
      const before: Message[] = [
        ...ask("What is it like in Rome?").messages,
        {
          role: "assistant",
          text: "",
          toolCalls: [
            {
              id: "call_0f|x",
              name: "get_weather",
              args: { city: "Rome" },
              problem: null,
              vendorData: { other: { signature: "x" } },
            },
          ].map(call => ({ ...call, id: name === "anthropic" ? "call_0f-x" : call.id })),
          vendorData: {
            vendor: "elsewhere",
            model: "m",
            parts: [{ type: "reasoning", text: "hm", meta: { elsewhere: { id: "1" } } }],
          },
        },
        {
          role: "tool",
          results: [{ id: name === "anthropic" ? "call_0f-x" : "call_0f|x", name: "get_weather", text: "sun", isError: false }],
        },
      ]
      server.say({ text: "Sunny." })

      // Gemini 3 refuses calls that it did not sign; the provider tells it to skip them, which this server does not know.
      if (name === "google") at = { ...at, model: "gemini-2.5-flash" }
      const answer = await say(request({ messages: before, tools: TOOLS }))

      expect(answer.message.text).toBe("Sunny.")
    })

    test("JSON of a schema is asked for and answered", async () => {
      const said = '{"mood":"good"}'
      server.say({ text: said })

      const answer = await say(
        ask("Mood?", { output: { type: "object", properties: { mood: { type: "string" } }, required: ["mood"] } }),
      )

      expect(JSON.parse(answer.message.text)).toEqual({ mood: "good" })
      expect(answer.message.toolCalls).toEqual([])
      expect(answer.finish).toBe("stop")
      expect(JSON.stringify(server.bodies[0])).toContain("mood")
    })

    test("an answer that was cut, or held back, says so", async () => {
      server.say({ text: "It is", finish: "length" }, { text: "", finish: "filter" })

      expect((await say(ask("Go on"))).finish).toBe("length")
      expect((await stream(ask("Go on"))).answer.finish).toBe(name === "mistral" ? "other" : "content_filter")
    })

    test("a wrong key is told without a word of it", async () => {
      const key = "sk-wrong-but-secret:and-its-secret"
      const failure = await failureFrom(models().complete({ ...at, apiKey: name === "local" ? key : key }, ask("hi"), options()))

      expect(failure.problem).toBe("unauthorized")
      expect(failure.more.retryable).toBe(false)
      expect(failure.message).not.toContain("secret")
    })

    test("being busy, broken or overloaded is worth another try, when the vendor says so", async () => {
      server.say(
        { status: 429, body: wire.error(429, "Slow down"), headers: { "retry-after": "7" } },
        { status: 500, body: wire.error(500, "Oops") },
        { status: 529, body: "<html>overloaded</html>", headers: { "retry-after": "Sun, 29 Nov 2026 12:00:30 GMT" } },
      )
      const first = await failureFrom(say(ask("hi")))
      const second = await failureFrom(say(ask("hi")))
      const third = await failureFrom(stream(ask("hi")))

      expect([first.problem, first.more]).toEqual(["rate_limited", { retryable: true, status: 429, retryAfterMs: 7_000 }])
      expect([second.problem, second.more]).toEqual(["overloaded", { retryable: true, status: 500 }])
      expect([third.problem, third.more]).toEqual(["overloaded", { retryable: true, status: 529, retryAfterMs: 30_000 }])
    })

    test("half a stream is none, however it ended", async () => {
      const half = { text: "a long answer that never comes to its end" }
      server.say({ half, broken: false }, { half, broken: true })

      for (const _ of ["a good end of the body", "a broken connection"]) {
        const heard: string[] = []
        const failure = await failureFrom(models().complete(at, ask("hi"), options({ onText: delta => heard.push(delta) })))
        expect([failure.problem, failure.more.retryable]).toEqual(["unreachable", true])
        expect(heard.length).toBeGreaterThan(0)
      }
    })

    test("an answer in another format is a bad one", async () => {
      server.say({ status: 200, body: "<html>Welcome to the proxy</html>" }, { status: 200, body: { hello: "world" } })

      for (const _ of ["no JSON", "other JSON"]) {
        const failure = await failureFrom(say(ask("hi")))
        expect([failure.problem, failure.more.retryable]).toEqual(["bad_answer", true])
        expect(failure.message).not.toContain("proxy")
      }
    })

    test("one that hangs is given up at its time, or when the caller wants", async () => {
      server.say({ hang: true }, { hang: true })
      const late = await failureFrom(models().complete(at, ask("hi"), options({ timeoutMs: 60 })))
      expect([late.problem, late.more.retryable]).toEqual(["timeout", true])

      const stop = new AbortController()
      const reason = new Error("the run was stopped")
      setTimeout(() => stop.abort(reason), 60)
      expect(
        await models()
          .complete(at, ask("hi"), options({ signal: stop.signal }))
          .catch(error => error),
      ).toBe(reason)
    })

    test("a port where nobody listens is unreachable", async () => {
      server.stop()

      const failure = await failureFrom(say(ask("hi")))

      expect([failure.problem, failure.more.retryable]).toEqual(["unreachable", true])
    })

    test("its models are listed", async () => {
      const { model: _, ...there } = at

      expect(await models().list(there, options())).toEqual([...lists])
    })
  })
}

/** As the journal keeps it. */
function kept(message: Message): Message {
  return JSON.parse(JSON.stringify(message))
}

function answersTo(message: Message): Message {
  if (message.role !== "assistant") throw new Error("an assistant's message is answered")
  const results = message.toolCalls.map(({ id, name }) => ({
    ...{ id, name },
    ...(name === "get_time" ? { text: "no such clock", isError: true } : { text: '{"sky":"clear"}', isError: false }),
  }))
  return { role: "tool", results }
}
