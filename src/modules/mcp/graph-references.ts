import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"

/** How one step names its server. */
export interface GraphReference {
  readonly serverUrl?: string
  readonly instanceId?: string
}

/** Where composites keep their inner steps. */
const BODIES = ["for_each_body", "for_each_body_steps", "while_body_steps"]
/** Composites do not hold composites; a graph that does is refused elsewhere. */
const DEPTH_MAX = 4

/** What the `mcp_call` steps of a graph name, inner steps included; each name once. */
export function graphReferences(graph: JsonObject): readonly GraphReference[] {
  const found = new Map<string, GraphReference>()
  collect(graph.steps, found, 0)
  return [...found.values()]
}

function collect(steps: Json | undefined, found: Map<string, GraphReference>, depth: number): void {
  if (depth > DEPTH_MAX) return
  for (const step of Array.isArray(steps) ? steps : [steps]) {
    if (!isJsonObject(step)) continue
    if (step.type === "mcp_call") add(step, found)
    for (const body of BODIES) collect(step[body], found, depth + 1)
  }
}

function add(step: JsonObject, found: Map<string, GraphReference>): void {
  const { instance_id: instanceId, server_url: serverUrl } = step
  if (typeof instanceId === "string" && instanceId !== "") found.set(`i ${instanceId}`, { instanceId })
  else if (typeof serverUrl === "string" && serverUrl !== "") found.set(`u ${serverUrl}`, { serverUrl })
}
