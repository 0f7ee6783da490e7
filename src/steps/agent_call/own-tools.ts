import type { ModelTool, ToolRequest } from "../../adapters/llm/llm.ts"
import { takesInputFrom } from "../../engine/graph.ts"
import { isJsonObject, type JsonObject, textOf } from "../../kernel/json.ts"
import type { PlanSource, StepJob } from "../../runtime/ports.ts"

/** Names of the tools that are the turn's own: with them an agent moves the episode it works in (contract §4.6). */
export const OWN_TOOLS: ReadonlySet<string> = new Set(["handoff", "done"])

/** What the turn may do to its episode. */
export interface Reach {
  readonly isEpisode: boolean
  /** Steps that take input from this one. */
  readonly targets: readonly string[]
}

/** How a turn ended by one of its own tools. */
export interface Ending {
  readonly handoff: { readonly to: string; readonly payload: JsonObject } | null
  readonly done: boolean
  readonly result: JsonObject
}

/** Inside a loop an agent hands nothing over (contract §3.4). */
export async function reachOf(plans: PlanSource, { workflowId, version, stepId, item }: StepJob): Promise<Reach> {
  if (item !== null) return { isEpisode: false, targets: [] }
  const { steps } = await plans.planOf(workflowId, version)
  const targets = steps.filter(step => step.gated && step.id !== stepId && takesInputFrom(step, stepId)).map(step => step.id)
  return { isEpisode: steps.some(step => step.gated), targets }
}

export function ownTools({ isEpisode, targets }: Reach): ModelTool[] {
  const handoff: ModelTool = {
    name: "handoff",
    description: "Hands the work over to another step and ends your turn.",
    inputSchema: {
      type: "object",
      properties: {
        to: { type: "string", enum: targets, description: "The step that goes on." },
        payload: { type: "object", description: "What it has to know." },
      },
      required: ["to"],
    },
  }
  const done: ModelTool = {
    name: "done",
    description: "Says that all of the work is finished, and ends your turn.",
    inputSchema: { type: "object", properties: { result: { type: "object", description: "What came of it." } } },
  }
  return [...(targets.length > 0 ? [handoff] : []), ...(isEpisode ? [done] : [])]
}

/** What a call of an own tool means; a text: why it means nothing. */
export function endingOf({ name, args }: ToolRequest, { isEpisode, targets }: Reach): Ending | string {
  if (name === "done") {
    if (!isEpisode) return "There is nothing here that could be ended: just answer."
    return { handoff: null, done: true, result: isJsonObject(args.result) ? args.result : {} }
  }
  const to = textOf(args.to)
  if (targets.includes(to)) {
    return { handoff: { to, payload: isJsonObject(args.payload) ? args.payload : {} }, done: false, result: {} }
  }
  return targets.length === 0
    ? "There is nobody to hand over to: just answer."
    : `There is no such step to hand over to. There are: ${targets.join(", ")}.`
}
