import { rfc3339 } from "../../kernel/clock.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { AGENT_ROUNDS_DEFAULT } from "../../kernel/limits.ts"
import { type Agent, ON_LIMIT } from "../../steps/agent_call/agent.ts"
import type { AgentBody, AgentPatch } from "./contract.ts"
import type { AgentRow } from "./store.ts"

/** What is kept as one document; its members are the API's. */
export type Definition = Pick<
  AgentBody,
  | "llm_params"
  | "tools"
  | "memory"
  | "input_schema"
  | "output_schema"
  | "max_tool_rounds"
  | "on_limit"
  | "max_tokens_per_turn"
  | "turn_timeout_s"
  | "confirm_tools"
  | "parallel_tool_calls"
>

const DEFAULTS: Definition = {
  llm_params: {},
  tools: [],
  memory: { enabled: false },
  input_schema: null,
  output_schema: null,
  max_tool_rounds: AGENT_ROUNDS_DEFAULT,
  on_limit: "answer",
  max_tokens_per_turn: null,
  turn_timeout_s: null,
  confirm_tools: [],
  parallel_tool_calls: true,
}

/** What is stored, with what was given over it; whatever neither says has its default. */
export function definitionOf(stored: JsonObject, given: AgentPatch = {}): Definition {
  const { pinned_tools: _p, ...kept } = stored as Partial<Definition> & JsonObject // nothing else is ever stored there
  const { name: _, description: _d, instructions: _i, model_ref: _m, status: _s, ...changes } = given
  const { tools, ...rest } = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined)) as AgentPatch
  const named = tools?.map(({ instance_id, tool_names }) => ({ instance_id, tool_names: tool_names ?? null }))
  return { ...DEFAULTS, ...kept, ...(rest as Partial<Definition>), ...(named !== undefined && { tools: named }) }
}

export function agentBody(row: AgentRow): AgentBody {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    instructions: row.instructions,
    model_ref: row.modelRef,
    ...definitionOf(row.definition),
    status: row.status === "disabled" ? "disabled" : "active",
    created_by: row.createdBy,
    created_at: rfc3339(row.createdAt),
    updated_at: rfc3339(row.updatedAt),
  }
}

/** The same for a turn. */
export function agentOf(row: AgentRow): Agent {
  const definition = definitionOf(row.definition)
  return {
    id: row.id,
    name: row.name,
    instructions: row.instructions,
    modelRef: row.modelRef,
    llmParams: objectOf(definition.llm_params) ?? {},
    tools: definition.tools.map(({ instance_id, tool_names }) => ({ instanceId: instance_id, toolNames: tool_names })),
    inputSchema: objectOf(definition.input_schema),
    outputSchema: objectOf(definition.output_schema),
    maxToolRounds: definition.max_tool_rounds,
    onLimit: ON_LIMIT.find(one => one === definition.on_limit) ?? "answer",
    maxTokensPerTurn: definition.max_tokens_per_turn,
    turnTimeoutMs: definition.turn_timeout_s === null ? null : definition.turn_timeout_s * 1000,
    confirmTools: definition.confirm_tools,
    parallelToolCalls: definition.parallel_tool_calls,
    status: row.status === "disabled" ? "disabled" : "active",
    pins: (objectOf(row.definition.pinned_tools) ?? {}) as Agent["pins"], // as `pinsOf` made them
  }
}

function objectOf(value: unknown): JsonObject | null {
  return isJsonObject(value as Json) ? (value as JsonObject) : null // it came as JSON
}
