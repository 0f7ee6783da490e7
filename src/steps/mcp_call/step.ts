import type { StepType } from "../../engine/step-type.ts"
import { MCP_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"

/** One tool of one MCP instance (contract §3.4). */
export const mcpCall: StepType = {
  type: "mcp_call",
  title: "Call a tool",
  description: "Calls one tool of a connector; its JSON result is the step's result.",
  runs: "outside",
  fields: {
    tool_name: { type: "string", required: true, description: "Name of the tool, e.g. `sqlite_query`." },
    tool_args: { type: "object", templated: true, description: "Arguments of the tool, checked against its input schema." },
    server_url: {
      type: "string",
      description:
        "The server's canonical URL, e.g. `https://router.agentruntime.io/sqlite/mcp`; the project's instance of it is used.",
    },
    instance_id: { type: "string", description: "An instance of this project; wins over `server_url`." },
    server_id: { type: "string", description: "The server's name in the catalog; for information only." },
    connection_resolution: {
      type: "string",
      values: ["principal", "workspace", "inherit"],
      description: "Whose connection is used, with embedded connect.",
    },
  },
  oneOf: [["server_url", "instance_id"]],
  timeoutDefaultMs: MCP_TIMEOUT_DEFAULT_MS,
}
