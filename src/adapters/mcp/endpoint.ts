import { createMcpHandler, ProtocolError, ProtocolErrorCode, Server } from "@modelcontextprotocol/server"
import { messageOf } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"

/** Tools as this runtime serves them to one caller; made anew for each request. */
export interface ServedTools {
  readonly name: string
  readonly instructions: string
  readonly tools: readonly ServedTool[]
  /** Never throws for anything that the tool or the caller may do. */
  call(tool: string, args: JsonObject, asked: ServedCall): Promise<ServedResult>
}

export interface ServedTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonObject
  readonly outputSchema?: JsonObject
  readonly annotations?: object
}

export interface ServedCall {
  /** The caller hung up, or cancelled. */
  readonly signal: AbortSignal
  readonly onProgress?: (progress: { readonly progress: number; readonly total?: number; readonly message?: string }) => void
}

export type ServedResult = { readonly ok: true; readonly value: JsonObject } | { readonly ok: false; readonly message: string }

export interface McpEndpoint {
  /** `body`: the request's, parsed under the limits of the caller. Whoever calls was checked before. */
  serve(request: Request, body: unknown, served: ServedTools): Promise<Response>
  close(): Promise<void>
}

/** The server side of MCP over Streamable HTTP, without sessions: the era of 2026, and the one before. */
export function createMcpEndpoint(deps: { readonly version: string; readonly onError: (message: string) => void }): McpEndpoint {
  const handler = createMcpHandler(
    ({ authInfo }) => serverOf(deps.version, authInfo?.extra?.served as ServedTools), // put there below
    { onerror: error => deps.onError(messageOf(error)) },
  )
  return {
    async serve(request, body, served) {
      if (request.method !== "POST") return notAllowed()
      return await handler.fetch(request, {
        authInfo: { token: "", clientId: "", scopes: [], extra: { served } },
        parsedBody: body,
      })
    },
    close: () => handler.close(),
  }
}

/** There are no sessions to read from or to end. */
function notAllowed(): Response {
  const error = { code: -32_000, message: "Method not allowed: there are no sessions; send requests with POST" }
  return Response.json({ jsonrpc: "2.0", error, id: null }, { status: 405, headers: { allow: "POST" } })
}

function serverOf(version: string, served: ServedTools): Server {
  const { name, instructions, tools } = served
  const server = new Server({ name, version }, { capabilities: { tools: {} }, instructions })
  // Their schemas are JSON Schema objects by their own tests.
  server.setRequestHandler("tools/list", () => ({ tools: tools as never }))
  server.setRequestHandler("tools/call", async ({ params }, context) => {
    const tool = tools.find(one => one.name === params.name)
    if (!tool) throw new ProtocolError(ProtocolErrorCode.InvalidParams, `Unknown tool: ${params.name.slice(0, 120)}`)
    const { signal, notify } = context.mcpReq
    const token = params._meta?.progressToken
    const result = await served.call(tool.name, (params.arguments ?? {}) as JsonObject, {
      signal,
      ...(token !== undefined && {
        onProgress: progress => {
          // A caller that is gone is told nothing more; the call itself hears of it by its signal.
          notify({ method: "notifications/progress", params: { progressToken: token, ...progress } }).catch(() => {})
        },
      }),
    })
    if (!result.ok) return { isError: true, content: [{ type: "text", text: result.message }] }
    const content = [{ type: "text" as const, text: JSON.stringify(result.value) }]
    return server.projectCallToolResult({ content, structuredContent: { ...result.value } }, tool.outputSchema)
  })
  return server
}
