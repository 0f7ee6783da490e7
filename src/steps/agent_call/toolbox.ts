import type { ModelTool } from "../../adapters/llm/llm.ts"
import type { Scope, Tool } from "../../connectors/connector.ts"
import type { ResolvedInstance } from "../../connectors/resolve.ts"
import { toolHash } from "../../connectors/tool-hash.ts"
import { AGENT_TOOLS_MAX } from "../../kernel/limits.ts"
import type { Agent } from "./agent.ts"
import { OWN_TOOLS } from "./own-tools.ts"
import type { AgentCallDeps } from "./work.ts"

/** A tool that the agent may call, under the name that the model knows it by. */
export interface AgentTool {
  readonly name: string
  readonly instance: ResolvedInstance
  readonly tool: Tool
  /** It has changed since it was chosen, and the project wants a person to look at each call of it then. */
  readonly mustBeConfirmed: boolean
}

/** All that a model can reach: nothing that is not in here is called, whatever the model was talked into. */
export interface Toolbox {
  readonly byName: ReadonlyMap<string, AgentTool>
  /** What the agent has to do without, or what has changed, in sentences. */
  readonly warnings: readonly string[]
}

export type OpenToolbox = { readonly ok: true; readonly toolbox: Toolbox } | { readonly ok: false; readonly message: string }

/** The agent's tools as they are now, found the same way as for a step that calls one of them. */
export async function openToolbox(
  { resolve, driftPolicyOf }: Pick<AgentCallDeps, "resolve" | "driftPolicyOf">,
  place: Scope & { readonly workflowId: string },
  agent: Agent,
): Promise<OpenToolbox> {
  const found: Omit<AgentTool, "name">[] = []
  const warnings: string[] = []
  const { tenantId, projectId, workflowId } = place
  for (const { instanceId, toolNames } of agent.tools) {
    const instance = await resolve({ tenantId, projectId, workflowId, instanceId })
    if (!instance.ok) return { ok: false, message: `the agent ${agent.name} cannot use one of its tools: ${instance.message}` }
    const { tools, name, failure } = instance.server
    if (failure) {
      warnings.push(`the agent has no tools of ${name}: ${failure.message}`)
      continue
    }
    const allowed = tools.filter(tool => toolNames === null || toolNames.includes(tool.name))
    for (const wanted of toolNames ?? []) {
      if (!tools.some(tool => tool.name === wanted))
        warnings.push(`the agent's tool ${wanted} of ${name} is not there; it was left out`)
    }
    for (const tool of allowed) {
      const policy = hasChanged(agent, instanceId, tool) ? await driftPolicyOf(place) : null
      if (policy !== null)
        warnings.push(`${tool.name} of ${name} is not what it was when the agent's tools were chosen${AFTER[policy]}`)
      // What its description says now may be meant to mislead the model.
      if (policy !== "fail") found.push({ instance, tool, mustBeConfirmed: policy === "ask" })
    }
  }
  if (found.length > AGENT_TOOLS_MAX) {
    const message = `the agent ${agent.name} has ${found.length} tools, and a model is given ${AGENT_TOOLS_MAX} at the most; name those it needs in tool_names`
    return { ok: false, message }
  }
  return { ok: true, toolbox: { byName: named(found), warnings } }
}

const AFTER = { run: "", ask: "; a person is asked before each call", fail: "; it was left out (the project's tool_drift)" }

function hasChanged({ pins }: Agent, instanceId: string, tool: Tool): boolean {
  const ofInstance = Object.hasOwn(pins, instanceId) ? pins[instanceId] : undefined
  const was = ofInstance && Object.hasOwn(ofInstance, tool.name) ? ofInstance[tool.name] : undefined
  return was !== undefined && was !== toolHash(tool)
}

export function modelTools({ byName }: Toolbox): ModelTool[] {
  return [...byName.values()].map(({ name, tool }) => ({ name, description: tool.description, inputSchema: tool.inputSchema }))
}

/** The tool's own name where only one has it; else with its server in front. All of them names that every vendor takes. */
function named(found: readonly Omit<AgentTool, "name">[]): ReadonlyMap<string, AgentTool> {
  const taken = new Map<string, AgentTool>()
  const times = new Map<string, number>()
  for (const { tool } of found) times.set(fitted(tool.name), (times.get(fitted(tool.name)) ?? 0) + 1)
  for (const one of found) {
    const plain = fitted(one.tool.name)
    const isAlone = times.get(plain) === 1 && !OWN_TOOLS.has(plain)
    const wanted = isAlone ? plain : fitted(`${one.instance.slug}__${one.tool.name}`)
    let name = wanted
    for (let n = 2; taken.has(name) || OWN_TOOLS.has(name); n++) name = `${wanted.slice(0, 60)}_${n}`
    taken.set(name, { ...one, name })
  }
  return taken
}

function fitted(name: string): string {
  const plain = name.replaceAll(/[^A-Za-z0-9_-]/g, "_")
  return (/^[A-Za-z_]/.test(plain) ? plain : `_${plain}`).slice(0, 64)
}

/** Whether a person confirms each call of it: named as the model knows it, or as its server does. */
export function isConfirmed({ confirmTools }: Agent, { name, tool, instance, mustBeConfirmed }: AgentTool): boolean {
  if (mustBeConfirmed) return true
  const names = ["*", name, tool.name, `${instance.slug}__${tool.name}`]
  return confirmTools.some(one => names.includes(one))
}
