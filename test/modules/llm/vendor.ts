import type { JsonObject } from "../../../src/kernel/json.ts"

/** What the vendor does with one request. */
export type Reply =
  | { readonly text: string; readonly pauseMs?: number }
  | { readonly status: number; readonly error: string; readonly headers?: Record<string, string> }

const KNOWN = new Set([
  ...["model", "messages", "stream", "stream_options", "temperature", "top_p", "top_k", "max_tokens", "stop", "seed"],
  ...["response_format", "presence_penalty", "frequency_penalty", "reasoning_effort", "num_ctx"],
])

/** A vendor of chat completions, as strict as its public description: what it does not know it refuses. */
export function startVendor(given: { readonly key?: string; readonly models?: readonly string[] } = {}) {
  const state = {
    key: given.key ?? null,
    models: given.models ?? ["m-1", "vendor/m.2:latest"],
    reply: (_body: JsonObject): Reply => ({ text: "Hello!" }),
  }
  const requests: { readonly path: string; readonly authorization: string | null; readonly body: JsonObject | null }[] = []

  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const authorization = request.headers.get("authorization")
      const body = request.method === "POST" ? ((await request.json()) as JsonObject) : null
      requests.push({ path: `${request.method} ${pathname}`, authorization, body })
      if (state.key !== null && authorization !== `Bearer ${state.key}`)
        return refusal(401, `Incorrect API key provided: ${authorization}. You can find yours in the console.`)
      if (request.method === "GET" && pathname === "/v1/models")
        return Response.json({ object: "list", data: state.models.map(id => ({ id, object: "model", context_length: 4_096 })) })
      if (request.method !== "POST" || pathname !== "/v1/chat/completions" || body === null) return refusal(404, "no such route")
      const odd = problemOf(body)
      if (odd !== null) return refusal(400, odd)
      if (!state.models.includes(String(body.model))) return refusal(404, `The model ${body.model} does not exist`)
      const reply = state.reply(body)
      if ("status" in reply) return refusal(reply.status, reply.error, reply.headers)
      return new Response(stream(String(body.model), reply), { headers: { "content-type": "text/event-stream" } })
    },
  })
  return {
    state,
    requests,
    url: `http://127.0.0.1:${server.port}/v1`,
    host: `127.0.0.1:${server.port}`,
    chats: () => requests.filter(({ path }) => path.endsWith("/chat/completions")),
    close: () => server.stop(true),
  }
}

function problemOf(body: JsonObject): string | null {
  const unknown = Object.keys(body).find(key => !KNOWN.has(key))
  if (unknown !== undefined) return `Unrecognized request argument supplied: ${unknown}`
  const { messages, stream: isStream, stream_options } = body
  if (!Array.isArray(messages) || messages.length === 0) return "'messages' is required"
  const roles = messages.map(message => (message as JsonObject).role)
  if (roles.some(role => !["system", "user", "assistant"].includes(String(role)))) return "unknown role"
  if (isStream !== true) return "this vendor only streams"
  return JSON.stringify(stream_options) === '{"include_usage":true}' ? null : "stream_options.include_usage is required"
}

function refusal(status: number, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ error: { message, type: "error", param: null, code: null } }, { status, headers })
}

/** Word by word, then the usage, then the end. */
function stream(model: string, { text, pauseMs = 0 }: Extract<Reply, { text: string }>): ReadableStream {
  const chunk = (more: object) =>
    `data: ${JSON.stringify({ id: "c", object: "chat.completion.chunk", created: 1, model, ...more })}\n\n`
  return new ReadableStream({
    async start(controller) {
      const send = (frame: string) => controller.enqueue(new TextEncoder().encode(frame))
      try {
        for (const content of text.match(/\S+\s*|\s+/g) ?? [""]) {
          send(chunk({ choices: [{ index: 0, delta: { role: "assistant", content }, finish_reason: null }] }))
          if (pauseMs > 0) await Bun.sleep(pauseMs)
        }
        send(chunk({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }] }))
        send(chunk({ choices: [], usage: { prompt_tokens: 31, completion_tokens: 12, total_tokens: 43 } }))
        send("data: [DONE]\n\n")
        controller.close()
      } catch {
        // The reader has gone.
      }
    },
  })
}
