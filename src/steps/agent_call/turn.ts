import type { AssistantMessage, FinishReason, Message, ToolRequest, Usage } from "../../adapters/llm/llm.ts"
import type { StepNote } from "../../engine/state.ts"
import { canonicalJson } from "../../kernel/canonical-json.ts"
import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"

/**
 * A turn, as far as it was recorded: the fold of the step's notes. What is in here was on disk before anything that follows from it
 * was done, so whoever begins with this state goes on where the turn was.
 */
export interface Turn {
  readonly rounds: readonly Round[]
  /** How often a person was asked whether it may go on after its last round, and how often that was allowed. */
  readonly limitsAsked: number
  readonly extensions: number
  /** A person, or the agent's definition, wants its answer now, without further tools. */
  readonly mustAnswer: boolean
}

/** One answer of the model, and what became of the tools that it asked for. */
export interface Round {
  readonly model: string
  readonly message: AssistantMessage
  readonly finish: FinishReason
  readonly usage: Usage
  /** Millionths of a US dollar; null: not known. */
  readonly cost: number | null
  /** By the place of the call in the answer. */
  readonly calls: ReadonlyMap<number, Call>
  /** What the model is told behind the calls, e.g. that it has to answer now. */
  readonly told: string | null
}

export type Call =
  /** Begun, and nobody knows how far it came: it is under way now, or was when the process ended. */
  | { readonly state: "begun"; readonly times: number; readonly args: JsonObject }
  | { readonly state: "ended"; readonly ok: boolean; readonly text: string }

export const NEW_TURN: Turn = { rounds: [], limitsAsked: 0, extensions: 0, mustAnswer: false }

/** What a note says, in `data.phase`. */
export const PHASES = ["answered", "calling", "called", "told", "limit"] as const
export type Phase = (typeof PHASES)[number]

export function turnOf(notes: readonly StepNote[]): Turn {
  return notes.reduce((turn, note) => withNote(turn, note), NEW_TURN)
}

/** The turn with one note more. */
export function withNote(turn: Turn, { data }: StepNote): Turn {
  switch (PHASES.find(phase => phase === data.phase)) {
    case "answered":
      return { ...turn, rounds: [...turn.rounds, roundOf(data)] }
    case "calling":
      return lastRound(turn, round => ({ ...round, calls: begun(round.calls, listOf(data.calls)) }))
    case "called": {
      const ended: Call = { state: "ended", ok: data.ok === true, text: textOf(data.text) }
      return lastRound(turn, round => ({ ...round, calls: new Map(round.calls).set(Number(data.call), ended) }))
    }
    case "told":
      return lastRound(turn, round => ({ ...round, told: textOf(data.text) }))
    case "limit":
      return atLimit(turn, data)
    case undefined:
      return turn
  }
}

function atLimit(turn: Turn, { outcome, text }: JsonObject): Turn {
  if (outcome === "ask") return { ...turn, limitsAsked: turn.limitsAsked + 1 }
  if (outcome === "go_on") return { ...turn, extensions: turn.extensions + 1 }
  if (outcome !== "answer") return turn
  return lastRound({ ...turn, mustAnswer: true }, round => ({ ...round, told: textOf(text) }))
}

function begun(calls: Round["calls"], list: readonly JsonObject[]): Round["calls"] {
  const next = new Map(calls)
  for (const { call, arguments: args } of list) {
    const before = next.get(Number(call))
    const times = before?.state === "begun" ? before.times + 1 : 1
    next.set(Number(call), { state: "begun", times, args: isJsonObject(args) ? args : {} })
  }
  return next
}

function lastRound(turn: Turn, change: (round: Round) => Round): Turn {
  const last = turn.rounds.at(-1)
  return last ? { ...turn, rounds: [...turn.rounds.slice(0, -1), change(last)] } : turn
}

/** An answer as it is recorded. */
export function answerNote(round: number, { model, message, finish, usage, cost }: Omit<Round, "calls" | "told">): JsonObject {
  const { text, toolCalls, vendorData } = message
  return {
    ...{ phase: "answered", round, model, text },
    tool_calls: toolCalls.map(({ id, name, args, problem, vendorData }) => ({
      ...{ id, name, arguments: args },
      ...(problem !== null && { problem }),
      ...(vendorData !== null && { vendor_data: vendorData }),
    })),
    ...(vendorData !== null && { vendor_data: vendorData }),
    finish_reason: finish,
    tokens_in: usage.input,
    tokens_out: usage.output,
    tokens_cached: usage.cachedInput,
    tokens_reasoning: usage.reasoning,
    cost_micro_usd: cost,
  }
}

function roundOf(data: JsonObject): Round {
  return {
    model: textOf(data.model),
    message: {
      role: "assistant",
      text: textOf(data.text),
      toolCalls: listOf(data.tool_calls).map(requestOf),
      vendorData: data.vendor_data ?? null,
    },
    finish: textOf(data.finish_reason) as FinishReason, // as `answerNote` wrote it
    usage: {
      input: numberOf(data.tokens_in),
      output: numberOf(data.tokens_out),
      cachedInput: numberOf(data.tokens_cached),
      reasoning: numberOf(data.tokens_reasoning),
    },
    cost: numberOf(data.cost_micro_usd),
    calls: new Map(),
    told: null,
  }
}

function requestOf(call: JsonObject): ToolRequest {
  return {
    id: textOf(call.id),
    name: textOf(call.name),
    args: isJsonObject(call.arguments) ? call.arguments : {},
    problem: typeof call.problem === "string" ? call.problem : null,
    vendorData: call.vendor_data ?? null,
  }
}

function listOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : []
}

function numberOf(value: Json | undefined): number | null {
  return typeof value === "number" ? value : null
}

/** The conversation so far. Every call that the model asked for has its answer, or the last round is still under way. */
export function messagesOf(turn: Turn, prompt: string): readonly Message[] {
  return [{ role: "user", text: prompt }, ...turn.rounds.flatMap(messagesOfRound)]
}

function messagesOfRound({ message, calls, told }: Round): readonly Message[] {
  const results = message.toolCalls.map(({ id, name, problem }, i) => {
    const call = calls.get(i)
    const ended = call?.state === "ended" ? call : { ok: false, text: problem ?? "This call was not made." }
    return { id, name, text: ended.text, isError: !ended.ok }
  })
  return [
    message,
    ...(results.length > 0 ? [{ role: "tool" as const, results }] : []),
    ...(told === null ? [] : [{ role: "user" as const, text: told }]),
  ]
}

/** Rounds in which the model asked for tools. */
export function toolRounds({ rounds }: Turn): number {
  return rounds.filter(({ message }) => message.toolCalls.length > 0).length
}

/** Tokens of the whole turn, where the vendor does not say by a rule of thumb: a limit has to hold all the same. */
export function tokensUsed({ rounds }: Turn): number {
  return rounds.reduce((sum, { usage, message }) => {
    const output = usage.output ?? Math.ceil(JSON.stringify(message).length / 4)
    return sum + (usage.input ?? output) + output
  }, 0)
}

/** A call that each of the last `times` answers asked for with the same arguments; null: there is none. */
export function repeatedCall({ rounds }: Turn, times: number): string | null {
  const last = rounds.slice(-times)
  if (last.length < times) return null
  const [first, ...others] = last.map(({ message }) => new Map(message.toolCalls.map(call => [nameOfCall(call), call.name])))
  for (const [key, name] of first ?? []) if (others.every(other => other.has(key))) return name
  return null
}

/** Models do not keep to one order of members. */
function nameOfCall({ name, args }: ToolRequest): string {
  return `${name} ${canonicalJson(args)}`
}
