import { ModelFailure } from "../../adapters/llm/llm.ts"
import type { ResolvedModel } from "../../adapters/llm/resolve.ts"
import { asker } from "../../kernel/asker.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { AGENT_ANSWER_MAX_CHARS } from "../../kernel/limits.ts"
import { createMask, type Mask } from "../../kernel/masked.ts"
import { type ReadParams, readParams } from "../llm_call/params.ts"
import { ShownText } from "../llm_call/shown-text.ts"
import type { OutputCheck } from "../llm_call/structured.ts"
import { recordedModels } from "../recorded.ts"
import type { Agent } from "./agent.ts"
import { ownTools, type Reach } from "./own-tools.ts"
import { systemOf } from "./prompt.ts"
import { modelTools, type Toolbox } from "./toolbox.ts"
import { answerNote, messagesOf } from "./turn.ts"
import type { Work } from "./work.ts"

export interface Model {
  readonly ok: true
  readonly found: ResolvedModel
  readonly params: Extract<ReadParams, { ok: true }>
}

/** The agent's model with its key, as both are now. */
export async function modelOf(
  { deps, job }: Work,
  agent: Agent,
): Promise<Model | { readonly ok: false; readonly message: string }> {
  const params = readParams(agent.llmParams)
  if (!params.ok) return params
  const { tenantId } = job
  const wish = { tenantId, modelRef: agent.modelRef, model: null, credentialId: null, credentialScope: null }
  const found = await deps.resolveModel(wish)
  return found.ok ? { ok: true, found, params } : found
}

export interface Question {
  readonly agent: Agent
  readonly prompt: string
  readonly toolbox: Toolbox
  readonly reach: Reach
  readonly check: OutputCheck | null
}

/** Asks the model once and records its answer. What it warned of. */
export async function askModel(work: Work, { found, params }: Model, question: Question): Promise<readonly string[]> {
  const { deps, job, signal, turn } = work
  const { agent, prompt, toolbox, reach, check } = question
  const mask = createMask(found.secrets)
  const round = turn.rounds.length + 1
  const text = new ShownText(mask, data => job.progress({ round, ...data }))
  const request = {
    system: systemOf(agent),
    messages: messagesOf(turn, prompt),
    tools: [...modelTools(toolbox), ...ownTools(reach)],
    params: params.params,
    output: agent.outputSchema,
  }
  const options = {
    asker: asker(`model ${found.modelRef}`, job),
    signal,
    timeoutMs: Math.max(1, Math.floor(work.leftMs())),
    onText: (delta: string) => text.add(delta, performance.now()),
  }
  const models = recordedModels(deps.models, deps.recorder, job, { ...found, mask })
  const answer = await models.complete(found.target, request, options).catch(error => {
    throw error instanceof ModelFailure ? new ModelFailure(error.problem, mask.text(error.message), error.more) : error
  })
  signal.throwIfAborted()
  const { message, finish, usage } = answer
  const cost = found.costOf(usage)
  const note = maskedNote(answerNote(round, { model: answer.model, message, finish, usage, cost }), mask)
  const size = JSON.stringify(note).length
  if (size > AGENT_ANSWER_MAX_CHARS) {
    const sentence = `one answer of the agent's model has ${size} characters, and ${AGENT_ANSWER_MAX_CHARS} are kept at the most`
    throw new ModelFailure("bad_answer", sentence, { retryable: false, usage })
  }
  const isLast = message.toolCalls.length === 0 && (check === null || check(message.text).ok)
  await work.record({ type: isLast ? "agent_turn_ended" : "agent_turn_tool_round", data: note })
  const ignored = params.ignored.map(name => `llm_params.${name} is not known here, and was not sent`)
  return [...ignored, ...answer.warnings.map(warning => mask.text(warning))]
}

function maskedNote(note: JsonObject, mask: Mask): JsonObject {
  return mask.json(note) as JsonObject // an object stays one
}
