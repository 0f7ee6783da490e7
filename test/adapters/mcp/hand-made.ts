import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http"
import type { Json, JsonObject } from "../../../src/kernel/json.ts"

/** A request to a hand-made server, as it came. */
export interface Seen {
  readonly httpMethod: string
  readonly headers: IncomingHttpHeaders
  readonly message: Message | null
}

export interface Message {
  readonly id?: number | string
  readonly method: string
  readonly params?: JsonObject
}

export interface Answer {
  readonly message: Message
  readonly headers: IncomingHttpHeaders
  readonly response: ServerResponse
  /** Answers as the protocol wants it. */
  result(result: Json, headers?: Record<string, string>): void
  error(code: number, message: string): void
}

export interface HandMade {
  readonly url: string
  readonly port: number
  readonly seen: Seen[]
  methods(): string[]
  close(): void
}

export type Behaviour = Readonly<Record<string, (answer: Answer) => void>>

const INITIALIZED = {
  protocolVersion: "2025-11-25",
  capabilities: { tools: { listChanged: true } },
  serverInfo: { name: "hand-made", version: "1" },
}
const TOOL = { name: "work", description: "Does something", inputSchema: { type: "object" } }

const PROPER: Behaviour = {
  "server/discover": ({ error }) => error(-32_601, "Method not found"),
  initialize: ({ result }) => result(INITIALIZED),
  "tools/list": ({ result }) => result({ tools: [TOOL] }),
  "tools/call": ({ result }) => result({ content: [{ type: "text", text: "done" }] }),
  GET: ({ response }) => void response.writeHead(405).end(),
  DELETE: ({ response }) => void response.writeHead(200).end(),
}

/** A server of the era before 2026, written by hand so that it can do what no proper one does: by message or HTTP method. */
export async function handMade(behaviour: Behaviour = {}): Promise<HandMade> {
  const seen: Seen[] = []
  const server = createServer(async (request, response) => {
    response.on("error", () => {})
    const body = Buffer.concat(await Array.fromAsync(request as AsyncIterable<Buffer>)).toString()
    const message = body === "" ? null : (JSON.parse(body) as Message)
    const httpMethod = request.method ?? ""
    seen.push({ httpMethod, headers: request.headers, message })
    const answer: Answer = {
      message: message ?? { method: httpMethod },
      headers: request.headers,
      response,
      result: (result, headers = {}) => json(response, { jsonrpc: "2.0", id: message?.id ?? null, result }, headers),
      error: (code, text) => json(response, { jsonrpc: "2.0", id: message?.id ?? null, error: { code, message: text } }),
    }
    const name = message?.method ?? httpMethod
    const act = behaviour[name] ?? PROPER[name]
    if (act !== undefined) act(answer)
    else response.writeHead(202).end()
  })
  server.listen(0, "127.0.0.1")
  await new Promise(resolve => server.once("listening", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return {
    url: `http://127.0.0.1:${address.port}/mcp`,
    port: address.port,
    seen,
    methods: () => seen.map(one => one.message?.method ?? one.httpMethod),
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}

function json(response: ServerResponse, body: Json, headers: Record<string, string> = {}): void {
  response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(body))
}

/** Begins an answer that is a stream of events. */
export function stream(response: ServerResponse): (event: string) => void {
  response.writeHead(200, { "content-type": "text/event-stream" })
  return event => void response.write(`${event}\n\n`)
}
