import { createArgumentCheck } from "../../connectors/arguments.ts"
import type { ToolResult } from "../../connectors/connector.ts"
import type { StepNote } from "../../engine/state.ts"
import { asker } from "../../kernel/asker.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import { AGENT_CALLS_PARALLEL_MAX, AGENT_TOOL_ANSWER_MAX_CHARS, MCP_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"
import type { StepOutcome } from "../../runtime/ports.ts"
import { callInTime } from "../mcp_call/call-in-time.ts"
import { recordedTool } from "../recorded.ts"
import type { Agent } from "./agent.ts"
import { endingOf, OWN_TOOLS, type Reach } from "./own-tools.ts"
import { type AskedCall, askConfirmation, askInterruption, confirmation, interruption } from "./questions.ts"
import { type AgentTool, isConfirmed, type Toolbox } from "./toolbox.ts"
import type { Round } from "./turn.ts"
import { failure, type Work } from "./work.ts"

/** What the calls of one answer are made with. */
export interface Calling {
  readonly work: Work
  readonly agent: Agent
  readonly toolbox: Toolbox
  readonly reach: Reach
}

/** A call that will be made now. */
interface Ready {
  readonly call: number
  readonly tool: AgentTool
  readonly args: JsonObject
  /** It was under way when the process ended. */
  readonly repeated: boolean
}

type Prepared =
  | { readonly kind: "ready"; readonly ready: Ready }
  /** Nothing is called; that is what the model is told. */
  | { readonly kind: "told"; readonly ok: boolean; readonly text: string }
  /** A person is asked, or the step fails. */
  | { readonly kind: "stop"; readonly outcome: StepOutcome }

const check = createArgumentCheck()

/**
 * Makes the calls of the last answer that have no end yet. What was begun before and has no end was under way when the process
 * ended. Null: all have ended; else what the step says instead.
 */
export async function makeCalls(calling: Calling, round: Round, open: readonly number[]): Promise<StepOutcome | null> {
  const { work, agent } = calling
  const number = work.turn.rounds.length
  const prepared = open.map(call => ({ call, prepared: prepare(calling, round, number, call) }))
  const stops = prepared.flatMap(({ prepared }) => (prepared.kind === "stop" ? [prepared.outcome] : []))
  const failed = stops.find(outcome => !outcome.ok)
  if (failed) return failed
  for (const { call, prepared: one } of prepared) {
    if (one.kind === "told") await work.record(note({ phase: "called", round: number, call, ok: one.ok, text: one.text }))
  }
  const ready = prepared.flatMap(({ prepared }) => (prepared.kind === "ready" ? [prepared.ready] : []))
  const atOnce = agent.parallelToolCalls ? AGENT_CALLS_PARALLEL_MAX : 1
  for (let from = 0; from < ready.length; from += atOnce) await makeTogether(work, number, ready.slice(from, from + atOnce))
  return stops[0] ?? null
}

function prepare({ work, agent, toolbox, reach }: Calling, round: Round, number: number, call: number): Prepared {
  const request = round.message.toolCalls[call]!
  if (OWN_TOOLS.has(request.name) && !toolbox.byName.has(request.name)) {
    const ending = endingOf(request, reach)
    return typeof ending === "string" ? told(ending) : { kind: "told", ok: true, text: "Your turn ends." }
  }
  const tool = toolbox.byName.get(request.name)
  if (!tool) return told(unknownTool(request.name, toolbox))
  const before = round.calls.get(call)
  const asked = { agent: agent.name, round: number, call, tool }
  if (before?.state === "begun") return interrupted(work, { ...asked, args: before.args }, before.times)
  const checked = check(tool.tool, request.args)
  if (!checked.ok) return told(checked.message)
  if (isConfirmed(agent, tool)) return confirmed(work, { ...asked, args: checked.args })
  return { kind: "ready", ready: { call, tool, args: checked.args, repeated: false } }
}

function confirmed({ job }: Work, asked: AskedCall): Prepared {
  const { call, tool, args } = asked
  const answer = confirmation(job.answers, asked)
  if (!answer) return { kind: "stop", outcome: askConfirmation(asked, null) }
  if (!answer.approved) return told(refusal(answer.result))
  const given = answer.result.arguments
  const other = Object.keys(answer.result).find(key => key !== "arguments" && !WORDS.has(key))
  // Whoever edited in another place must not find that the call was made as it was.
  if (other !== undefined) return { kind: "stop", outcome: askConfirmation(asked, misplaced(other)) }
  if (given === undefined) return { kind: "ready", ready: { call, tool, args, repeated: false } }
  const checked = isJsonObject(given) ? check(tool.tool, given) : { ok: false as const, message: "arguments is not an object" }
  if (!checked.ok) return { kind: "stop", outcome: askConfirmation(asked, checked.message) }
  return { kind: "ready", ready: { call, tool, args: checked.args, repeated: false } }
}

/** A call that changes nothing, or the same twice, is simply made again; of others the step says what to do (`on_crash`). */
function interrupted({ job }: Work, asked: AskedCall, times: number): Prepared {
  const { call, tool, args } = asked
  const again: Prepared = { kind: "ready", ready: { call, tool, args, repeated: true } }
  const { readOnlyHint, idempotentHint } = tool.tool.annotations ?? {}
  if (readOnlyHint === true || idempotentHint === true || job.onCrash === "retry") return again
  if (job.onCrash === "fail") {
    const message = `the process ended while ${tool.tool.name} of ${tool.instance.slug} was being called, and it is not to be called again then (on_crash: fail); look whether it took effect`
    return { kind: "stop", outcome: failure(message) }
  }
  const answer = interruption(job.answers, asked, times)
  if (!answer) return { kind: "stop", outcome: askInterruption(asked, times) }
  return answer.approved
    ? again
    : told("The call was interrupted. It is not known whether it took effect, and it was not made again.")
}

/** Written down before any of them is made; each again when it has ended. */
async function makeTogether(work: Work, round: number, ready: readonly Ready[]): Promise<void> {
  const calls = ready.map(({ call, tool, args, repeated }) => ({
    ...{ call, tool: tool.tool.name, instance_id: tool.instance.instanceId, arguments: args },
    idempotency_key: keyOf(work, round, call),
    ...(repeated && { repeated }),
  }))
  await work.record(note({ phase: "calling", round, calls }))
  const made = await Promise.allSettled(ready.map(one => makeOne(work, round, one)))
  // What one of them could not write down ends the turn, but not before the others have.
  for (const one of made) if (one.status === "rejected") throw one.reason
}

async function makeOne(work: Work, round: number, { call, tool, args, repeated }: Ready): Promise<void> {
  const startedAt = performance.now()
  const result = await callTool(work, keyOf(work, round, call), tool, args)
  // Nobody knows what becomes of a call that was called off: it keeps its beginning without an end.
  work.signal.throwIfAborted()
  const text = result.ok ? shown(JSON.stringify(result.value)) : shown(result.message)
  const durationMs = Math.round(performance.now() - startedAt)
  await work.record(
    note({
      ...{ phase: "called", round, call, tool: tool.tool.name, ok: result.ok, text, duration_ms: durationMs },
      ...(repeated && { repeated }),
    }),
  )
}

async function callTool(
  work: Work,
  idempotencyKey: string,
  { tool, instance }: AgentTool,
  args: JsonObject,
): Promise<ToolResult> {
  const { job, signal, deps } = work
  const timeoutMs = Math.max(1, Math.floor(Math.min(MCP_TIMEOUT_DEFAULT_MS, work.leftMs())))
  const context = {
    config: instance.config,
    scope: { tenantId: job.tenantId, projectId: job.projectId },
    ...{ timeoutMs, idempotencyKey },
    asker: asker(`tool ${instance.slug} ${tool.name}`, job),
  }
  const call = () =>
    deps.queued.has(instance.slug)
      ? instance.server.call(tool.name, args, { ...context, signal })
      : callInTime(signal, context, timeoutMs, within => instance.server.call(tool.name, args, within))
  return await recordedTool(deps.recorder, job, signal, { server: instance.instanceId, tool: tool.name, args }, call)
}

/** By its place and not by its id, which is the model's own text and need not be there, or be one of a kind. */
function keyOf({ job }: Work, round: number, call: number): string {
  return `${job.idempotencyKey}:${round}:${call}`
}

function shown(text: string): string {
  if (text.length <= AGENT_TOOL_ANSWER_MAX_CHARS) return text
  return `${text.slice(0, AGENT_TOOL_ANSWER_MAX_CHARS)}… (cut: ${text.length} characters in all; ask for less)`
}

/** Where people put what they have to say about a call. */
const WORDS: ReadonlySet<string> = new Set(["reason", "comment", "note"])

function misplaced(key: string): string {
  return `result has ${key.slice(0, 100)}; the arguments are taken from result.arguments, and all of them have to be there`
}

function refusal(result: JsonObject): string {
  const said = [...WORDS].map(key => result[key]).find(one => typeof one === "string" && one !== "")
  return `A person decided against this call.${typeof said === "string" ? ` They said: ${said}` : ""}`
}

function unknownTool(name: string, { byName }: Toolbox): string {
  const names = [...byName.keys()]
  return names.length === 0 ? "You have no tools." : `There is no tool ${name.slice(0, 100)}. There are: ${names.join(", ")}.`
}

function told(text: string): Prepared {
  return { kind: "told", ok: false, text: shown(text) }
}

function note(data: StepNote["data"]): StepNote {
  return { type: "agent_turn_tool_round", data }
}
