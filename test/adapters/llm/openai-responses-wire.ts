import { isJsonObject, type Json, type JsonObject } from "../../../src/kernel/json.ts"
import { checkStrict } from "./openai-chat-wire.ts"
import { json, list, only, pieces, refuseUnless, type Script, SIGNATURE, sse, text, USAGE, type Wire } from "./wire.ts"

const KEYS = [
  ...["model", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls", "include"],
  ...[
    "previous_response_id",
    "reasoning",
    "service_tier",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "text",
    "tool_choice",
  ],
  ...[
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
    "user",
    "prompt_cache_key",
    "safety_identifier",
    "background",
    "conversation",
  ],
]

export interface ResponsesRules {
  readonly isLetIn: (request: Request) => boolean
  readonly path: RegExp
}

/** The responses API as OpenAI describes it. */
export function responsesWire({ isLetIn, path }: ResponsesRules): Wire {
  const guard = (request: Request) => refuseUnless(isLetIn(request), "Incorrect API key provided: sk-wrong.", 401)
  return {
    check(request, url, body) {
      guard(request)
      refuseUnless(request.method === "POST" && path.test(url.pathname), `Invalid URL (POST ${url.pathname})`, 404)
      only(body, "body", ...KEYS)
      text(body.model, "model")
      checkInput(list(body.input, "input"))
      for (const tool of body.tools === undefined ? [] : list(body.tools, "tools")) checkTool(tool)
      if (body.text !== undefined) checkText(body.text)
      if (body.reasoning !== undefined) only(body.reasoning, "reasoning", "effort", "summary", "generate_summary")
      const include = body.include === undefined ? [] : list(body.include, "include")
      refuseUnless(
        include.every(one => one === "reasoning.encrypted_content"),
        "include: unknown value",
      )
    },
    isStream: (_url, body) => body.stream === true,
    answer: (script, body) => responseOf(script, body),
    events: (script, body) => events(script, body),
    error: (status, message) => ({
      error: { message, type: "invalid_request_error", param: null, code: status === 401 ? "invalid_api_key" : null },
    }),
    get(request, url) {
      guard(request)
      refuseUnless(url.pathname.endsWith("/models"), "Invalid URL", 404)
      return { object: "list", data: [{ id: "gpt-5.4", object: "model", created: 1, owned_by: "openai" }] }
    },
  }
}

function checkInput(items: readonly Json[]): void {
  const open = new Set<string>()
  for (const [i, item] of items.entries()) {
    const where = `input[${i}]`
    refuseUnless(isJsonObject(item), where)
    const next = items[i + 1]
    switch (item.type ?? "message") {
      case "message":
        checkMessage(item, where)
        break
      case "reasoning":
        only(item, where, "type", "id", "summary", "content", "encrypted_content", "status")
        refuseUnless(text(item.id, where).startsWith("rs_"), `Invalid '${where}.id'`)
        list(item.summary, `${where}.summary`)
        refuseUnless(item.encrypted_content === SIGNATURE, `${where}: the encrypted content could not be verified`)
        refuseUnless(
          isJsonObject(next) && next.role !== "user",
          `Item '${item.id}' of type 'reasoning' was provided without its required following item.`,
        )
        break
      case "function_call":
        only(item, where, "type", "id", "call_id", "name", "arguments", "status")
        refuseUnless(item.id === undefined || text(item.id, where).startsWith("fc_"), `Invalid '${where}.id'`)
        refuseUnless(/^[a-zA-Z0-9_-]{1,64}$/.test(text(item.name, where)), `Invalid '${where}.name'`)
        json(text(item.arguments, where), `${where}.arguments`)
        open.add(text(item.call_id, where))
        break
      case "function_call_output":
        only(item, where, "type", "id", "call_id", "output", "status")
        refuseUnless(
          open.delete(text(item.call_id, where)),
          `No tool call found for function call output with call_id ${item.call_id}.`,
        )
        text(item.output, `${where}.output`)
        break
      default:
        refuseUnless(false, `Invalid value: '${item.type}'`)
    }
  }
  refuseUnless(open.size === 0, `No tool output found for function call ${[...open]}.`)
}

function checkMessage(item: JsonObject, where: string): void {
  only(item, where, "type", "role", "content", "id", "status", "phase")
  refuseUnless(["user", "assistant", "system", "developer"].includes(text(item.role, where)), `${where}.role`)
  refuseUnless(item.id === undefined || text(item.id, where).startsWith("msg_"), `Invalid '${where}.id'`)
  if (typeof item.content === "string") return
  for (const part of list(item.content, where)) {
    only(part, where, "type", "text", "annotations", "logprobs")
    refuseUnless(part.type === (item.role === "assistant" ? "output_text" : "input_text"), `${where}.content: type ${part.type}`)
  }
}

function checkTool(tool: Json): void {
  only(tool, "tools[]", "type", "name", "description", "parameters", "strict")
  refuseUnless(tool.type === "function" && typeof tool.strict === "boolean", "tools[]: type, strict")
  refuseUnless(/^[a-zA-Z0-9_-]{1,64}$/.test(text(tool.name, "tools[].name")), "tools[].name")
  refuseUnless(isJsonObject(tool.parameters) && tool.parameters.type === "object", "tools[].parameters")
  if (tool.strict) checkStrict(tool.parameters)
}

function checkText(value: Json): void {
  only(value, "text", "format", "verbosity")
  only(value.format, "text.format", "type", "name", "schema", "strict", "description")
  if (value.format.strict === true) checkStrict(value.format.schema)
}

function itemsOf(script: Script): JsonObject[] {
  const thought =
    script.thought === undefined ? [] : [{ id: "rs_1", type: "reasoning", summary: [], encrypted_content: SIGNATURE }]
  const said =
    script.text === undefined
      ? []
      : [
          {
            id: "msg_1",
            type: "message",
            status: "completed",
            role: "assistant",
            content: [{ type: "output_text", text: script.text, annotations: [], logprobs: [] }],
          },
        ]
  const calls = (script.calls ?? []).map(({ id, name, args }, i) => ({
    ...{ id: `fc_${i + 1}`, type: "function_call", status: "completed" },
    ...{ call_id: id, name, arguments: args },
  }))
  return [...thought, ...said, ...calls]
}

function responseOf(script: Script, body: JsonObject): JsonObject {
  const reason = script.finish === "length" ? "max_output_tokens" : script.finish === "filter" ? "content_filter" : null
  return {
    ...{ id: "resp_1", object: "response", created_at: 1_790_000_000, model: `${body.model}-2026-01-01`, error: null },
    ...{ status: reason === null ? "completed" : "incomplete", incomplete_details: reason === null ? null : { reason } },
    output: itemsOf(script),
    usage: {
      input_tokens: USAGE.input,
      input_tokens_details: { cached_tokens: USAGE.cached },
      output_tokens: USAGE.output,
      output_tokens_details: { reasoning_tokens: USAGE.reasoning },
      total_tokens: USAGE.input + USAGE.output,
    },
  }
}

function events(script: Script, body: JsonObject): string[] {
  const whole = responseOf(script, body)
  let number = 0
  const event = (type: string, data: JsonObject) => sse({ type, sequence_number: number++, ...data }, type)
  const begun = { ...whole, status: "in_progress", output: [], usage: null, incomplete_details: null }
  const items = itemsOf(script).flatMap((item, output_index): string[] => {
    const added = (empty: JsonObject) =>
      event("response.output_item.added", { output_index, item: { ...item, status: "in_progress", ...empty } })
    const done = () => event("response.output_item.done", { output_index, item })
    const at = { item_id: item.id ?? "", output_index }
    if (item.type === "reasoning") return [added({ summary: [] }), done()]
    if (item.type === "message") {
      const deltas = pieces(script.text ?? "").map(delta =>
        event("response.output_text.delta", { ...at, content_index: 0, delta, logprobs: [] }),
      )
      return [added({ content: [] }), ...deltas, done()]
    }
    const args = String(item.arguments)
    const deltas = pieces(args).map(delta => event("response.function_call_arguments.delta", { ...at, delta }))
    return [
      added({ arguments: "" }),
      ...deltas,
      event("response.function_call_arguments.done", { ...at, arguments: args }),
      done(),
    ]
  })
  const end = whole.status === "completed" ? "response.completed" : "response.incomplete"
  return [
    event("response.created", { response: begun }),
    event("response.in_progress", { response: begun }),
    ...items,
    event(end, { response: whole }),
  ]
}
