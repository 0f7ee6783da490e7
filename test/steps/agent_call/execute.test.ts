import { describe, expect, test } from "bun:test"
import { ModelFailure } from "../../../src/adapters/llm/llm.ts"
import { answerOf } from "../../helpers/models.ts"
import { agentStep, failed, RESOLVED, succeeded, toldOf, tool, wants } from "./scripted.ts"

const phases = (step: ReturnType<typeof agentStep>) => step.notes.map(({ type, data }) => `${type.slice(11)} ${data.phase}`)

describe("a turn", () => {
  test("that needs no tool ends with the model's answer", async () => {
    const step = agentStep([answerOf("Hello.")])

    expect(succeeded(await step.run())).toEqual({
      ...{ message: "Hello.", turn_id: "r:s:0", result: {}, done: false, rounds: 1, tool_calls: 0 },
      ...{
        tokens_in: 10,
        tokens_out: 3,
        cost_micro_usd: 13,
        model: "m-1",
        model_ref: "direct.openai.gpt-4o",
        finish_reason: "stop",
      },
    })
    expect(step.asked[0]?.request.messages).toEqual([{ role: "user", text: "Go" }])
    expect(phases(step)).toEqual(["ended answered"])
  })

  test("gives the model its instructions, its tools, and what they answered", async () => {
    const step = agentStep([wants(["look", { n: 1 }], ["write", { text: "x" }]), answerOf("Done.")])

    const result = succeeded(await step.run())

    expect(result).toMatchObject({ message: "Done.", rounds: 2, tool_calls: 2, tokens_in: 20, tokens_out: 6, cost_micro_usd: 26 })
    const [first, second] = step.asked
    expect(first?.request.system).toStartWith("Be brief.")
    expect(first?.request.tools.map(({ name }) => name)).toEqual(["look", "write"])
    expect(toldOf(second?.request.messages.at(-1))).toEqual(['{"n":1}', '{"text":"x"}'])
    expect(step.made.map(({ context }) => context.idempotencyKey)).toEqual(["r:s:0:1:0", "r:s:0:1:1"])
    expect(phases(step)).toEqual([
      "tool_round answered",
      "tool_round calling",
      ...["tool_round called", "tool_round called"],
      "ended answered",
    ])
  })

  test("of a recorded run keeps each request to its model and each call, and what came of them", async () => {
    const step = agentStep([wants(["look", { n: 1 }]), answerOf("Done.")])

    await step.run({ recording: true })

    expect(step.recorded.map(({ kind }) => kind)).toEqual(["model", "tool", "model"])
    expect(step.recorded[1]).toMatchObject({ request: { tool: "look", args: { n: 1 } }, response: { ok: true, value: { n: 1 } } })
    expect(step.recorded[2]).toMatchObject({ request: { model_ref: "direct.openai.gpt-4o" }, response: { ok: true } })
  })

  test("counts what is not known as not known", async () => {
    const step = agentStep([answerOf("x", { usage: { input: null, output: 2, cachedInput: null, reasoning: null } })])
    expect(succeeded(await step.run())).toMatchObject({ tokens_in: null, tokens_out: 2 })
  })

  test("tells the model of unknown tools, broken JSON, bad arguments and failures, and goes on", async () => {
    const call = () => ({ ok: false, message: "no such table", retryable: false }) as const
    const calls = wants(["nope"], ["look", {}, { problem: "The arguments are no JSON: {" }], ["look", { n: "many" }], ["write"])
    const step = agentStep([calls, answerOf("Sorry.")], { call })

    expect(succeeded(await step.run()).message).toBe("Sorry.")
    expect(toldOf(step.asked[1]?.request.messages.at(-1))).toEqual([
      "error: There is no tool nope. There are: look, write.",
      "error: The arguments are no JSON: {",
      expect.stringContaining("error: look cannot take these arguments: tool_args.n"),
      "error: no such table",
    ])
    expect(step.made.map(({ name }) => name)).toEqual(["write"])
  })

  test("makes at most eight calls at a time", async () => {
    let now = 0
    let most = 0
    const call = async () => {
      most = Math.max(most, ++now)
      await Bun.sleep(1)
      now--
      return { ok: true, value: {} } as const
    }
    const calls = wants(...Array.from({ length: 30 }, (_, n) => ["look", { n }] as const))
    const step = agentStep([calls, answerOf("All.")], { call })

    expect(succeeded(await step.run()).tool_calls).toBe(30)
    expect(most).toBe(8)
    expect(step.made).toHaveLength(30)
  })

  test("makes one call after the other where the agent wants that", async () => {
    const ends: unknown[] = []
    const call = async ({ args }: { args: { n?: unknown } }) => {
      await Bun.sleep(args.n === 1 ? 5 : 0)
      ends.push(args.n)
      return { ok: true, value: {} } as const
    }
    const step = agentStep([wants(["look", { n: 1 }], ["look", { n: 2 }]), answerOf("x")], {
      call,
      agent: { parallelToolCalls: false },
    })
    succeeded(await step.run())
    expect(ends).toEqual([1, 2])
  })

  test("cuts what a tool says too much of", async () => {
    const step = agentStep([wants(["look"]), answerOf("x")], { call: () => ({ ok: true, value: { a: "x".repeat(100_000) } }) })
    succeeded(await step.run())
    const [said = ""] = toldOf(step.asked[1]?.request.messages.at(-1))
    expect(said.length).toBeLessThan(50_000)
    expect(said).toEndWith("(cut: 100008 characters in all; ask for less)")
  })

  test("reaches only the tools on the agent's list", async () => {
    const tools = [tool("look"), tool("drop_all")]
    const agent = { tools: [{ instanceId: "i1", toolNames: ["look"] }] }
    const step = agentStep([wants(["drop_all"]), answerOf("x")], { tools, agent })

    succeeded(await step.run())

    expect(step.asked[0]?.request.tools.map(({ name }) => name)).toEqual(["look"])
    expect(step.made).toEqual([])
    expect(toldOf(step.asked[1]?.request.messages.at(-1))).toEqual(["error: There is no tool drop_all. There are: look."])
  })

  test("gives two tools of one name their servers' names, and odd names plain ones", async () => {
    const tools = [tool("a.b"), tool("done"), tool("a b")]
    const step = agentStep([wants(["demo__done"], ["demo__a_b_2", { n: 1 }]), answerOf("x")], { tools })

    succeeded(await step.run())

    expect(step.asked[0]?.request.tools.map(({ name }) => name)).toEqual(["demo__a_b", "demo__done", "demo__a_b_2"])
    expect(step.made.map(({ name }) => name)).toEqual(["done", "a b"])
  })
})

describe("limits of a turn", () => {
  const forever = (n: number) => wants(["look", { n }])
  const endless = (agent: object, config: object = {}) => {
    const step = agentStep(
      (request, round) => (/Answer now/.test(JSON.stringify(request.messages)) ? answerOf("So far.") : forever(round)),
      {
        agent: { maxToolRounds: 2, ...agent },
      },
    )
    return { step, change: { config: { agent_id: "a1", prompt: "Go", ...config } } }
  }

  test("after its last round the agent answers without tools", async () => {
    const { step, change } = endless({})
    expect(succeeded(await step.run(change))).toMatchObject({ message: "So far.", rounds: 3, tool_calls: 2 })
    const reached = step.notes.find(({ type }) => type === "agent_turn_limit_reached")
    expect(reached?.data).toMatchObject({ limit: "max_tool_rounds", max_tool_rounds: 2, rounds: 2, outcome: "answer" })
  })

  test("or fails", async () => {
    const { step, change } = endless({}, { on_limit: "fail", max_tool_rounds: 3 })
    expect(failed(await step.run(change))).toBe(
      "AGENT_TURN_FAILED: the agent used all of its 3 tool rounds (max_tool_rounds) without an answer",
    )
    expect(step.made).toHaveLength(3)
    expect(step.notes.at(-1)?.type).toBe("agent_turn_limit_reached")
  })

  test("or asks a person, each time for as many rounds more", async () => {
    const { step, change } = endless({ onLimit: "ask" })
    let outcome = await step.run(change)
    expect(outcome).toMatchObject({ ask: { taskType: "agent_turn_limit", payload: { title: "Let Clerk go on?", rounds: 2 } } })
    outcome = await step.answer(outcome, true, {}, change)
    expect(outcome).toMatchObject({ ask: { payload: { rounds: 4 } } })
    expect(step.made).toHaveLength(4)
    expect(succeeded(await step.answer(outcome, false, {}, change))).toMatchObject({ message: "So far.", tool_calls: 4 })
  })

  test("an agent that does not answer then has failed", async () => {
    const step = agentStep((_, round) => forever(round), { agent: { maxToolRounds: 1 } })
    expect(failed(await step.run())).toContain("did not answer without tools")
    expect(step.made).toHaveLength(1)
  })

  test("the same call in three answers in a row ends the turn before it is made again", async () => {
    const step = agentStep([
      wants(["look", { n: 1, text: "a" }]),
      wants(["look", { text: "a", n: 1 }]),
      wants(["write"], ["look", { n: 1, text: "a" }]),
    ])
    expect(failed(await step.run())).toBe(
      "AGENT_TURN_FAILED: the agent asked for look with the same arguments 3 times in a row, so its turn was ended",
    )
    expect(step.made).toHaveLength(2)
  })

  test("tokens end a turn before the model is asked again", async () => {
    const step = agentStep((_, round) => forever(round), { agent: { maxTokensPerTurn: 30 } })
    expect(failed(await step.run())).toBe(
      "AGENT_TURN_FAILED: the agent's turn used 39 tokens, and it may use 30 (max_tokens_per_turn)",
    )
    expect(step.asked).toHaveLength(3)
  })

  test("ends when its requests have cost what the step allows, or when nobody knows what they cost", async () => {
    const config = { agent_id: "a1", prompt: "Go", max_cost_micro_usd: 30 }
    const step = agentStep((_, round) => forever(round))
    expect(failed(await step.run({ config }))).toBe(
      "AGENT_TURN_FAILED: the agent's turn cost 39 micro-USD, and it may cost 30 (max_cost_micro_usd)",
    )
    expect(step.asked).toHaveLength(3)
    const unpriced = agentStep((_, round) => forever(round), { resolveModel: async () => ({ ...RESOLVED, costOf: () => null }) })
    expect(failed(await unpriced.run({ config }))).toBe(
      "AGENT_TURN_FAILED: what m-1 costs is not known, so max_cost_micro_usd cannot be held",
    )
    expect(unpriced.asked).toHaveLength(1)
  })

  test("time ends it, whatever it waits for", async () => {
    const hangs = () => new Promise<never>(() => {})
    const step = agentStep([wants(["look"])], { call: hangs, agent: { turnTimeoutMs: 50 } })
    const outcome = await step.run()
    expect(outcome).toMatchObject({ failure: { code: "AGENT_TURN_FAILED", retryable: true, timeout: true } })
    expect(failed(outcome)).toContain("took longer than 0.05 s")
  })

  test("a stop ends what is under way", async () => {
    const stop = new AbortController()
    let told = false
    const call = ({ context }: { context: { signal: AbortSignal } }) =>
      new Promise<never>(() => {
        context.signal.addEventListener("abort", () => {
          told = true
        })
        stop.abort()
      })
    const step = agentStep([wants(["look"])], { call })
    expect(failed(await step.run({}, stop.signal))).toContain("cancelled")
    expect(told).toBe(true)
  })
})

describe("what goes wrong around a turn", () => {
  test("a vendor that fails is a failure that says whether to try again, and the next attempt goes on from there", async () => {
    const limited = new ModelFailure("rate_limited", "openai: slow down, sk-secret-key", { retryable: true, retryAfterMs: 7_000 })
    let calm = false
    const step = agentStep((_, round) => {
      if (round === 0) return wants(["write"])
      if (!calm) throw limited
      return answerOf("Written.")
    })
    expect(await step.run()).toEqual({
      ok: false,
      failure: { code: "AGENT_TURN_FAILED", message: "openai: slow down, ***", retryable: true, retryAfterMs: 7_000 },
    })
    calm = true
    expect(succeeded(await step.run({ attempt: 2 })).message).toBe("Written.")
    expect(step.made).toHaveLength(1)
  })

  test("a key that was revoked between rounds is a clear failure", async () => {
    let revoked = false
    const target = { vendor: "openai", model: "m", baseUrl: null, apiKey: null, options: {} } as const
    const good = { ok: true, target, modelRef: "m", credentialId: null, credentialScope: "tenant", contextWindow: null } as const
    const step = agentStep([wants(["look"])], {
      resolveModel: async () =>
        revoked
          ? { ok: false, reason: "no_key", message: "there is no key of openai" }
          : { ...good, isListed: true, secrets: [], costOf: () => null },
      call: () => {
        revoked = true
        return { ok: true, value: {} }
      },
    })
    expect(failed(await step.run())).toBe("AGENT_TURN_FAILED: there is no key of openai")
  })

  test("no agent, no prompt, input that does not fit", async () => {
    const inputSchema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
    const step = agentStep([answerOf("x")], { agent: { inputSchema } })
    expect(failed(await step.run({ config: { agent_id: "zz", prompt: "x" } }))).toContain(
      "agent_id names no agent of this project",
    )
    expect(failed(await step.run({ config: { agent_id: "a1", prompt: " " } }))).toContain("neither a prompt nor input")
    expect(failed(await step.run({ config: { agent_id: "a1", input: { city: 3 } } }))).toContain(
      "does not fit the agent's input_schema: /city",
    )
    expect(step.asked).toEqual([])
    succeeded(await step.run({ config: { agent_id: "a1", input: { city: "Rome" } } }))
    expect(step.asked[0]?.request.messages).toEqual([{ role: "user", text: '{"city":"Rome"}' }])
  })

  test("no secret of the model's key is in what is kept", async () => {
    const step = agentStep([wants(["look", { text: "sk-secret-key" }]), answerOf("It is sk-secret-key.")])
    expect(succeeded(await step.run()).message).toBe("It is ***.")
    expect(JSON.stringify([step.notes, step.progress])).not.toContain("sk-secret-key")
  })
})

describe("an agent with an output schema", () => {
  const outputSchema = { type: "object", properties: { n: { type: "integer" } }, required: ["n"] }

  test("gives what fits it", async () => {
    const step = agentStep([answerOf('{"n":3}')], { agent: { outputSchema } })
    expect(succeeded(await step.run())).toMatchObject({ output: { n: 3 }, result: { n: 3 }, message: '{"n":3}' })
    expect(step.asked[0]?.request.output).toEqual(outputSchema)
  })

  test("may repair it once", async () => {
    const step = agentStep([answerOf("three"), answerOf('{"n":3}')], { agent: { outputSchema } })
    expect(succeeded(await step.run())).toMatchObject({ output: { n: 3 }, rounds: 2 })
    expect(step.asked[1]?.request.messages.at(-1)).toMatchObject({ role: "user", text: expect.stringContaining("it is no JSON") })
  })

  test("and fails then", async () => {
    const step = agentStep([answerOf("three"), answerOf('{"n":"3"}')], { agent: { outputSchema } })
    expect(failed(await step.run())).toContain("neither does its second try: /n")
  })
})

describe("an agent in an episode", () => {
  const graph = {
    steps: [
      { id: "s", type: "agent_call", agent_id: "a1", prompt: "Go" },
      { id: "b", type: "lua_script", script: "return {}", no_auto_start: true },
      { id: "c", type: "lua_script", script: "return {}", no_auto_start: true, input_allowlist: ["b"] },
    ],
  }

  test("hands over to a step that takes input from it", async () => {
    const calls = wants(["write", { n: 1 }], ["handoff", { to: "b", payload: { why: "yours" } }])
    const step = agentStep([wants(["handoff", { to: "c" }]), calls], { graph })

    expect(succeeded(await step.run())).toMatchObject({ handoff: { to: "b", payload: { why: "yours" } }, done: false })
    expect(toldOf(step.asked[1]?.request.messages.at(-1))).toEqual([
      "error: There is no such step to hand over to. There are: b.",
    ])
    expect(step.made).toHaveLength(1)
  })

  test("says that all is done", async () => {
    const step = agentStep([wants(["done", { result: { sum: 3 } }])], { graph })
    expect(succeeded(await step.run())).toMatchObject({ done: true, result: { sum: 3 } })
  })

  test("says the same with the fields of its answer", async () => {
    const outputSchema = { type: "object", properties: { handoff: { type: "object" }, done: { type: "boolean" } } }
    const step = agentStep([answerOf('{"handoff":{"to":"b"},"done":false}')], { graph, agent: { outputSchema } })
    expect(succeeded(await step.run())).toMatchObject({ handoff: { to: "b", payload: {} }, done: false })
  })

  test("cannot in a loop, nor where there is no episode", async () => {
    const inLoop = agentStep([wants(["done"]), answerOf("x")], { graph })
    expect(succeeded(await inLoop.run({ item: 0 }))).toMatchObject({ done: false, message: "x" })
    const alone = agentStep([wants(["handoff", { to: "b" }]), answerOf("x")])
    expect(succeeded(await alone.run())).not.toHaveProperty("handoff")
    expect(alone.asked[0]?.request.tools.map(({ name }) => name)).toEqual(["look", "write"])
  })
})
