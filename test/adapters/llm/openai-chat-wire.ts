import { isJsonObject, type Json, type JsonObject } from "../../../src/kernel/json.ts"
import { json, list, only, pieces, refuseUnless, type Script, sse, text, USAGE, type Wire } from "./wire.ts"

const KEYS = [
  ...["model", "messages", "temperature", "top_p", "n", "stop", "max_tokens", "max_completion_tokens", "presence_penalty"],
  ...["frequency_penalty", "logit_bias", "user", "seed", "stream", "stream_options", "tools", "tool_choice", "response_format"],
  ...[
    "parallel_tool_calls",
    "reasoning_effort",
    "store",
    "metadata",
    "service_tier",
    "verbosity",
    "prompt_cache_key",
    "logprobs",
  ],
]

export interface ChatRules {
  /** The headers that let one in. */
  readonly isLetIn: (request: Request) => boolean
  readonly path: RegExp
  /** Fields of the body besides OpenAI's. */
  readonly more?: readonly string[]
  readonly listed: JsonObject
  readonly callId?: RegExp
  /** As Mistral: a tool's message may name the tool, and each stream ends with what was used, unasked. */
  readonly asMistral?: boolean
}

/** Chat completions as OpenAI describes them, for OpenAI and those that do as it does. */
export function chatWire({ isLetIn, path, more = [], listed, callId = /^.{1,40}$/, asMistral = false }: ChatRules): Wire {
  const guard = (request: Request) => refuseUnless(isLetIn(request), "Incorrect API key provided: sk-wrong.", 401)
  return {
    check(request, url, body) {
      guard(request)
      refuseUnless(request.method === "POST" && path.test(url.pathname), `Invalid URL (POST ${url.pathname})`, 404)
      only(body, "body", ...KEYS, ...more)
      refuseUnless(typeof body.model === "string", "you must provide a model parameter")
      refuseUnless(
        body.stream_options === undefined || body.stream === true,
        "stream_options is only allowed when stream is enabled",
      )
      refuseUnless(
        body.max_tokens === undefined || body.max_completion_tokens === undefined,
        "max_tokens and max_completion_tokens",
      )
      checkMessages(list(body.messages, "messages"), callId, asMistral)
      if (body.tools !== undefined) checkTools(list(body.tools, "tools"))
      if (body.response_format !== undefined) checkFormat(body.response_format)
    },
    isStream: (_url, body) => body.stream === true,
    answer: (script, body) => ({
      ...head("chat.completion", body),
      choices: [{ index: 0, message: messageOf(script), logprobs: null, finish_reason: finishOf(script) }],
      usage: USED,
    }),
    events: (script, body) => chunks(script, body, asMistral),
    error: (status, message) => ({
      error: { message, type: status === 401 ? "invalid_request_error" : "server_error", param: null, code: codeOf(status) },
    }),
    get(request, url) {
      guard(request)
      refuseUnless(url.pathname.endsWith("/models") || url.pathname.endsWith("/key"), "Invalid URL", 404)
      return listed
    },
  }
}

const USED = {
  prompt_tokens: USAGE.input,
  completion_tokens: USAGE.output,
  total_tokens: USAGE.input + USAGE.output,
  prompt_tokens_details: { cached_tokens: USAGE.cached },
  completion_tokens_details: { reasoning_tokens: USAGE.reasoning },
}

function checkMessages(messages: readonly Json[], callId: RegExp, asMistral: boolean): void {
  refuseUnless(messages.length > 0, "messages is empty")
  let open = new Set<string>()
  for (const [i, message] of messages.entries()) {
    const where = `messages[${i}]`
    refuseUnless(isJsonObject(message), where)
    if (message.role === "tool") {
      only(message, where, "role", "content", "tool_call_id", ...(asMistral ? ["name"] : []))
      const id = text(message.tool_call_id, `${where}.tool_call_id`)
      refuseUnless(open.delete(id), `messages with role 'tool' must be a response to a preceding message with 'tool_calls'`)
      text(message.content, `${where}.content`)
      continue
    }
    refuseUnless(open.size === 0, `An assistant message with 'tool_calls' must be followed by tool messages: ${[...open]}`)
    refuseUnless(["system", "developer", "user", "assistant"].includes(text(message.role, where)), `${where}.role`)
    if (message.role !== "assistant") {
      only(message, where, "role", "content", "name")
      if (typeof message.content !== "string") for (const part of list(message.content, where)) only(part, where, "type", "text")
      continue
    }
    only(message, where, "role", "content", "tool_calls", "refusal", "name")
    const calls = message.tool_calls === undefined ? [] : list(message.tool_calls, where)
    refuseUnless(message.tool_calls === undefined || calls.length > 0, `${where}.tool_calls is empty`)
    refuseUnless(calls.length > 0 || typeof message.content === "string", `${where}.content is null`)
    open = new Set(calls.map(call => callOf(call, where, callId)))
    refuseUnless(open.size === calls.length, "tool call ids repeat")
  }
  refuseUnless(open.size === 0, `An assistant message with 'tool_calls' must be followed by tool messages`)
}

function callOf(call: Json, where: string, callId: RegExp): string {
  only(call, where, "id", "type", "function")
  refuseUnless(call.type === "function", `${where}: type`)
  only(call.function, where, "name", "arguments")
  refuseUnless(/^[a-zA-Z0-9_-]{1,64}$/.test(text(call.function.name, where)), `${where}: name`)
  json(text(call.function.arguments, where), `${where}: arguments`)
  const id = text(call.id, where)
  refuseUnless(callId.test(id), `${where}: id ${id}`)
  return id
}

function checkTools(tools: readonly Json[]): void {
  refuseUnless(tools.length > 0 && tools.length <= 128, "tools: too many or none")
  for (const tool of tools) {
    only(tool, "tools[]", "type", "function")
    only(tool.function, "tools[].function", "name", "description", "parameters", "strict")
    refuseUnless(
      /^[a-zA-Z0-9_-]{1,64}$/.test(text(tool.function.name, "tools[].function.name")),
      "tools[].function.name does not match",
    )
    refuseUnless(
      isJsonObject(tool.function.parameters) && tool.function.parameters.type === "object",
      "schema must be of type object",
    )
  }
}

function checkFormat(format: Json): void {
  only(format, "response_format", "type", "json_schema")
  refuseUnless(["text", "json_object", "json_schema"].includes(text(format.type, "response_format.type")), "response_format.type")
  if (format.type !== "json_schema") return
  only(format.json_schema, "response_format.json_schema", "name", "schema", "strict", "description")
  if (format.json_schema.strict === true) checkStrict(format.json_schema.schema)
}

/** Strict mode wants every object closed, with all of its members required. */
export function checkStrict(schema: Json | undefined): void {
  if (!isJsonObject(schema)) return
  if (schema.type === "object") {
    const names = isJsonObject(schema.properties) ? Object.keys(schema.properties) : []
    refuseUnless(
      schema.additionalProperties === false,
      "Invalid schema: 'additionalProperties' is required to be supplied and to be false",
    )
    const required = list(schema.required, "required")
    refuseUnless(
      names.every(name => required.includes(name)),
      "Invalid schema: 'required' has to include every key in properties",
    )
  }
  for (const value of Object.values(schema)) checkStrict(value)
}

function messageOf({ text: said, calls }: Script): JsonObject {
  const tools = calls?.map(({ id, name, args }) => ({ id, type: "function", function: { name, arguments: args } }))
  return { role: "assistant", content: said ?? null, refusal: null, ...(tools === undefined ? {} : { tool_calls: tools }) }
}

function finishOf({ calls, finish }: Script): string {
  if (finish === "filter") return "content_filter"
  return finish ?? (calls === undefined ? "stop" : "tool_calls")
}

function chunks(script: Script, body: JsonObject, asMistral: boolean): string[] {
  const chunk = (delta: JsonObject, finish: string | null = null) =>
    sse({
      ...head("chat.completion.chunk", body),
      choices: [{ index: 0, delta, finish_reason: finish }],
      ...(asMistral && finish !== null ? { usage: USED } : {}),
    })
  const wantsUsage = isJsonObject(body.stream_options) && body.stream_options.include_usage === true
  return [
    chunk({ role: "assistant", content: "" }),
    ...pieces(script.text ?? "").map(content => chunk({ content })),
    ...(script.calls ?? []).flatMap(({ id, name, args }, index) => [
      chunk({ tool_calls: [{ index, id, type: "function", function: { name, arguments: "" } }] }),
      ...pieces(args).map(part => chunk({ tool_calls: [{ index, function: { arguments: part } }] })),
    ]),
    chunk({}, finishOf(script)),
    ...(wantsUsage ? [sse({ ...head("chat.completion.chunk", body), choices: [], usage: USED })] : []),
    "data: [DONE]\n\n",
  ]
}

function head(object: string, body: JsonObject): JsonObject {
  return { id: "chatcmpl-1", object, created: 1_790_000_000, model: `${body.model}-2026-01-01`, system_fingerprint: "fp_1" }
}

function codeOf(status: number): string | null {
  return status === 401 ? "invalid_api_key" : null
}
