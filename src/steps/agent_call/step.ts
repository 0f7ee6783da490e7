import type { StepType } from "../../engine/step-type.ts"
import { AGENT_ROUNDS_MAX, AGENT_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"
import { ON_LIMIT } from "./agent.ts"

/** One turn of an agent: its model, and the tools that it asks for (contract §3.4, §12). */
export const agentCall: StepType = {
  type: "agent_call",
  title: "Call an agent",
  description:
    "One turn of an agent: its model is asked, the tools that it wants are called, until it answers. A turn that was interrupted goes on where it was.",
  runs: "outside",
  fields: {
    agent_id: { type: "string", required: true, templated: true, description: "An agent of this project." },
    prompt: { type: "string", templated: true, description: "What the agent is asked." },
    input: {
      type: "object",
      templated: true,
      description: "Structured input in place of a prompt, checked against the agent's `input_schema`.",
    },
    model_ref: { type: "string", templated: true, description: "Another model than the agent's, e.g. `local.builtin.echo-1`." },
    max_tool_rounds: {
      type: "integer",
      minimum: 1,
      maximum: AGENT_ROUNDS_MAX,
      description: "Rounds of tool calls; default: the agent's, which is 8 unless it says otherwise.",
    },
    max_cost_micro_usd: {
      type: "integer",
      minimum: 1,
      maximum: Number.MAX_SAFE_INTEGER,
      description:
        "Millionths of a US dollar for the whole turn: once its requests cost as much, the model is not asked again and the step fails. Needs a model whose price is known.",
    },
    on_limit: {
      type: "string",
      values: ON_LIMIT,
      description:
        "After the last round: let the agent answer without tools (the default), ask a person whether it may go on, or fail.",
    },
  },
  oneOf: [["prompt", "input"]],
  timeoutDefaultMs: AGENT_TIMEOUT_DEFAULT_MS,
}
