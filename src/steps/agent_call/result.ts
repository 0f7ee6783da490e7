import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import type { StepJob, StepOutcome } from "../../runtime/ports.ts"
import { isOk } from "./next.ts"
import { endingOf, OWN_TOOLS, type Reach } from "./own-tools.ts"
import type { Turn } from "./turn.ts"

/** How a turn that came to its end shows as the step's result (contract §3.4, §4.6). `output`: what fits the agent's schema. */
export interface TurnEnd {
  readonly output: Json | undefined
  readonly modelRef: string
  readonly reach: Reach
}

export function resultOf(job: StepJob, turn: Turn, { output, modelRef, reach }: TurnEnd): JsonObject {
  const last = turn.rounds.at(-1)!
  const own = last.message.toolCalls.find(({ name }, i) => OWN_TOOLS.has(name) && isOk(last.calls.get(i)))
  const ending = own === undefined ? null : endingOf(own, reach)
  const said = ending === null || typeof ending === "string" ? saidIn(output, reach) : ending
  const fields = output === undefined ? said.result : isJsonObject(output) ? output : { value: output }
  return {
    message: last.message.text,
    turn_id: job.idempotencyKey,
    result: fields,
    ...(output !== undefined && { output }),
    ...(said.handoff !== null && { handoff: { ...said.handoff } }),
    done: said.done,
    rounds: turn.rounds.length,
    tool_calls: turn.rounds.reduce((sum, { message }) => sum + message.toolCalls.length, 0),
    ...figuresOf(turn),
    model: last.model,
    model_ref: modelRef,
    finish_reason: last.finish,
  }
}

/** What the whole turn took; null as soon as one part is not known. */
export function figuresOf({ rounds }: Turn): JsonObject {
  return {
    tokens_in: sum(rounds.map(({ usage }) => usage.input)),
    tokens_out: sum(rounds.map(({ usage }) => usage.output)),
    cost_micro_usd: sum(rounds.map(({ cost }) => cost)),
  }
}

export function succeeded(result: JsonObject, warnings: readonly string[]): StepOutcome {
  const told = [...new Set(warnings)].map(message => ({ code: "agent_turn", message }))
  return { ok: true, result, ...(told.length > 0 && { warnings: told }) }
}

/** Fields of a structured answer say the same as the own tools do. */
function saidIn(output: Json | undefined, { targets, isEpisode }: Reach) {
  const nothing = { handoff: null, done: false, result: {} }
  if (!isEpisode || !isJsonObject(output)) return nothing
  const { handoff, done } = output
  const isTo = isJsonObject(handoff) && typeof handoff.to === "string" && targets.includes(handoff.to)
  const payload = isTo && isJsonObject(handoff.payload) ? handoff.payload : {}
  return { ...nothing, handoff: isTo ? { to: String(handoff.to), payload } : null, done: done === true }
}

function sum(parts: readonly (number | null)[]): number | null {
  return parts.reduce<number | null>((total, part) => (total === null || part === null ? null : total + part), 0)
}
