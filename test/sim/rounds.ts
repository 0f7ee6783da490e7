import type { StepNote } from "../../src/engine/state.ts"
import { isJsonObject, type JsonObject } from "../../src/kernel/json.ts"
import type { StepJob } from "../../src/runtime/ports.ts"

/** A call of a turn: `2` is the model's of the third round, `2.0` the first tool that it asked for. */
export interface RoundCall {
  readonly name: string
  /** The same whenever this call is made. */
  readonly key: string
  /** True when it was begun before, by an attempt that recorded no end of it. */
  readonly again: boolean
}

/** How many tools each round calls, by its number. */
export type Rounds = readonly number[]

/**
 * The skeleton of a turn: in each round a model call, then its tool calls, all at once; each is recorded before it is made and when
 * it has ended, and what has ended is not made again. Throws what `record` and the calls throw.
 */
export async function workInRounds(job: StepJob, rounds: Rounds, call: (call: RoundCall) => Promise<void>): Promise<void> {
  const did = new Set(job.notes.map(({ data }) => `${data.did} ${data.call}`))
  const make = async (name: string) => {
    if (did.has(`end ${name}`)) return
    const again = did.has(`begin ${name}`)
    await job.record(noteOf("begin", name, rounds))
    await call({ name, key: `${job.idempotencyKey}/${name}`, again })
    await job.record(noteOf("end", name, rounds))
  }
  for (const [round, tools] of rounds.entries()) {
    await make(`${round}`)
    // One that failed does not leave the others alone: what they answer is still recorded.
    const made = await Promise.allSettled(Array.from({ length: tools }, (_, i) => make(`${round}.${i}`)))
    for (const one of made) if (one.status === "rejected") throw one.reason
  }
}

function noteOf(did: "begin" | "end", call: string, rounds: Rounds): StepNote {
  return { type: "agent_turn_tool_round", data: { did, call, calls: callsOf(rounds) } }
}

export function callsOf(rounds: Rounds): number {
  return rounds.reduce((sum, tools) => sum + 1 + tools, 0)
}

/** Names of the calls that have ended, as often as they are said to have. */
export function ended(notes: readonly { readonly data: JsonObject }[]): readonly string[] {
  return notes.flatMap(({ data }) => (data.did === "end" && typeof data.call === "string" ? [data.call] : []))
}

/** Null when the notes are those of a whole turn, each call ended once; else a sentence. */
export function whatIsMissing(notes: readonly { readonly data: JsonObject }[]): string | null {
  const calls = notes.find(n => isJsonObject(n.data) && typeof n.data.calls === "number")?.data.calls ?? 0
  const ends = ended(notes)
  if (new Set(ends).size !== ends.length) return `a call ended twice: ${ends}`
  return ends.length === calls ? null : `${ends.length} of ${calls} calls ended: ${ends}`
}
