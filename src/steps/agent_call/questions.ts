import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import type { Ask, StepJob, StepOutcome } from "../../runtime/ports.ts"
import { shown } from "../shown.ts"
import type { AgentTool } from "./toolbox.ts"

type Answer = StepJob["answers"][number]

/** A call that the model wants, as a person is asked about it. */
export interface AskedCall {
  readonly agent: string
  readonly round: number
  /** Its place in the answer. */
  readonly call: number
  readonly args: JsonObject
  readonly tool: AgentTool
}

const CONFIRM = "agent_tool_call"
const INTERRUPTED = "agent_interrupted_call"
const LIMIT = "agent_turn_limit"

/** The word of a person on exactly this call: a word on other arguments is none on these. */
export function confirmation(answers: readonly Answer[], asked: AskedCall): Answer | null {
  return answers.findLast(answer => answer.taskType === CONFIRM && isAbout(answer, asked)) ?? null
}

/** `problem`: what is wrong with the arguments that the person gave last. */
export function askConfirmation(asked: AskedCall, problem: string | null): StepOutcome {
  const { agent, tool } = asked
  const what = `The agent ${agent} wants to call ${tool.tool.name} of ${tool.instance.slug}. Approve it, with other arguments in result.arguments if they should be different; reject it, and the agent is told.`
  return ask(CONFIRM, {
    title: `Call ${tool.tool.name}?`,
    description: problem === null ? what : `${what} The arguments that were given do not fit: ${problem}`,
    ...payloadOf(asked),
  })
}

/** `times`: how often the call was begun. A word on the crash before is none on this one. */
export function interruption(answers: readonly Answer[], asked: AskedCall, times: number): Answer | null {
  const isIt = (answer: Answer) => isJsonObject(answer.asked) && answer.asked.times === times && isAbout(answer, asked)
  return answers.findLast(answer => answer.taskType === INTERRUPTED && isIt(answer)) ?? null
}

export function askInterruption(asked: AskedCall, times: number): StepOutcome {
  const { tool } = asked
  return ask(INTERRUPTED, {
    title: `Call ${tool.tool.name} again?`,
    description: `The process ended while ${tool.tool.name} of ${tool.instance.slug} was being called, so nobody knows whether it took effect. Approve to call it again, with the same idempotency key; reject, and the agent is told that it is not known.`,
    ...payloadOf(asked),
    times,
  })
}

/** `extensions`: how often it was allowed before. */
export function goingOn(answers: readonly Answer[], extensions: number): Answer | null {
  const isIt = ({ taskType, asked }: Answer) => taskType === LIMIT && isJsonObject(asked) && asked.extensions === extensions
  return answers.findLast(isIt) ?? null
}

export function askToGoOn(agent: string, rounds: number, more: number, extensions: number): StepOutcome {
  return ask(LIMIT, {
    title: `Let ${agent} go on?`,
    description: `The agent has used its ${rounds} rounds of tool calls. Approve for ${more} more; reject, and it answers with what it has.`,
    ...{ rounds, extensions },
  })
}

function payloadOf({ agent, round, call, args, tool }: AskedCall): JsonObject {
  return { agent, tool: tool.tool.name, server: tool.instance.slug, arguments: shown(args), round, call }
}

function isAbout({ asked }: Answer, { round, call, args, tool }: AskedCall): boolean {
  if (!isJsonObject(asked)) return false
  const sameCall = asked.round === round && asked.call === call && asked.tool === tool.tool.name
  return sameCall && asked.server === tool.instance.slug && JSON.stringify(asked.arguments) === JSON.stringify(shown(args))
}

function ask(taskType: Ask["taskType"], payload: Json): StepOutcome {
  return { ok: true, ask: { taskType, payload, expiresInMs: null } }
}
