import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"

/** How one step names its server. */
export interface GraphReference {
  readonly serverUrl?: string
  readonly instanceId?: string
}

/** A tool that steps of a graph call, and under which name of its server. */
export interface ToolReference extends GraphReference {
  readonly toolName: string
}

/** Where composites keep their inner steps. */
const BODIES = ["for_each_body", "for_each_body_steps", "while_body_steps"]
/** Composites do not hold composites; a graph that does is refused elsewhere. */
const DEPTH_MAX = 4

/** What the `mcp_call` steps of a graph name, inner steps included; each name once. */
export function graphReferences(graph: JsonObject): readonly GraphReference[] {
  const found = new Map<string, GraphReference>()
  for (const step of toolCalls(graph.steps, 0)) {
    const reference = referenceOf(step)
    if (reference) found.set(nameOf(reference), reference)
  }
  return [...found.values()]
}

/** The tools that they call, as far as their names are no templates; each once. */
export function toolReferences(graph: JsonObject): readonly ToolReference[] {
  const found = new Map<string, ToolReference>()
  for (const step of toolCalls(graph.steps, 0)) {
    const reference = referenceOf(step)
    const toolName = typeof step.tool_name === "string" ? step.tool_name.trim() : ""
    if (reference && toolName !== "" && !toolName.includes("{{"))
      found.set(`${nameOf(reference)} ${toolName}`, { ...reference, toolName })
  }
  return [...found.values()]
}

function* toolCalls(steps: Json | undefined, depth: number): Generator<JsonObject> {
  if (depth > DEPTH_MAX) return
  for (const step of Array.isArray(steps) ? steps : [steps]) {
    if (!isJsonObject(step)) continue
    if (step.type === "mcp_call") yield step
    for (const body of BODIES) yield* toolCalls(step[body], depth + 1)
  }
}

function referenceOf(step: JsonObject): GraphReference | null {
  const { instance_id: instanceId, server_url: serverUrl } = step
  if (typeof instanceId === "string" && instanceId !== "") return { instanceId }
  return typeof serverUrl === "string" && serverUrl !== "" ? { serverUrl } : null
}

/** The two kinds of names never meet: an instance's is no address. */
function nameOf({ instanceId, serverUrl }: GraphReference): string {
  return instanceId ?? serverUrl ?? ""
}
