import { isJsonObject, type Json, type JsonObject } from "../../../src/kernel/json.ts"
import { list, only, pieces, refuseUnless, type Script, SIGNATURE, sse, text, USAGE, type Wire } from "./wire.ts"

const KEYS = [
  ...["model", "messages", "max_tokens", "system", "stop_sequences", "stream", "temperature", "top_k", "top_p", "tools"],
  ...["tool_choice", "metadata", "thinking", "service_tier", "output_config", "cache_control"],
]

/** The messages API as Anthropic describes it. */
export function anthropicWire(key: string): Wire {
  const guard = (request: Request) => {
    refuseUnless(request.headers.get("x-api-key") === key, "invalid x-api-key", 401)
    refuseUnless(request.headers.get("anthropic-version") === "2023-06-01", "anthropic-version: header is required")
  }
  return {
    check(request, url, body) {
      guard(request)
      refuseUnless(request.method === "POST" && url.pathname === "/v1/messages", "Not Found", 404)
      only(body, "body", ...KEYS)
      text(body.model, "model")
      refuseUnless(typeof body.max_tokens === "number" && body.max_tokens > 0, "max_tokens: Field required")
      refuseUnless(
        body.temperature === undefined || (Number(body.temperature) >= 0 && Number(body.temperature) <= 1),
        "temperature: range: 0..1",
      )
      for (const tool of body.tools === undefined ? [] : list(body.tools, "tools")) checkTool(tool)
      checkMessages(list(body.messages, "messages"))
      if (body.output_config !== undefined) only(body.output_config, "output_config", "format", "effort")
    },
    isStream: (_url, body) => body.stream === true,
    answer: (script, body) => ({
      ...message(body),
      content: blocksOf(script),
      stop_reason: stopOf(script),
      stop_sequence: null,
      usage: USED,
    }),
    events,
    error: (status, said) => ({
      type: "error",
      error: { type: TYPES[status] ?? "api_error", message: said },
      request_id: "req_1",
    }),
    get(request, url) {
      guard(request)
      refuseUnless(url.pathname === "/v1/models", "Not Found", 404)
      return {
        data: [{ id: "claude-opus-5-5", type: "model", display_name: "Claude", created_at: "2026-01-01T00:00:00Z" }],
        has_more: false,
      }
    },
  }
}

const TYPES: Readonly<Record<number, string>> = {
  400: "invalid_request_error",
  401: "authentication_error",
  404: "not_found_error",
}

/** Cached tokens are beside the others here. */
const USED = {
  input_tokens: USAGE.input - USAGE.cached,
  cache_read_input_tokens: USAGE.cached,
  cache_creation_input_tokens: 0,
  output_tokens: USAGE.output,
}

function checkTool(tool: Json): void {
  only(tool, "tools[]", "name", "description", "input_schema", "cache_control", "type", "strict")
  refuseUnless(/^[a-zA-Z0-9_-]{1,128}$/.test(text(tool.name, "tools[].name")), "tools[].name: String should match pattern")
  refuseUnless(
    isJsonObject(tool.input_schema) && tool.input_schema.type === "object",
    "tools[].input_schema.type: Field required",
  )
}

function checkMessages(messages: readonly Json[]): void {
  let open: string[] = []
  for (const [i, message] of messages.entries()) {
    const where = `messages.${i}`
    only(message, where, "role", "content")
    refuseUnless(
      message.role === (i % 2 === 0 ? "user" : "assistant"),
      "messages: roles must alternate between user and assistant",
    )
    const blocks = typeof message.content === "string" ? [{ type: "text", text: message.content }] : list(message.content, where)
    refuseUnless(blocks.length > 0, `${where}: all messages must have non-empty content`)
    const results = blocks.flatMap((block, at) => (message.role === "user" ? (resultOf(block, where, at) ?? []) : []))
    refuseUnless(
      open.length === results.length && open.every(id => results.includes(id)),
      `${where}: tool_use ids were found without tool_result blocks immediately after: ${open.join(", ")}`,
    )
    open = message.role === "assistant" ? blocks.flatMap((block, at) => useOf(block, where, at === blocks.length - 1) ?? []) : []
  }
  refuseUnless(open.length === 0, "tool_use ids were found without tool_result blocks")
}

function resultOf(block: Json, where: string, at: number): string | null {
  refuseUnless(isJsonObject(block), where)
  if (block.type === "text") {
    only(block, `${where}.content.${at}`, "type", "text", "cache_control")
    refuseUnless(text(block.text, where) !== "", `${where}: text content blocks must be non-empty`)
    return null
  }
  only(block, `${where}.content.${at}`, "type", "tool_use_id", "content", "is_error", "cache_control")
  refuseUnless(block.type === "tool_result", `${where}: type ${block.type}`)
  return text(block.tool_use_id, where)
}

function useOf(block: Json, where: string, isLast: boolean): string | null {
  refuseUnless(isJsonObject(block), where)
  switch (block.type) {
    case "text":
      only(block, where, "type", "text", "cache_control", "citations")
      refuseUnless(text(block.text, where) !== "", `${where}: text content blocks must be non-empty`)
      return null
    case "thinking":
      only(block, where, "type", "thinking", "signature")
      refuseUnless(block.signature === SIGNATURE, `${where}: Invalid \`signature\` in \`thinking\` block`)
      refuseUnless(!isLast, `${where}: The final block in an assistant message cannot be \`thinking\``)
      return null
    default: {
      only(block, where, "type", "id", "name", "input", "cache_control", "caller")
      refuseUnless(
        block.type === "tool_use" && isJsonObject(block.input),
        `${where}: tool_use.input: Input should be a valid dictionary`,
      )
      const id = text(block.id, where)
      refuseUnless(/^[a-zA-Z0-9_-]+$/.test(id), `${where}: tool_use.id: String should match pattern`)
      return id
    }
  }
}

function message(body: JsonObject): JsonObject {
  return { id: "msg_1", type: "message", role: "assistant", model: `${body.model}-20260101` }
}

function blocksOf({ thought, text: said, calls }: Script): JsonObject[] {
  return [
    ...(thought === undefined ? [] : [{ type: "thinking", thinking: thought, signature: SIGNATURE }]),
    ...(said === undefined ? [] : [{ type: "text", text: said }]),
    ...(calls ?? []).map(({ id, name, args }) => ({ type: "tool_use", id, name, input: JSON.parse(args) })),
  ]
}

function stopOf({ calls, finish }: Script): string {
  if (finish === "length") return "max_tokens"
  if (finish === "filter") return "refusal"
  return calls === undefined ? "end_turn" : "tool_use"
}

function events(script: Script, body: JsonObject): string[] {
  const event = (type: string, data: JsonObject) => sse({ type, ...data }, type)
  const blocks = blocksOf(script).flatMap((block, index) => {
    const delta = (of: JsonObject) => event("content_block_delta", { index, delta: of })
    const [empty, deltas] =
      block.type === "thinking"
        ? [
            { type: "thinking", thinking: "", signature: "" },
            [
              ...pieces(String(block.thinking)).map(thinking => delta({ type: "thinking_delta", thinking })),
              delta({ type: "signature_delta", signature: SIGNATURE }),
            ],
          ]
        : block.type === "text"
          ? [{ type: "text", text: "" }, pieces(String(block.text)).map(piece => delta({ type: "text_delta", text: piece }))]
          : [
              { ...block, input: {} },
              pieces(JSON.stringify(block.input)).map(partial_json => delta({ type: "input_json_delta", partial_json })),
            ]
    return [event("content_block_start", { index, content_block: empty }), ...deltas, event("content_block_stop", { index })]
  })
  const started = { ...message(body), content: [], stop_reason: null, stop_sequence: null, usage: { ...USED, output_tokens: 1 } }
  return [
    event("message_start", { message: started }),
    event("ping", {}),
    ...blocks,
    event("message_delta", {
      delta: { stop_reason: stopOf(script), stop_sequence: null },
      usage: { output_tokens: USAGE.output },
    }),
    event("message_stop", {}),
  ]
}
