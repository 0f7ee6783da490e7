import { findAdapter, slugOfUrl } from "../../connectors/catalog.ts"
import { missingKeys } from "../../connectors/config.ts"
import type { Tool } from "../../connectors/connector.ts"
import { toolHash } from "../../connectors/tool-hash.ts"
import type { Caller } from "../../http/permission.ts"
import { nearest } from "../../kernel/nearest.ts"
import type { Binding, BindingCheck, BindingProblem } from "../workflows/findings.ts"
import { checkArguments } from "./argument-check.ts"
import type { KnownServer } from "./known-servers.ts"
import type { McpService } from "./service.ts"

export interface BindingCheckDeps {
  readonly mcp: Pick<McpService, "resolve" | "get" | "servers">
  /** Where this instance is reached; addresses below it name its own connectors. */
  readonly publicUrl: string
}

/** Whether a step would find its instance and its tool, without making or calling anything (contract §3.6, G-11). */
export function createBindingCheck(deps: BindingCheckDeps): BindingCheck {
  return caller => {
    const instances = new Map<string, Promise<Found>>()
    return async binding => {
      const { instanceId, serverUrl, toolName } = binding
      const key = instanceId === undefined ? `u ${serverUrl}` : `i ${instanceId}`
      const known = instances.get(key)
      const looked = known ?? look(deps, caller, binding)
      if (!known) instances.set(key, looked)
      const { server, problem } = await looked
      const problems = problem ? [problem] : []
      if (!server || toolName === undefined || toolName.includes("{{")) return problems
      return [...problems, ...checkTool(server, toolName, binding)]
    }
  }
}

interface Found {
  readonly server: KnownServer | null
  readonly problem: BindingProblem | null
}

/** With the resolver's own sentences, which a failing step would give, too. */
async function look({ mcp, publicUrl }: BindingCheckDeps, caller: Caller, binding: Binding): Promise<Found> {
  const { instanceId, serverUrl = "" } = binding
  const place = instanceId === undefined ? ".server_url" : ".instance_id"
  const reference = instanceId === undefined ? { server_url: serverUrl } : { instance_id: instanceId }
  const graph = { steps: [{ type: "mcp_call", ...reference }] }
  const { resolved, unresolved } = await mcp.resolve(caller, { graph, create_missing: false })
  const [instance] = resolved
  if (instance) return await checkInstance(mcp, caller, instance.instance_id, place)

  const reason = unresolved[0]?.reason ?? "unknown_server"
  const message = unresolved[0]?.message ?? "the step names no server"
  const slug = slugOfUrl(serverUrl, publicUrl) ?? ""
  const server = instanceId === undefined ? await mcp.servers.byUrl(caller, serverUrl) : null
  const unknown: BindingProblem = { severity: "error", code: "mcp_instance_unknown", place, message }
  switch (reason) {
    case "unknown_server": {
      // An instance that there is, or an adapter of the catalog: right as drawn, but not here.
      const isElsewhere = instanceId !== undefined || findAdapter(slug) !== undefined
      if (!isElsewhere) return { server: null, problem: unknown }
      const code = "mcp_tool_input_schema_unavailable"
      return { server: null, problem: { severity: "warning", blocks: true, code, place, message } }
    }
    case "no_instance": {
      if (!server || missingKeys(server.configSchema, {}).length > 0) return { server, problem: unknown }
      return { server, problem: { severity: "warning", code: "mcp_instance_will_be_created", place, message } }
    }
    case "ambiguous":
    case "foreign":
      return { server, problem: unknown }
  }
}

async function checkInstance(mcp: BindingCheckDeps["mcp"], caller: Caller, id: string, place: string): Promise<Found> {
  const instance = await mcp.get(caller, id)
  const server = await mcp.servers.byId(caller, instance.server_id)
  if (instance.has_connection) return { server, problem: null }
  const message = `the instance ${instance.name} lacks required configuration; complete its active config profile`
  return { server, problem: { severity: "warning", code: "mcp_connection_missing", place, message } }
}

function checkTool({ name, tools }: KnownServer, toolName: string, binding: Binding): readonly BindingProblem[] {
  if (tools === null) {
    const message = `the tools of ${name} are not known yet, so its arguments were not checked; discover or validate the server`
    return [{ severity: "warning", code: "mcp_tool_input_schema_unavailable", place: ".tool_name", message }]
  }
  const names = tools.map(t => t.name)
  const tool = tools.find(t => t.name === toolName.trim())
  if (tool) return [...checkArguments(tool, binding.toolArgs), ...checkPin(tool, binding)]
  const near = nearest(toolName, names)
  return [
    {
      severity: "error",
      code: "mcp_tool_unknown",
      place: ".tool_name",
      message: `${name} has no tool ${JSON.stringify(toolName.slice(0, 120))}; it has ${names.join(", ")}`,
      ...(near !== undefined && { suggestion: `did you mean ${near}?` }),
    },
  ]
}

function checkPin(tool: Tool, { pinned }: Binding): readonly BindingProblem[] {
  if (pinned === undefined || toolHash(tool) === pinned) return []
  const message = `${tool.name} is not what it was when the newest version was published; look at its description and schemas, then publish again`
  return [{ severity: "warning", code: "mcp_tool_changed", place: ".tool_name", message }]
}
