import { Elysia } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { connectionShape } from "./contract.ts"
import { begunShape, completeShape } from "./google-contract.ts"
import type { McpConnections } from "./mcp-connections.ts"
import { mcpBeginShape } from "./mcp-contract.ts"
import { WRITE } from "./routes.ts"

const tags = ["Connections"]

export interface McpConnectionRoutesDeps {
  readonly gate: Gate
  readonly mcpConnections: McpConnections
}

export const mcpConnectionRoutes = ({ gate, mcpConnections }: McpConnectionRoutesDeps) =>
  new Elysia({ prefix: "/v1/connections/mcp" })
    .use(gate)
    .post("/oauth-url", ({ caller, body }) => mcpConnections.begin(caller, body), {
      permit: WRITE,
      body: mcpBeginShape,
      response: begunShape,
      detail: { summary: "Begin to sign in at a registered MCP server: where to send the person's browser", tags },
    })
    .post("/complete", async ({ caller, body, status }) => status(201, await mcpConnections.complete(caller, body)), {
      permit: WRITE,
      body: completeShape,
      response: { 201: connectionShape },
      detail: { summary: "End it with the code that the server gave the browser", tags },
    })
