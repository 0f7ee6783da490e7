// An MCP server over Streamable HTTP with one tool that answers at once, made with the official SDK: `bun run bench/mcp-peer.ts`.
import { createMcpHandler, fromJsonSchema, McpServer } from "@modelcontextprotocol/server"

const inputSchema = fromJsonSchema<{ message: string }>({
  type: "object",
  properties: { message: { type: "string" } },
  required: ["message"],
})
const handler = createMcpHandler(() => {
  const server = new McpServer({ name: "bench", version: "1.0.0" })
  server.registerTool("echo", { description: "Says it again.", inputSchema }, ({ message }) => ({
    content: [{ type: "text", text: message }],
  }))
  return server
})
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: request => handler.fetch(request) })
process.stderr.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.port}/mcp`, msg: "ready" })}\n`)
process.on("SIGTERM", () => process.exit(0))
