import type { Connectors } from "../../connectors/connector.ts"
import type { Caller } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { BindingProblem } from "../workflows/dry-run.ts"
import type { McpService } from "./service.ts"

interface Binding {
  readonly serverUrl?: string
  readonly instanceId?: string
  readonly toolName?: string
}

/** Whether a step would find its instance and its tool, without making or calling anything (contract §3.6, G-11). */
export function createBindingCheck(deps: { mcp: Pick<McpService, "resolve" | "get">; connectors: Connectors }) {
  return async (caller: Caller, binding: Binding): Promise<BindingProblem | null> => {
    const found = binding.instanceId
      ? await namedInstance(deps.mcp, caller, binding.instanceId)
      : await byAddress(deps.mcp, caller, binding.serverUrl ?? "")
    if ("problem" in found && found.problem?.severity === "error") return found.problem
    const connector = found.slug === null ? undefined : deps.connectors.get(found.slug)
    const { toolName } = binding
    if (connector && toolName && !toolName.includes("{{") && !connector.tools.some(t => t.name === toolName)) {
      const message = `${connector.slug} has no tool ${toolName}; it has ${connector.tools.map(t => t.name).join(", ")}`
      return { severity: "error", code: "mcp_tool_unknown", field: "tool_name", message }
    }
    return found.problem
  }
}

interface Found {
  readonly slug: string | null
  readonly problem: BindingProblem | null
}

async function namedInstance(mcp: Pick<McpService, "get">, caller: Caller, id: string): Promise<Found> {
  try {
    return { slug: (await mcp.get(caller, id)).server_slug, problem: null }
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const message = "there is no such instance in this project"
    return { slug: null, problem: { severity: "error", code: "mcp_instance_unknown", field: "instance_id", message } }
  }
}

async function byAddress(mcp: Pick<McpService, "resolve">, caller: Caller, serverUrl: string): Promise<Found> {
  const slug = /\/([^/]+)\/mcp\/?$/.exec(serverUrl)?.[1] ?? null
  const { resolved, unresolved } = await mcp.resolve(caller, { server_urls: [serverUrl], create_missing: false })
  if (resolved.length > 0) return { slug, problem: null }
  const reason = unresolved[0]?.reason ?? "unknown_server"
  if (reason === "no_instance") {
    const message = `the project has no instance of ${serverUrl} yet; one is made at the first run if it needs no configuration`
    return { slug, problem: { severity: "warning", code: "mcp_instance_will_be_created", field: "server_url", message } }
  }
  const message =
    reason === "ambiguous"
      ? `several instances serve ${serverUrl}; name one with instance_id`
      : `no server has the address ${serverUrl}`
  return { slug, problem: { severity: "error", code: "mcp_instance_unknown", field: "server_url", message } }
}
