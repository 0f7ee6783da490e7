import { Elysia, t } from "elysia"
import type { McpEndpoint } from "../../adapters/mcp/endpoint.ts"
import type { Gate } from "../../http/gate.ts"
import type { Permission } from "../../http/permission.ts"
import type { ServeTools } from "./served-tools.ts"

const EXECUTE: Permission = { access: "project", role: "project_contributor", scopes: ["mcp:execute"] }
const DESCRIPTION =
  "Streamable HTTP without sessions, in both protocol eras. Bearer PAT with `mcp:execute`; the project is the PAT's or that of " +
  "X-Tenant-Id and X-Project-Id. `X-MCP-Instance-Id` names one of several instances."

export interface EndpointRouteDeps {
  readonly gate: Gate
  readonly mcpEndpoint: McpEndpoint
  readonly serveTools: ServeTools
  /** Throws `forbidden` for a page of another web site. */
  readonly origins: { check(request: Request): void }
}

/** Our connectors as MCP servers, for editors and other MCP clients. */
export const mcpEndpointRoutes = ({ gate, mcpEndpoint, serveTools, origins }: EndpointRouteDeps) => {
  const serve = async ({ caller, params, request, body }: Asked) => {
    // Whatever a page in a browser sends says so; other programs send neither header (DNS rebinding).
    origins.check(request)
    const instance = request.headers.get("x-mcp-instance-id")
    return await mcpEndpoint.serve(request, body, serveTools(caller, params.slug, instance || null))
  }
  const stated = (summary: string) => ({
    permit: EXECUTE,
    response: { 200: t.Any({ description: "JSON-RPC, or a stream of it." }) },
    detail: { summary, description: DESCRIPTION, tags: ["MCP"] },
  })
  return new Elysia()
    .use(gate)
    .post("/mcp/:slug", serve, stated("A connector's tools over MCP"))
    .get("/mcp/:slug", serve, stated("Answers 405: there are no sessions to read from"))
    .delete("/mcp/:slug", serve, stated("Answers 405: there are no sessions to end"))
}

type Asked = {
  readonly caller: Parameters<ServeTools>[0]
  readonly params: { readonly slug: string }
  readonly request: Request
  readonly body: unknown
}
