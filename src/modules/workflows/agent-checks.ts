import { isSet, issueAt, type Located } from "../../engine/checks.ts"
import type { Caller } from "../../http/permission.ts"
import type { Json } from "../../kernel/json.ts"
import type { AgentService } from "../agents/service.ts"
import type { Finding } from "./findings.ts"

/** What a turn of an agent would not find; null: the project has no such agent. */
export type AgentProblemsOf = AgentService["problems"]

/** Whether every step would find its agent, and the agent its model and tools; null when no agent is called. Nothing is sent. */
export async function checkAgents(
  steps: readonly Located[],
  caller: Caller,
  problemsOf: AgentProblemsOf,
): Promise<readonly Finding[] | null> {
  const calls = steps.filter(at => at.step.type.type === "agent_call")
  if (calls.length === 0) return null
  const found: Finding[] = []
  for (const at of calls) found.push(...(await checkAgent(at, caller, problemsOf)))
  return found
}

async function checkAgent(at: Located, caller: Caller, problemsOf: AgentProblemsOf): Promise<readonly Finding[]> {
  const { agent_id, model_ref } = at.document
  // That it has to be there is step_config's question, and what a template gives is known in a run only.
  if (!isSet(agent_id) || typeof agent_id !== "string" || isTemplate(agent_id)) return []
  // A model of the step's own is looked at with those of llm_call.
  const problems = await problemsOf(caller, agent_id.trim())
  if (problems === null) {
    return [issueAt(at, ".agent_id", "agent_unknown", "agent_id names no agent of this project; see GET /v1/agents")]
  }
  const own = isSet(model_ref)
  return problems
    .filter(({ place }) => !(own && place === "$.model_ref"))
    .map(({ severity, code, message, suggestion }) => ({
      ...issueAt(at, ".agent_id", code, `of its agent: ${message}`, { severity, suggestion }),
      ...(severity === "warning" && { blocks: true as const }),
    }))
}

function isTemplate(value: Json): boolean {
  return typeof value === "string" && value.includes("{{")
}
