import { describe, expect, test } from "bun:test"
import { answerOf } from "../../helpers/models.ts"
import { agentStep, failed, succeeded, toldOf, wants } from "./scripted.ts"

describe("tools that a person confirms", () => {
  const confirming = () =>
    agentStep([wants(["look", { n: 1 }], ["write", { text: "draft" }]), answerOf("Ready.")], {
      agent: { confirmTools: ["write"] },
    })

  test("wait for a person, with their arguments shown, while the others are called", async () => {
    const step = confirming()
    const outcome = await step.run()
    expect(outcome).toMatchObject({
      ask: {
        taskType: "agent_tool_call",
        payload: { agent: "Clerk", tool: "write", server: "demo", arguments: { text: "draft" } },
      },
    })
    expect(step.made.map(({ name }) => name)).toEqual(["look"])
    expect(succeeded(await step.answer(outcome, true)).message).toBe("Ready.")
    expect(step.made.map(({ name, args }) => [name, args])).toEqual([
      ["look", { n: 1 }],
      ["write", { text: "draft" }],
    ])
    expect(step.asked).toHaveLength(2)
  })

  test("are called with the arguments that the person gave", async () => {
    const step = confirming()
    succeeded(await step.answer(await step.run(), true, { arguments: { text: "edited" } }))
    expect(step.made.at(-1)?.args).toEqual({ text: "edited" })
  })

  test("are asked for again when the person's arguments do not fit", async () => {
    const step = confirming()
    const again = await step.answer(await step.run(), true, { arguments: { n: "many" } })
    expect(again).toMatchObject({ ask: { payload: { description: expect.stringContaining("do not fit: write cannot take") } } })
    succeeded(await step.answer(again, true, { arguments: { text: "better" } }))
    expect(step.made.at(-1)?.args).toEqual({ text: "better" })
  })

  test("are asked for again when the person edited in another place, and may be approved with a word beside it", async () => {
    const step = confirming()
    const again = await step.answer(await step.run(), true, { argumnts: { text: "edited" } })
    expect(again).toMatchObject({ ask: { payload: { description: expect.stringContaining("result has argumnts") } } })
    expect(step.made.map(({ name }) => name)).toEqual(["look"])
    succeeded(await step.answer(again, true, { comment: "fine" }))
    expect(step.made.at(-1)?.args).toEqual({ text: "draft" })
  })

  test("are shown in part when they are large, and called whole", async () => {
    const text = "x".repeat(400_000)
    const step = agentStep([wants(["write", { text }]), answerOf("Ready.")], { agent: { confirmTools: ["write"] } })
    const question = await step.run()
    expect(question).toMatchObject({
      ask: { payload: { arguments: { truncated: true, size_bytes: text.length + '{"text":""}'.length } } },
    })
    succeeded(await step.answer(question, true))
    expect(step.made.map(({ args }) => args)).toEqual([{ text }])
  })

  test("are not called after a no, which the agent is told", async () => {
    const step = confirming()
    succeeded(await step.answer(await step.run(), false, { reason: "too early" }))
    expect(step.made.map(({ name }) => name)).toEqual(["look"])
    expect(toldOf(step.asked[1]?.request.messages.at(-1))).toEqual([
      '{"n":1}',
      "error: A person decided against this call. They said: too early",
    ])
  })

  test("a word on one call is none on the next", async () => {
    const step = agentStep([wants(["write", { n: 1 }]), wants(["write", { n: 2 }]), answerOf("x")], {
      agent: { confirmTools: ["*"] },
    })
    const second = await step.answer(await step.run(), true)
    expect(second).toMatchObject({ ask: { payload: { arguments: { n: 2 }, round: 2 } } })
    expect(step.made).toHaveLength(1)
  })
})

describe("a tool that is not what it was when it was chosen", () => {
  const pins = { i1: { look: "another hash" } }
  const changed = (drift: "run" | "ask" | "fail") => agentStep([wants(["look"]), answerOf("x")], { agent: { pins }, drift })

  test("is called all the same, with a warning, unless the project wants something else", async () => {
    const step = changed("run")
    expect(await step.run()).toMatchObject({
      warnings: [{ message: "look of Demo is not what it was when the agent's tools were chosen" }],
    })
    expect(step.made).toHaveLength(1)
  })

  test("is confirmed by a person, call by call", async () => {
    const step = changed("ask")
    const outcome = await step.run()
    expect(outcome).toMatchObject({ ask: { taskType: "agent_tool_call", payload: { tool: "look" } } })
    succeeded(await step.answer(outcome, true))
    expect(step.made).toHaveLength(1)
  })

  test("is not shown to the model, nor called", async () => {
    const step = changed("fail")
    succeeded(await step.run())
    expect([step.asked[0]?.request.tools.map(({ name }) => name), step.made]).toEqual([["write"], []])
  })
})

describe("a call that was under way when the process ended", () => {
  const script = [wants(["write", { n: 1 }]), answerOf("Done.")]
  /** The first note is the answer, the second the beginning of the call; its end is not written. */
  const BEFORE_THE_END = 2

  test("is made again with the same key, and marked", async () => {
    const step = agentStep(script)
    expect(succeeded(await step.crash(BEFORE_THE_END)).message).toBe("Done.")
    expect(step.made.map(({ context }) => context.idempotencyKey)).toEqual(["r:s:0:1:0", "r:s:0:1:0"])
    expect(step.notes.filter(({ data }) => data.repeated === true)).toHaveLength(1)
    expect(JSON.stringify(step.notes)).toContain('"repeated":true}]')
  })

  test("fails the step where the workflow wants that", async () => {
    const step = agentStep(script)
    expect(failed(await step.crash(BEFORE_THE_END, { onCrash: "fail" }))).toContain("while write of demo was being called")
    expect(step.made).toHaveLength(1)
  })

  test("asks a person where the workflow wants that, and again after the next crash", async () => {
    const step = agentStep(script)
    const change = { onCrash: "ask" } as const
    const first = await step.crash(BEFORE_THE_END, change)
    expect(first).toMatchObject({ ask: { taskType: "agent_interrupted_call", payload: { tool: "write", times: 1 } } })
    expect(step.made).toHaveLength(1)
    expect(succeeded(await step.answer(first, true, {}, change)).message).toBe("Done.")
    expect(step.made).toHaveLength(2)
  })

  test("is told as unknown when the person does not want it again", async () => {
    const step = agentStep(script)
    const change = { onCrash: "ask" } as const
    succeeded(await step.answer(await step.crash(BEFORE_THE_END, change), false, {}, change))
    expect(step.made).toHaveLength(1)
    expect(toldOf(step.asked.at(-1)?.request.messages.at(-1))[0]).toContain("not known whether it took effect")
  })

  test("is simply made again when it changes nothing", async () => {
    const step = agentStep([wants(["look"]), answerOf("Seen.")])
    expect(succeeded(await step.crash(BEFORE_THE_END, { onCrash: "fail" })).message).toBe("Seen.")
    expect(step.made).toHaveLength(2)
  })
})

test("wherever an eight-round turn is killed, no recorded answer is asked for again and no finished call is made again", async () => {
  const rounds = 8
  const script = (_: unknown, round: number) =>
    round < rounds ? wants(["look", { n: round }], ["write", { n: round }]) : answerOf("All eight.")
  const whole = agentStep(script, { agent: { maxToolRounds: rounds + 1 } })
  succeeded(await whole.run())
  const commits = whole.notes.length
  expect(commits).toBe(rounds * 4 + 1)

  for (let n = 0; n < commits; n++) {
    const step = agentStep(script, { agent: { maxToolRounds: rounds + 1 } })
    expect(succeeded(await step.crash(n)).message).toBe("All eight.")
    const ends = step.notes.filter(({ data }) => data.phase === "called").map(({ data }) => `${data.round}:${data.call}`)
    expect(ends).toHaveLength(new Set(ends).size)
    expect(ends).toHaveLength(rounds * 2)
    expect(step.asked.length).toBeLessThanOrEqual(rounds + 2)
    const keys = Map.groupBy(step.made, ({ context }) => context.idempotencyKey)
    expect(keys.size).toBe(rounds * 2)
    const again = [...keys.values()].filter(made => made.length > 1).length
    const marked = step.notes.filter(({ data }) => data.phase === "called" && data.repeated === true).length
    expect(marked).toBe(again)
  }
})
