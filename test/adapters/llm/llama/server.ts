// llama.cpp behind OpenAI's chat completions: `bun run server.ts <folder of node-llama-cpp> <model.gguf>`. A process of its own, as
// what it loads is native and holds threads.
import { join } from "node:path"
import { isJsonObject, type Json, type JsonObject } from "../../../../src/kernel/json.ts"
import { CONTEXT } from "./gguf.ts"

/** What is used of node-llama-cpp, which is fetched for the tests and has no types here. */
interface Engine {
  getLlama(options: object): Promise<{
    loadModel(
      options: object,
    ): Promise<{ tokenize(text: string): readonly number[]; createContext(options: object): Promise<{ getSequence(): object }> }>
    createGrammarForJsonSchema(schema: object): Promise<object>
  }>
  LlamaCompletion: new (
    options: object,
  ) => {
    generateCompletion(tokens: readonly number[], options: object): Promise<string>
    dispose(options: object): void
  }
}

const [folder = "", model = ""] = process.argv.slice(2)
const { getLlama, LlamaCompletion }: Engine = await import(join(folder, "node_modules/node-llama-cpp/dist/index.js"))
const llama = await getLlama({ gpu: false, build: "never", skipDownload: true, logLevel: "error", maxThreads: 1 })
const loaded = await llama.loadModel({ modelPath: model })
const context = await loaded.createContext({ contextSize: CONTEXT, sequences: 4 })

const head = { id: "chatcmpl-tiny", created: 1, model: "tiny.gguf" }
const refused = (status: number, message: string, type: string) =>
  Response.json({ error: { code: status, message, type } }, { status })

async function answer(body: JsonObject, signal: AbortSignal): Promise<Response> {
  const tokens = loaded.tokenize(JSON.stringify(body.messages))
  if (tokens.length > CONTEXT) return refused(400, "the request exceeds the available context size", "exceed_context_size_error")
  const schema = schemaOf(body)
  const grammar = schema === null ? {} : { grammar: await llama.createGrammarForJsonSchema(schema) }
  const generate = async (onTextChunk: (text: string) => void) => {
    const completion = new LlamaCompletion({ contextSequence: context.getSequence() })
    const most = Math.min(Number(body.max_tokens ?? 200), CONTEXT - tokens.length)
    const options = { maxTokens: most, temperature: 1, seed: Number(body.seed ?? 1), signal, onTextChunk, ...grammar }
    try {
      return await completion.generateCompletion(tokens, options)
    } finally {
      completion.dispose({ disposeSequence: true })
    }
  }
  const usageOf = (text: string) => ({ prompt_tokens: tokens.length, completion_tokens: loaded.tokenize(text).length })
  const calls = isCalling(body)
  if (body.stream !== true || calls) {
    const text = await generate(() => {})
    const message = { role: "assistant", ...(calls ? { content: null, tool_calls: [callOf(text)] } : { content: text }) }
    const finish_reason = calls ? "tool_calls" : "stop"
    if (body.stream !== true)
      return Response.json({ ...head, choices: [{ index: 0, message, finish_reason }], usage: usageOf(text) })
    return events(async send => send({ choices: [{ index: 0, delta: message, finish_reason }], usage: usageOf(text) }))
  }
  return events(async send => {
    const text = await generate(content => send({ choices: [{ index: 0, delta: { content }, finish_reason: null }] }))
    send({ choices: [{ index: 0, delta: {}, finish_reason: "stop" }], usage: usageOf(text) })
  })
}

function events(work: (send: (chunk: object) => void) => Promise<void>): Response {
  const encoder = new TextEncoder()
  const stream = new ReadableStream({
    async start(controller) {
      await work(chunk =>
        controller.enqueue(encoder.encode(`data: ${JSON.stringify({ ...head, object: "chat.completion.chunk", ...chunk })}\n\n`)),
      )
      controller.enqueue(encoder.encode("data: [DONE]\n\n"))
      controller.close()
    },
  })
  return new Response(stream, { headers: { "content-type": "text/event-stream" } })
}

/** With tools it calls one, once: what a model of noise would never think of, its grammar makes it do. */
function isCalling(body: JsonObject): boolean {
  const last = Array.isArray(body.messages) ? body.messages.at(-1) : undefined
  return Array.isArray(body.tools) && isJsonObject(last) && last.role === "user"
}

function schemaOf(body: JsonObject): object | null {
  if (isCalling(body)) {
    const tools = (body.tools as Json[]).flatMap(tool =>
      isJsonObject(tool) && isJsonObject(tool.function) ? [tool.function] : [],
    )
    return {
      oneOf: tools.map(({ name, parameters }) => ({
        type: "object",
        properties: { name: { const: name }, arguments: parameters },
      })),
    }
  }
  const format = body.response_format
  return isJsonObject(format) && isJsonObject(format.json_schema) ? (format.json_schema.schema as object) : null
}

function callOf(text: string): JsonObject {
  const call = JSON.parse(text)
  return { index: 0, id: "call_1", type: "function", function: { name: call.name, arguments: JSON.stringify(call.arguments) } }
}

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  async fetch(request) {
    const { pathname } = new URL(request.url)
    if (pathname === "/v1/models")
      return Response.json({ object: "list", data: [{ id: "tiny.gguf", object: "model", context_length: CONTEXT }] })
    if (pathname !== "/v1/chat/completions") return refused(404, "File Not Found", "not_found_error")
    return await answer(await request.json(), request.signal)
  },
})
console.log(JSON.stringify({ port: server.port }))
