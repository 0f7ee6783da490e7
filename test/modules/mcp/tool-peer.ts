import { createMcpHandler, Server } from "@modelcontextprotocol/server"
import type { JsonObject } from "../../../src/kernel/json.ts"

export interface PeerTool {
  readonly name: string
  readonly description?: string
  readonly inputSchema?: JsonObject
  readonly outputSchema?: JsonObject
  readonly annotations?: JsonObject
  readonly give: (args: JsonObject, headers: Headers, meta: JsonObject) => JsonObject | Promise<JsonObject>
}

/** Text, as the protocol wraps it. */
export const text = (value: string): JsonObject => ({ content: [{ type: "text", text: value }] })

/** A tool server on this machine, whose tools and manners a test changes while it runs; it keeps the headers of each request. */
export function startPeer(change: { readonly tools?: readonly PeerTool[] } = {}) {
  const state = {
    tools: change.tools ?? ECHO,
    /** Null: it has none at all. */
    configSchema: null as JsonObject | null,
    /** In place of the protocol. */
    answer: null as ((request: Request) => Response | Promise<Response> | null) | null,
  }
  const requests: { readonly method: string; readonly path: string; readonly headers: Headers }[] = []
  const handler = createMcpHandler(({ requestInfo }) => {
    const server = new Server({ name: "peer", version: "1.2.3" }, { capabilities: { tools: { listChanged: true } } })
    server.setRequestHandler("tools/list", () => ({
      tools: state.tools.map(({ give: _, ...tool }) => ({ inputSchema: { type: "object" }, ...tool })) as never,
    }))
    server.setRequestHandler("tools/call", async ({ params }) => {
      const tool = state.tools.find(one => one.name === params.name)
      if (!tool) return { isError: true, content: [{ type: "text", text: "no such tool" }] }
      const headers = requestInfo?.headers ?? new Headers()
      return (await tool.give((params.arguments ?? {}) as JsonObject, headers, (params._meta ?? {}) as JsonObject)) as never
    })
    return server
  })
  const listening = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url)
      requests.push({ method: request.method, path: pathname, headers: request.headers })
      const answer = await state.answer?.(request)
      if (answer) return answer
      if (pathname.endsWith("/config/schema")) {
        return state.configSchema ? Response.json(state.configSchema) : new Response("none", { status: 404 })
      }
      return pathname.endsWith("/mcp") ? await handler.fetch(request) : new Response("none", { status: 404 })
    },
  })
  return {
    state,
    requests,
    url: `http://127.0.0.1:${listening.port}/tools/mcp`,
    async close() {
      await handler.close()
      await listening.stop(true)
    },
  }
}

export type Peer = ReturnType<typeof startPeer>

export const ECHO: readonly PeerTool[] = [
  {
    name: "echo",
    description: "Says it again.",
    inputSchema: { type: "object", properties: { n: { type: "integer" } }, required: ["n"], additionalProperties: false },
    give: args => text(JSON.stringify({ said: args })),
  },
  {
    name: "ping",
    description: "Answers.",
    annotations: { readOnlyHint: true },
    give: () => text("pong"),
  },
]
