import type { ResolveModel } from "../../adapters/llm/resolve.ts"
import type { Scope } from "../../connectors/connector.ts"
import { AppError } from "../../kernel/errors.ts"
import { isUuid } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { nearest } from "../../kernel/nearest.ts"
import { readParams } from "../../steps/llm_call/params.ts"
import { outputCheck } from "../../steps/llm_call/structured.ts"
import type { McpService } from "../mcp/service.ts"
import type { AgentBody } from "./contract.ts"
import { schemaProblem } from "./schema-problem.ts"

export interface AgentCheckDeps {
  readonly mcp: Pick<McpService, "get" | "servers" | "drifts">
  readonly resolveModel: ResolveModel
}

/** Something that is wrong with an agent's definition; a warning would only keep it from working now. */
export interface AgentProblem {
  readonly severity: "error" | "warning"
  /** `$.tools[0].tool_names[1]`, in the agent. */
  readonly place: string
  readonly code: string
  readonly message: string
  readonly suggestion?: string
}

type Checked = Pick<AgentBody, "model_ref" | "llm_params" | "tools" | "confirm_tools" | "input_schema" | "output_schema">

/** Everything that is wrong with it, without asking a model or a server. */
export async function problemsOf(deps: AgentCheckDeps, scope: Scope, agent: Checked): Promise<readonly AgentProblem[]> {
  const { tools, unknownNames } = await toolProblems(deps, scope, agent)
  return [...(await modelProblems(deps, scope, agent)), ...schemaProblems(agent), ...tools, ...unknownNames]
}

async function modelProblems({ resolveModel }: AgentCheckDeps, { tenantId }: Scope, agent: Checked): Promise<AgentProblem[]> {
  const params = readParams(agent.llm_params as JsonObject) // it came as JSON
  const found = await resolveModel({
    tenantId,
    modelRef: agent.model_ref,
    model: null,
    credentialId: null,
    credentialScope: null,
  })
  const place = "$.model_ref"
  const model: AgentProblem[] = found.ok
    ? []
    : found.reason === "bad_reference"
      ? [{ severity: "error", place, code: "llm_model_unknown", message: found.message }]
      : [
          {
            ...{ severity: "warning", place, message: found.message },
            code: found.reason === "no_key" ? "llm_key_missing" : "llm_model_unknown",
          },
        ]
  if (params.ok) return model
  return [...model, { severity: "error", place: "$.llm_params", code: "llm_params_invalid", message: params.message }]
}

function schemaProblems({ input_schema, output_schema }: Checked): AgentProblem[] {
  return Object.entries({ input_schema, output_schema }).flatMap(([name, schema]) => {
    if (schema === null) return []
    const problem = schemaProblem(schema as JsonObject) // it came as JSON
    const made = problem === null ? outputCheck(schema as JsonObject) : { ok: false as const, message: problem }
    if (made.ok) return []
    const message = problem === null ? made.message.replace("output_schema", name) : `${name} is no JSON Schema: ${problem}`
    return [{ severity: "error" as const, place: `$.${name}`, code: `${name}_invalid`, message }]
  })
}

async function toolProblems({ mcp }: AgentCheckDeps, scope: Scope, { tools, confirm_tools }: Checked) {
  const problems: AgentProblem[] = []
  const names = new Set<string>(["*"])
  let allKnown = true
  for (const [i, { instance_id, tool_names }] of tools.entries()) {
    const place = `$.tools[${i}]`
    const error = (code: string, message: string, at = `${place}.instance_id`) =>
      problems.push({ severity: "error", place: at, code, message })
    if (tools.findIndex(one => one.instance_id === instance_id) !== i) {
      error("agent_tools_duplicate", "the instance is named twice; put all of its tool_names in one place")
      continue
    }
    const instance = isUuid(instance_id) ? await mcp.get(scope, instance_id).catch(notThere) : null
    if (!instance) {
      allKnown = false
      error("mcp_instance_unknown", "instance_id names no instance of this project; see GET /v1/mcp/instances")
      continue
    }
    const server = await mcp.servers.byId(scope, instance.server_id)
    const known = server?.tools?.map(tool => tool.name) ?? null
    if (known === null) {
      allKnown = false
      const message = `the tools of ${instance.name} are not known yet, so tool_names was not checked; discover or validate the server`
      problems.push({ severity: "warning", place, code: "mcp_tool_input_schema_unavailable", message })
      continue
    }
    for (const name of tool_names ?? known) for (const one of [name, `${instance.server_slug}__${name}`]) names.add(one)
    for (const [j, name] of (tool_names ?? []).entries()) {
      if (known.includes(name)) continue
      const near = nearest(name, known)
      problems.push({
        ...{ severity: "error", place: `${place}.tool_names[${j}]`, code: "mcp_tool_unknown" },
        message: `${instance.name} has no tool of that name; it has ${known.join(", ")}`,
        ...(near !== undefined && { suggestion: `did you mean ${near}?` }),
      })
    }
  }
  const unknownNames = confirm_tools.flatMap((name, i): AgentProblem[] => {
    if (names.has(name) || !allKnown) return []
    // A name with a slip of the pen would let through what somebody wanted to see first.
    const message = "confirm_tools names no tool that the agent has"
    return [{ severity: "error", place: `$.confirm_tools[${i}]`, code: "agent_confirm_unknown", message }]
  })
  return { tools: problems, unknownNames }
}

/** The agent's tools as they are now, so that a turn can tell when they have changed. */
export async function pinsOf({ mcp }: AgentCheckDeps, scope: Scope, tools: Checked["tools"]): Promise<JsonObject> {
  const steps: JsonObject[] = []
  for (const { instance_id, tool_names } of tools) {
    const server = await mcp.servers.byId(scope, (await mcp.get(scope, instance_id)).server_id)
    const names = tool_names ?? server?.tools?.map(tool => tool.name) ?? []
    steps.push(...names.map(tool_name => ({ type: "mcp_call", instance_id, tool_name })))
  }
  return { ...(await mcp.drifts.pin(scope, { steps })) }
}

function notThere(error: unknown): null {
  if (error instanceof AppError && error.kind === "not_found") return null
  throw error
}
