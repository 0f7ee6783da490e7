import { cut } from "../../kernel/cut.ts"
import { isJsonObject } from "../../kernel/json.ts"
import { LLM_TOOL_CALLS_KEPT_MAX, LLM_TOOL_CALLS_MAX } from "../../kernel/limits.ts"
import { parsedJson } from "../../kernel/nesting.ts"
import { jsonWithin } from "./json-text.ts"
import { keptOfCall, keptParts } from "./kept-parts.ts"
import {
  type FinishReason,
  type ModelAnswer,
  ModelFailure,
  type ModelRequest,
  type ModelTarget,
  type ToolRequest,
  type Usage,
} from "./llm.ts"
import type { SdkAnswer, SdkContent } from "./sdk.ts"
import type { ToolNames } from "./tool-names.ts"

type ToolCallContent = Extract<SdkContent, { type: "tool-call" }>

/** An answer in the SDK's words, whole, from one body or from a stream. */
export type WholeAnswer = Pick<SdkAnswer, "content" | "finishReason" | "usage" | "warnings"> & {
  readonly model: string | undefined
}

export function answerOf(target: ModelTarget, request: ModelRequest, names: ToolNames, whole: WholeAnswer): ModelAnswer {
  const { content } = whole
  const usage = usageOf(whole.usage)
  const calls = content.filter((part): part is ToolCallContent => part.type === "tool-call" && part.providerExecuted !== true)
  if (calls.length > LLM_TOOL_CALLS_KEPT_MAX) {
    const sentence = `the model asked for ${calls.length} tool calls at once, and ${LLM_TOOL_CALLS_KEPT_MAX} are looked at`
    throw new ModelFailure("bad_answer", sentence, { retryable: false, usage })
  }
  const toolCalls = toolRequests(calls, request, names)
  const text = content.map(part => (part.type === "text" ? part.text : "")).join("")
  const finish = finishOf(whole.finishReason.unified, toolCalls.length)
  if (whole.finishReason.unified === "error") {
    const said = whole.finishReason.raw === undefined ? "" : ` (${whole.finishReason.raw.slice(0, 100)})`
    throw new ModelFailure("bad_answer", `the model broke its answer off${said}`, { retryable: true, usage })
  }
  if (content.length === 0 && whole.finishReason.unified === "other" && whole.finishReason.raw === undefined) {
    throw new ModelFailure("bad_answer", "the answer is empty", { retryable: true, usage })
  }
  return {
    model: whole.model ?? target.model,
    message: {
      role: "assistant",
      text: request.output !== null && toolCalls.length === 0 ? jsonWithin(text) : text,
      toolCalls,
      vendorData: keptParts(
        target,
        content,
        toolCalls.map(call => call.id),
      ),
    },
    finish,
    usage,
    warnings: whole.warnings.map(warningOf),
  }
}

export function usageOf(usage: SdkAnswer["usage"]): Usage {
  return {
    input: tokens(usage.inputTokens.total),
    output: tokens(usage.outputTokens.total),
    cachedInput: tokens(usage.inputTokens.cacheRead),
    reasoning: tokens(usage.outputTokens.reasoning),
  }
}

function tokens(count: number | undefined): number | null {
  return count !== undefined && Number.isFinite(count) && count >= 0 ? Math.round(count) : null
}

function toolRequests(calls: readonly ToolCallContent[], { tools }: ModelRequest, names: ToolNames): ToolRequest[] {
  const ids = new Set<string>()
  return calls.map((call, index) => {
    const name = names.own(call.toolName)
    const { args, problem } = argsOf(call.input)
    const id = freeId(call.toolCallId, index, ids)
    ids.add(id)
    return {
      id,
      name: name ?? call.toolName,
      args,
      problem:
        index >= LLM_TOOL_CALLS_MAX
          ? `At most ${LLM_TOOL_CALLS_MAX} tools are called at once: ask for this one again with the next answer.`
          : name === null
            ? unknownTool(
                call.toolName,
                tools.map(tool => tool.name),
              )
            : problem,
      vendorData: keptOfCall(call.providerMetadata),
    }
  })
}

/** Local servers give none at times, or the same to each call. */
function freeId(id: string | undefined, index: number, taken: ReadonlySet<string>): string {
  if (id !== undefined && id !== "" && !taken.has(id)) return id
  let free = `call_${index}`
  while (taken.has(free)) free += "_"
  return free
}

function argsOf(input: string | null | undefined): Pick<ToolRequest, "args" | "problem"> {
  const text = input ?? ""
  // Some vendors leave out what has no members.
  if (text.trim() === "") return { args: {}, problem: null }
  const args = parsedJson(text)
  if (isJsonObject(args)) return { args, problem: null }
  if (args !== undefined) return { args: {}, problem: "The arguments have to be a JSON object." }
  return { args: {}, problem: `The arguments are no JSON: ${cut(text, 300)}` }
}

function unknownTool(name: string, known: readonly string[]): string {
  const list = known.length === 0 ? "There are no tools." : `There are: ${known.slice(0, 50).join(", ")}.`
  return `There is no tool ${name.slice(0, 100)}. ${list}`
}

function finishOf(unified: SdkAnswer["finishReason"]["unified"], calls: number): FinishReason {
  switch (unified) {
    case "stop":
    case "tool-calls":
      // Local servers say `stop` with calls, too.
      return calls > 0 ? "tool_calls" : "stop"
    case "length":
      return "length"
    case "content-filter":
      return "content_filter"
    default:
      return calls > 0 ? "tool_calls" : "other"
  }
}

function warningOf(warning: SdkAnswer["warnings"][number]): string {
  switch (warning.type) {
    case "unsupported":
      return `${warning.feature} is not sent to this model${warning.details === undefined ? "" : `: ${warning.details}`}`
    case "compatibility":
      return `${warning.feature}: ${warning.details ?? "sent in another form"}`
    case "deprecated":
      return `${warning.setting}: ${warning.message}`
    case "other":
      return warning.message
  }
}
