import { AGENT_SAME_CALL_MAX } from "../../kernel/limits.ts"
import { OWN_TOOLS } from "./own-tools.ts"
import { type Round, repeatedCall, type Turn, tokensUsed, toolRounds } from "./turn.ts"

/** What the definition, and the step, allow a turn. */
export interface TurnLimits {
  readonly maxToolRounds: number
  /** Null: none. */
  readonly maxTokens: number | null
  /** Millionths of a US dollar; null: none. */
  readonly maxCost: number | null
}

/** What a turn does next. Pure: the same notes always lead to the same step. */
export type Next =
  | { readonly do: "ask_model" }
  /** Calls of the last answer that have no end yet, by their place in it. */
  | { readonly do: "call"; readonly open: readonly number[] }
  | { readonly do: "limit" }
  /** The model has answered, or ended its turn by one of its own tools. */
  | { readonly do: "end" }
  | { readonly do: "fail"; readonly message: string }

export function nextOf(turn: Turn, limits: TurnLimits): Next {
  const last = turn.rounds.at(-1)
  if (!last) return { do: "ask_model" }
  if (last.message.toolCalls.length === 0) return last.told === null ? { do: "end" } : asked(turn, limits)
  if (turn.mustAnswer && last.told === null)
    return failed(`the agent used its ${allowed(turn, limits)} tool rounds, and did not answer without tools`)
  const same = repeatedCall(turn, AGENT_SAME_CALL_MAX)
  if (same !== null) {
    return failed(
      `the agent asked for ${same} with the same arguments ${AGENT_SAME_CALL_MAX} times in a row, so its turn was ended`,
    )
  }
  const open = openCalls(last)
  if (open.length > 0) return { do: "call", open }
  if (endedByOwnTool(last)) return { do: "end" }
  if (toolRounds(turn) >= allowed(turn, limits) && last.told === null) return { do: "limit" }
  return asked(turn, limits)
}

/** The place of the own tool's call that ended the turn. */
export function endedByOwnTool({ message, calls }: Round): boolean {
  return message.toolCalls.some(({ name }, i) => OWN_TOOLS.has(name) && isOk(calls.get(i)))
}

export function isOk(call: ReturnType<Round["calls"]["get"]>): boolean {
  return call?.state === "ended" && call.ok
}

function asked(turn: Turn, { maxTokens, maxCost }: TurnLimits): Next {
  const used = tokensUsed(turn)
  if (maxTokens !== null && used >= maxTokens) {
    return failed(`the agent's turn used ${used} tokens, and it may use ${maxTokens} (max_tokens_per_turn)`)
  }
  const problem = maxCost === null ? null : costProblem(turn, maxCost)
  return problem === null ? { do: "ask_model" } : failed(problem)
}

/** A limit that cannot be held is not passed over: where one price is unknown, so is the sum. */
function costProblem({ rounds }: Turn, maxCost: number): string | null {
  const unpriced = rounds.find(({ cost }) => cost === null)
  if (unpriced) return `what ${unpriced.model} costs is not known, so max_cost_micro_usd cannot be held`
  const spent = rounds.reduce((sum, { cost }) => sum + (cost ?? 0), 0)
  return spent < maxCost ? null : `the agent's turn cost ${spent} micro-USD, and it may cost ${maxCost} (max_cost_micro_usd)`
}

function allowed({ extensions }: Turn, { maxToolRounds }: TurnLimits): number {
  return maxToolRounds * (1 + extensions)
}

/** What the model wrote too badly to be called has its answer already. */
function openCalls({ message, calls }: Round): readonly number[] {
  return message.toolCalls.flatMap(({ problem }, i) => (problem === null && calls.get(i)?.state !== "ended" ? [i] : []))
}

function failed(message: string): Next {
  return { do: "fail", message }
}
