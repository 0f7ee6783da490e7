import type { JsonObject } from "../../kernel/json.ts"
import { partsOf } from "./kept-parts.ts"
import type { Message, ModelParams, ModelRequest, ModelTarget } from "./llm.ts"
import type { SdkCall, SdkMessage, SdkMetadata } from "./sdk.ts"
import type { ToolNames } from "./tool-names.ts"

/** What a vendor's driver says about how a request goes to it. */
export interface RequestForm {
  /** The SDK's own options of this vendor. */
  readonly providerOptions?: SdkMetadata
  /** The vendor takes no schema with this request: the instructions say it. */
  readonly instructOutput?: boolean
  readonly reasoning?: SdkCall["reasoning"]
}

const REASONING = ["none", "minimal", "low", "medium", "high", "xhigh"] as const

/** `reasoning_effort` where it is one of those that all vendors' effort is translated from. */
export function reasoningOf(params: ModelParams): (typeof REASONING)[number] | undefined {
  return REASONING.find(effort => effort === params.reasoning_effort)
}

export function sdkCall(target: ModelTarget, request: ModelRequest, names: ToolNames, form: RequestForm): SdkCall {
  const { params, output } = request
  const system = [request.system, output !== null && form.instructOutput === true ? instructions(output) : null]
  const said = system.filter(text => text !== null && text !== "").join("\n\n")
  return {
    prompt: [
      ...(said === "" ? [] : [{ role: "system" as const, content: said }]),
      // An answer of nothing is a message that most vendors refuse.
      ...request.messages.map(message => sdkMessage(target, message, names)).filter(message => message.content.length > 0),
    ],
    ...(request.tools.length === 0 ? {} : { tools: request.tools.map(tool => sdkTool(tool, names)) }),
    ...(output === null || form.instructOutput === true
      ? {}
      : { responseFormat: { type: "json" as const, schema: output as Schema, name: "answer" } }),
    ...given("temperature", params.temperature),
    ...given("topP", params.top_p),
    ...given("topK", params.top_k),
    ...given("maxOutputTokens", params.max_tokens),
    ...given("stopSequences", params.stop === undefined ? undefined : [...params.stop]),
    ...given("seed", params.seed),
    ...given("presencePenalty", params.presence_penalty),
    ...given("frequencyPenalty", params.frequency_penalty),
    ...given("reasoning", form.reasoning),
    ...given("providerOptions", form.providerOptions),
  }
}

// JSON Schema of users: the SDK passes it on, it need not be of its draft.
type Schema = Extract<NonNullable<SdkCall["responseFormat"]>, { type: "json" }>["schema"] & object

function sdkTool(tool: ModelRequest["tools"][number], names: ToolNames) {
  return {
    type: "function" as const,
    name: names.wire(tool.name),
    ...(tool.description === "" ? {} : { description: tool.description }),
    // Vendors want it said that arguments are an object, and with which members, if with none.
    inputSchema: { type: "object", properties: {}, ...tool.inputSchema } as Schema,
  }
}

function sdkMessage(target: ModelTarget, message: Message, names: ToolNames): SdkMessage {
  switch (message.role) {
    case "user":
      return { role: "user", content: [{ type: "text", text: message.text }] }
    case "assistant":
      return { role: "assistant", content: partsOf(target, message, names) }
    case "tool":
      return {
        role: "tool",
        content: message.results.map(result => ({
          type: "tool-result",
          toolCallId: result.id,
          toolName: names.wire(result.name),
          output: { type: result.isError ? "error-text" : "text", value: result.text },
        })),
      }
  }
}

function instructions(schema: JsonObject): string {
  return `Answer with nothing but one JSON value that fits this JSON Schema, without a code fence:\n${JSON.stringify(schema)}`
}

function given<Key extends string, Value>(key: Key, value: Value | undefined): { [K in Key]?: Value } {
  return value === undefined ? {} : ({ [key]: value } as { [K in Key]: Value })
}
