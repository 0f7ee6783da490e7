import type { StepType } from "../../engine/step-type.ts"

/** The engine's half: hand-over, done, turn results. This version has no executor for it: its start is refused. */
export const agentCall: StepType = {
  type: "agent_call",
  title: "Call an agent",
  description: "One turn of an agent. Not available in this version.",
  runs: "unavailable",
  fields: {
    agent_id: { type: "string", required: true, description: "The agent." },
    prompt: { type: "string", templated: true, description: "What the agent is asked." },
    input: { type: "object", templated: true, description: "Structured input in place of a prompt." },
    model_ref: { type: "string", description: "Another model than the agent's." },
    max_tool_rounds: { type: "integer", minimum: 1, maximum: 100, description: "Rounds of tool calls; default 8." },
  },
  oneOf: [["prompt", "input"]],
  timeoutDefaultMs: 300_000,
}
