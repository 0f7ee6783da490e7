import { EgressRefused } from "../../adapters/egress/errors.ts"
import { ModelFailure } from "../../adapters/llm/llm.ts"
import { AGENT_ROUNDS_DEFAULT, AGENT_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"
import type { StepExecutor, StepJob, StepOutcome } from "../../runtime/ports.ts"
import { type OutputCheck, outputCheck } from "../llm_call/structured.ts"
import { type Agent, ON_LIMIT, type OnLimit } from "./agent.ts"
import { makeCalls } from "./calls.ts"
import { askModel, modelOf } from "./model.ts"
import { endedByOwnTool, nextOf, type TurnLimits } from "./next.ts"
import { type Reach, reachOf } from "./own-tools.ts"
import { promptOf } from "./prompt.ts"
import { askToGoOn, goingOn } from "./questions.ts"
import { resultOf, succeeded } from "./result.ts"
import { openToolbox } from "./toolbox.ts"
import { toolRounds } from "./turn.ts"
import { type AgentCallDeps, failure, Work } from "./work.ts"

/**
 * One turn of an agent. Whatever it did is in the job's notes before it goes on, so an execution begins where the last one was: after
 * a crash, after a question to a person, in the next attempt.
 */
export function createAgentCallExecutor(deps: AgentCallDeps): StepExecutor {
  return {
    resumes: true,
    async execute(job, signal) {
      const startedAt = performance.now()
      const prepared = await prepare(deps, job)
      if (!prepared.ok) return prepared.outcome
      const { agent } = prepared.plan
      const limitMs = Math.min(job.timeoutMs ?? AGENT_TIMEOUT_DEFAULT_MS, agent.turnTimeoutMs ?? Number.POSITIVE_INFINITY)
      const deadline = startedAt + limitMs
      const timer = new AbortController()
      const timeout = setTimeout(() => timer.abort(new DOMException("the time is up", "TimeoutError")), limitMs)
      try {
        return await work(new Work(deps, job, AbortSignal.any([signal, timer.signal]), deadline), prepared.plan)
      } catch (error) {
        if (signal.aborted) return failure("the turn was cancelled")
        if (timer.signal.aborted)
          return failure(`the agent's turn took longer than ${limitMs / 1000} s`, { retryable: true, timeout: true })
        if (error instanceof ModelFailure) return failedModel(error)
        if (error instanceof EgressRefused) return failure(error.message)
        throw error
      } finally {
        clearTimeout(timeout)
      }
    },
  }
}

/** What stays the same for one execution. */
interface Plan {
  readonly agent: Agent
  readonly prompt: string
  readonly limits: TurnLimits
  readonly onLimit: OnLimit
  readonly check: OutputCheck | null
  readonly reach: Reach
}

type Prepared = { readonly ok: true; readonly plan: Plan } | { readonly ok: false; readonly outcome: StepOutcome }

async function prepare(deps: AgentCallDeps, job: StepJob): Promise<Prepared> {
  const { agent_id, model_ref, max_tool_rounds, max_cost_micro_usd, on_limit } = job.config
  const id = typeof agent_id === "string" ? agent_id.trim() : ""
  const found = await deps.findAgent(job, id)
  if (!found) return stopped("agent_id names no agent of this project; see GET /v1/agents")
  if (found.status === "disabled") return stopped(`the agent ${found.name} is disabled`)
  const modelRef = typeof model_ref === "string" && model_ref.trim() !== "" ? model_ref.trim() : found.modelRef
  const agent = { ...found, modelRef }
  const read = promptOf(job.config, agent)
  if (!read.ok) return stopped(read.message)
  const made = agent.outputSchema === null ? { ok: true as const, check: null } : outputCheck(agent.outputSchema)
  if (!made.ok) return stopped(made.message)
  const rounds = typeof max_tool_rounds === "number" ? max_tool_rounds : (agent.maxToolRounds ?? AGENT_ROUNDS_DEFAULT)
  return {
    ok: true,
    plan: {
      ...{ agent, prompt: read.prompt, check: made.check },
      limits: {
        ...{ maxToolRounds: rounds, maxTokens: agent.maxTokensPerTurn },
        maxCost: typeof max_cost_micro_usd === "number" ? max_cost_micro_usd : null,
      },
      onLimit: ON_LIMIT.find(one => one === on_limit) ?? agent.onLimit,
      reach: await reachOf(deps.plans, job),
    },
  }
}

async function work(work: Work, plan: Plan): Promise<StepOutcome> {
  const warnings: string[] = []
  for (;;) {
    work.signal.throwIfAborted()
    const next = nextOf(work.turn, plan.limits)
    switch (next.do) {
      case "fail":
        return failure(next.message)
      case "end": {
        const end = await finish(work, plan, warnings)
        if (end) return end
        break
      }
      case "limit": {
        const stop = await atLimit(work, plan)
        if (stop) return stop
        break
      }
      case "call":
      case "ask_model": {
        // Looked up each time: a key may have been revoked meanwhile, an access token renewed, a tool taken away.
        const opened = await openToolbox(work.deps, work.job, plan.agent)
        if (!opened.ok) return failure(opened.message)
        const { toolbox } = opened
        warnings.push(...toolbox.warnings)
        if (next.do === "call") {
          const stop = await makeCalls({ work, ...plan, toolbox }, work.turn.rounds.at(-1)!, next.open)
          if (stop) return stop
          break
        }
        const model = await modelOf(work, plan.agent)
        if (!model.ok) return failure(model.message)
        warnings.push(...(await askModel(work, model, { ...plan, toolbox })))
      }
    }
  }
}

/** Null: the answer does not fit the schema, and the model was told so. */
async function finish(work: Work, { agent, check, reach }: Plan, warnings: readonly string[]): Promise<StepOutcome | null> {
  const { turn, job } = work
  const last = turn.rounds.at(-1)!
  const modelRef = agent.modelRef
  if (last.finish === "content_filter" && last.message.text === "")
    return failure("the model's vendor held its answer back (content filter)")
  if (check === null || endedByOwnTool(last)) {
    return succeeded(resultOf(job, turn, { output: undefined, modelRef, reach }), warnings)
  }
  const checked = check(last.message.text)
  if (checked.ok) return succeeded(resultOf(job, turn, { output: checked.output, modelRef, reach }), warnings)
  const wasTold = turn.rounds.some(({ message, told }) => message.toolCalls.length === 0 && told !== null)
  if (wasTold) {
    const message = `the agent's answer does not fit its output_schema, and neither does its second try: ${checked.problem}`
    return failure(message)
  }
  const text = `That answer does not fit the JSON Schema that was asked for: ${checked.problem}. Answer again, with nothing but JSON that fits it.`
  await work.record({ type: "agent_turn_tool_round", data: { phase: "told", round: turn.rounds.length, text } })
  return null
}

/** Null: the turn goes on, to answer or with further rounds. */
async function atLimit(work: Work, { agent, limits, onLimit }: Plan): Promise<StepOutcome | null> {
  const { turn, job } = work
  const rounds = toolRounds(turn)
  const data = { phase: "limit", limit: "max_tool_rounds", max_tool_rounds: limits.maxToolRounds, rounds }
  const reached = (outcome: string, text?: string) =>
    work.record({ type: "agent_turn_limit_reached", data: { ...data, outcome, ...(text !== undefined && { text }) } })
  if (onLimit === "fail") {
    await reached("fail")
    return failure(`the agent used all of its ${rounds} tool rounds (max_tool_rounds) without an answer`)
  }
  const answer = goingOn(job.answers, turn.extensions)
  if (onLimit === "ask" && !answer) {
    if (turn.limitsAsked <= turn.extensions) await reached("ask")
    return askToGoOn(agent.name, rounds, limits.maxToolRounds, turn.extensions)
  }
  if (onLimit === "ask" && answer?.approved) {
    await work.record({ type: "agent_turn_tool_round", data: { ...data, outcome: "go_on" } })
    return null
  }
  await reached(
    "answer",
    `You have used all of your ${rounds} rounds of tool calls. Answer now with what you know; no tool can be called any more.`,
  )
  return null
}

function stopped(message: string): Prepared {
  return { ok: false, outcome: failure(message) }
}

function failedModel({ message, problem, more }: ModelFailure): StepOutcome {
  const { retryable, retryAfterMs } = more
  return failure(message, {
    retryable,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    ...(problem === "timeout" && { timeout: true as const }),
  })
}
