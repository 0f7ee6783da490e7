import { expect, test } from "bun:test"
import type { Models } from "../../src/adapters/llm/llm.ts"
import type { ResolveModel } from "../../src/adapters/llm/resolve.ts"
import type { ToolResult } from "../../src/connectors/connector.ts"
import { compilePlan } from "../../src/engine/graph.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import { createAgentCallExecutor } from "../../src/steps/agent_call/execute.ts"
import { stepTypes } from "../../src/steps/registry.ts"
import { answerOf } from "../helpers/models.ts"
import { AGENT, tool, wants } from "../steps/agent_call/scripted.ts"
import { killAtEveryCommit, type Process, type Subject } from "./every-commit.ts"

/** What the model wants in each round: how many calls that change something, and how many that only look. */
const ROUNDS = [
  { write: 1, look: 1 },
  { write: 0, look: 1 },
  { write: 3, look: 0 },
  { write: 1, look: 0 },
  { write: 0, look: 2 },
  { write: 2, look: 1 },
  { write: 1, look: 0 },
  { write: 1, look: 1 },
]
const CALLS = ROUNDS.reduce((sum, { write, look }) => sum + write + look, 0)

const TARGET = { vendor: "openai", model: "m", baseUrl: null, apiKey: null, options: {} } as const
const resolveModel: ResolveModel = async () => ({
  ...{ ok: true, target: TARGET, modelRef: "direct.openai.m", credentialId: null, credentialScope: "tenant" },
  ...{ contextWindow: null, isListed: true, secrets: [], costOf: () => null },
})

const answerTo = (round: number) => {
  const { write, look } = ROUNDS[round] ?? { write: 0, look: 0 }
  const calls = [...Array(write).fill("write"), ...Array(look).fill("look")]
  return calls.length === 0 ? answerOf("Done.") : wants(...calls.map((name, n) => [name, { n: round * 10 + n }] as const))
}

/** A turn of eight rounds of the agent that the program has, and a world outside that notices what it is asked. */
function turn() {
  const made: { readonly key: string; readonly name: string; readonly process: number }[] = []
  const asked: number[] = []
  const wrong: string[] = []
  const plan = compilePlan({ steps: [{ id: "ask", type: "agent_call", agent_id: "a1", prompt: "Go" }] }, stepTypes)
  const subject: Subject = {
    plan,
    executors(process: Process) {
      const recorded = (phase: string) =>
        process.events().flatMap(({ event }) => {
          const data: JsonObject = "stepId" in event ? (event.data as JsonObject) : {}
          return data.phase === phase ? [data] : []
        })
      const call = (name: string, key: string): Promise<ToolResult> =>
        process.reach(async () => {
          const begun = recorded("calling").some(({ calls }) => JSON.stringify(calls).includes(key))
          const ended = recorded("called").some(({ round, call }) => key.endsWith(`:${round}:${call}`))
          if (!begun) wrong.push(`${key} was called before that was on the disk`)
          if (ended) wrong.push(`${key} was called, and had ended`)
          made.push({ key, name, process: process.number })
          return { ok: true, value: { key } }
        })
      const models: Pick<Models, "complete"> = {
        complete: (_, request) =>
          process.reach(async () => {
            const round = request.messages.filter(({ role }) => role === "assistant").length
            if (recorded("answered").length !== round) wrong.push(`the model is asked for answer ${round}, which is recorded`)
            asked.push(round)
            return answerTo(round)
          }),
      }
      const tools = [tool("look", { readOnlyHint: true }), tool("write")]
      const server = {
        name: "Demo",
        tools,
        call: (name: string, _: JsonObject, c: { idempotencyKey: string }) => call(name, c.idempotencyKey),
      }
      const agent = createAgentCallExecutor({
        models: { ...models, list: async () => [] },
        ...{
          resolveModel,
          queued: new Set<string>(),
          plans: { planOf: async () => plan },
          driftPolicyOf: async () => "run" as const,
        },
        recorder: { keep: async () => {} },
        findAgent: async () => ({ ...AGENT, maxToolRounds: ROUNDS.length + 1 }),
        resolve: async () => ({ ok: true, instanceId: "i1", slug: "demo", config: {}, connectionId: null, server }),
      })
      return new Map([["agent_call", agent]])
    },
  }
  return { ...subject, made, asked, wrong }
}

test("an agent's turn of eight rounds, killed at any commit, asks for no answer and makes no call again that is recorded", async () => {
  const commits = await killAtEveryCommit(turn, ({ made, asked, wrong }, { state, events }, kill) => {
    const where = JSON.stringify(kill)
    expect([where, state.status, wrong]).toEqual([where, "completed", []])
    const data = events.map(({ event }) => ("stepId" in event ? (event.data as JsonObject) : {}))
    const ends = data.filter(({ phase }) => phase === "called")
    expect([where, ends.length, new Set(ends.map(({ round, call }) => `${round}:${call}`)).size]).toEqual([where, CALLS, CALLS])
    // Only the answer that was under way is asked for twice.
    expect([where, new Set(asked).size]).toEqual([where, ROUNDS.length + 1])
    expect(asked.length).toBeLessThanOrEqual(ROUNDS.length + (kill ? 2 : 1))
    const byKey = Map.groupBy(made, ({ key }) => key)
    expect([where, byKey.size]).toEqual([where, CALLS])
    const begun = data.filter(({ phase }) => phase === "calling").flatMap(({ calls }) => calls as readonly JsonObject[])
    for (const [key, times] of byKey) {
      const notes = begun.filter(({ idempotency_key }) => idempotency_key === key)
      expect([where, key, times.length <= notes.length, notes.length <= 2]).toEqual([where, key, true, true])
      expect([where, key, notes.map(({ repeated = false }) => repeated)]).toEqual([
        where,
        key,
        [false, true].slice(0, notes.length),
      ])
    }
  })

  // The start, three for each round, one for each call that ends by itself, the answer.
  expect(commits).toBeGreaterThan(3 * ROUNDS.length)
  console.log(`agent turn: killed at each of ${commits} commits, in two ways`)
}, 60_000)
