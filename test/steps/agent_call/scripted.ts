import type { Message, ModelAnswer, ModelRequest, ToolRequest } from "../../../src/adapters/llm/llm.ts"
import type { ResolvedModel, ResolveModel } from "../../../src/adapters/llm/resolve.ts"
import type { CallContext, Tool, ToolAnnotations, ToolResult } from "../../../src/connectors/connector.ts"
import type { ResolveForRun } from "../../../src/connectors/resolve.ts"
import { compilePlan } from "../../../src/engine/graph.ts"
import type { Answer, StepNote } from "../../../src/engine/state.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { AttemptOver, type StepJob, type StepOutcome } from "../../../src/runtime/ports.ts"
import type { Exchange } from "../../../src/runtime/recorder.ts"
import type { Agent } from "../../../src/steps/agent_call/agent.ts"
import { createAgentCallExecutor } from "../../../src/steps/agent_call/execute.ts"
import { stepTypes } from "../../../src/steps/registry.ts"
import { answerOf, fakeModels } from "../../helpers/models.ts"

export const AGENT: Agent = {
  id: "a1",
  name: "Clerk",
  instructions: "Be brief.",
  modelRef: "direct.openai.gpt-4o",
  llmParams: {},
  tools: [{ instanceId: "i1", toolNames: null }],
  inputSchema: null,
  outputSchema: null,
  maxToolRounds: 8,
  onLimit: "answer",
  maxTokensPerTurn: null,
  turnTimeoutMs: null,
  confirmTools: [],
  parallelToolCalls: true,
  status: "active",
  pins: {},
}

const OBJECT = { type: "object", properties: { n: { type: "integer" }, text: { type: "string" } }, additionalProperties: false }

export function tool(name: string, annotations: ToolAnnotations = {}, inputSchema: JsonObject = OBJECT): Tool {
  return { name, description: `Does ${name}.`, inputSchema, annotations }
}

/** The model wants these tools, in one answer. */
export function wants(
  ...calls: readonly (readonly [name: string, args?: JsonObject, more?: Partial<ToolRequest>])[]
): ModelAnswer {
  const toolCalls = calls.map(([name, args = {}, more], i) => ({
    id: `c${i}`,
    name,
    args,
    problem: null,
    vendorData: null,
    ...more,
  }))
  return answerOf("", { message: { role: "assistant", text: "", toolCalls, vendorData: null }, finish: "tool_calls" })
}

export type Script =
  | readonly (ModelAnswer | Error)[]
  | ((request: ModelRequest, round: number) => ModelAnswer | Promise<ModelAnswer>)

export interface Made {
  readonly name: string
  readonly args: JsonObject
  readonly context: CallContext
}

export interface Given {
  readonly agent?: Partial<Agent>
  readonly tools?: readonly Tool[]
  /** What the tools answer; default: their arguments. */
  readonly call?: (made: Made) => ToolResult | Promise<ToolResult>
  readonly resolveModel?: ResolveModel
  readonly resolve?: ResolveForRun
  readonly drift?: "run" | "ask" | "fail"
  /** The graph that the step is in. */
  readonly graph?: JsonObject
}

export const RESOLVED = {
  ok: true,
  target: { vendor: "openai", model: "gpt-4o", baseUrl: null, apiKey: "sk-secret-key", options: {} },
  modelRef: "direct.openai.gpt-4o",
  credentialId: "k1",
  credentialScope: "tenant",
  contextWindow: null,
  isListed: true,
  secrets: ["sk-secret-key"],
  costOf: ({ input, output }) => (input ?? 0) + (output ?? 0),
} satisfies ResolvedModel

/** A step that calls an agent, with a model whose answers are written here, and what a journal would keep of it. */
export function agentStep(script: Script, given: Given = {}) {
  const made: Made[] = []
  const notes: StepNote[] = []
  const progress: JsonObject[] = []
  let answers: Answer[] = []
  /** The process ends when it would write its n-th note from here on. */
  let crashAt = Number.POSITIVE_INFINITY
  const rounds = () => notes.filter(({ data }) => data.phase === "answered").length
  const { models, asked } = fakeModels(async ({ request }) => {
    const answer = typeof script === "function" ? await script(request, rounds()) : script[rounds()]
    if (answer === undefined) throw new Error(`the script has no answer to ${JSON.stringify(request.messages.at(-1))}`)
    if (answer instanceof Error) throw answer
    return answer
  })
  const tools = given.tools ?? [tool("look", { readOnlyHint: true }), tool("write")]
  const resolve: ResolveForRun = async () => ({
    ok: true,
    instanceId: "i1",
    slug: "demo",
    config: {},
    connectionId: null,
    server: {
      name: "Demo",
      tools,
      async call(name, args, context) {
        made.push({ name, args, context })
        return (await given.call?.({ name, args, context })) ?? { ok: true, value: args }
      },
    },
  })
  const graph = given.graph ?? { steps: [{ id: "s", type: "agent_call", agent_id: "a1", prompt: "Go" }] }
  const recorded: Exchange[] = []
  const executor = createAgentCallExecutor({
    models,
    resolve: given.resolve ?? resolve,
    resolveModel: given.resolveModel ?? (async () => RESOLVED),
    queued: new Set(),
    recorder: { keep: async (_, exchange) => void recorded.push(exchange) },
    driftPolicyOf: async () => given.drift ?? "run",
    findAgent: async (_, id) => (id === "a1" ? { ...AGENT, ...given.agent } : null),
    plans: { planOf: async () => compilePlan(graph, stepTypes) },
  })

  async function run(change: Partial<StepJob> = {}, signal = new AbortController().signal): Promise<StepOutcome> {
    let alive = true
    const job: StepJob = {
      ...{ tenantId: "acme", projectId: "p1", workflowId: "w", version: 1, runId: "r", userId: "u", depth: 0 },
      ...{ stepId: "s", item: null, stepType: "agent_call", round: 0, attempt: 1, recording: false, idempotencyKey: "r:s:0" },
      config: { agent_id: "a1", prompt: "Go" },
      scope: () => ({}),
      timeoutMs: 5_000,
      answers,
      resumed: false,
      onCrash: "retry",
      notes: [...notes],
      async record(note) {
        await Promise.resolve()
        if (!alive) throw new AttemptOver("the process is gone")
        if (--crashAt < 0) {
          alive = false
          throw new AttemptOver("the process is gone")
        }
        notes.push(JSON.parse(JSON.stringify(note)))
      },
      progress: data => void progress.push(data),
      ...change,
    }
    return await executor.execute(job, signal)
  }

  return {
    ...{ made, notes, progress, asked, recorded, run },
    /** What was asked of a person last is answered so, and the step is executed again. */
    async answer(outcome: StepOutcome, approved: boolean, result: JsonObject = {}, change: Partial<StepJob> = {}) {
      if (!("ask" in outcome)) throw new Error(`nobody was asked: ${JSON.stringify(outcome)}`)
      answers = [...answers, { approved, result, asked: outcome.ask.payload, taskType: outcome.ask.taskType }]
      return await run(change)
    },
    /** Runs until the process would write note `n` (from 0), and ends there; then it is taken over as often as it takes. */
    async crash(n: number, change: Partial<StepJob> = {}) {
      crashAt = n
      const first = await run(change).catch(error => {
        if (error instanceof AttemptOver) return null
        throw error
      })
      crashAt = Number.POSITIVE_INFINITY
      return first ?? (await run({ resumed: true, ...change }))
    },
  }
}

export function succeeded(outcome: StepOutcome): JsonObject {
  if (!outcome.ok || !("result" in outcome)) throw new Error(`the turn did not end well: ${JSON.stringify(outcome)}`)
  return outcome.result as JsonObject
}

export function failed(outcome: StepOutcome): string {
  if (outcome.ok) throw new Error(`the turn did not fail: ${JSON.stringify(outcome)}`)
  return `${outcome.failure.code}: ${outcome.failure.message}`
}

export function toldOf(message: Message | undefined): readonly string[] {
  return message?.role === "tool" ? message.results.map(({ text, isError }) => (isError ? `error: ${text}` : text)) : []
}
