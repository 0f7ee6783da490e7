import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import {
  AGENT_INSTANCES_MAX,
  AGENT_INSTRUCTIONS_MAX_CHARS,
  AGENT_ROUNDS_DEFAULT,
  AGENT_ROUNDS_MAX,
  AGENT_TOKENS_MAX,
  AGENT_TOOLS_MAX,
  DESCRIPTION_MAX_CHARS,
  NAME_MAX_CHARS,
  STEP_TIMEOUT_MAX_S,
} from "../../kernel/limits.ts"

// PostgreSQL keeps no NUL in text.
const PLAIN = "^[^\\u0000]*$"
const toolName = t.String({ minLength: 1, maxLength: 256 })
const object = t.Record(t.String(), t.Unknown())

const fields = {
  name: t.String({ minLength: 1, maxLength: NAME_MAX_CHARS, pattern: PLAIN }),
  description: t.String({ maxLength: DESCRIPTION_MAX_CHARS, pattern: PLAIN }),
  instructions: t.String({
    maxLength: AGENT_INSTRUCTIONS_MAX_CHARS,
    pattern: PLAIN,
    description: "What the model is told before the prompt.",
  }),
  model_ref: t.String({ minLength: 1, maxLength: 500, pattern: PLAIN, description: "E.g. `direct.openai.gpt-4o`." }),
  llm_params: t.Record(t.String(), t.Unknown(), { description: "temperature, max_tokens, …; as of an llm_call." }),
  tools: t.Array(
    t.Object({
      instance_id: t.String({ minLength: 1, maxLength: 200, description: "An MCP instance of this project." }),
      tool_names: t.Optional(
        t.Nullable(
          t.Array(toolName, {
            maxItems: AGENT_TOOLS_MAX,
            description: "The only ones that it may call; left out: all that the server has.",
          }),
        ),
      ),
    }),
    { maxItems: AGENT_INSTANCES_MAX },
  ),
  memory: t.Object({ enabled: t.Boolean() }, { description: "Kept; not used by this version." }),
  input_schema: t.Nullable(t.Record(t.String(), t.Unknown(), { description: "JSON Schema that a step's `input` has to fit." })),
  output_schema: t.Nullable(t.Record(t.String(), t.Unknown(), { description: "JSON Schema that the answer has to fit." })),
  max_tool_rounds: integer({ minimum: 1, maximum: AGENT_ROUNDS_MAX, description: `Default ${AGENT_ROUNDS_DEFAULT}.` }),
  on_limit: t.Union([t.Literal("answer"), t.Literal("ask"), t.Literal("fail")], {
    description: "After the last round: answer without tools, ask a person whether to go on, or fail.",
  }),
  max_tokens_per_turn: t.Nullable(
    integer({ minimum: 1, maximum: AGENT_TOKENS_MAX, description: "Of all requests and answers." }),
  ),
  turn_timeout_s: t.Nullable(integer({ minimum: 1, maximum: STEP_TIMEOUT_MAX_S, description: "Besides the step's timeout_s." })),
  confirm_tools: t.Array(toolName, {
    maxItems: AGENT_TOOLS_MAX,
    description: "Tools that a person confirms each call of, and whose arguments may be edited then; `*`: all.",
  }),
  parallel_tool_calls: t.Boolean({ description: "False: the calls of one answer are made one after the other." }),
  status: t.Union([t.Literal("active"), t.Literal("disabled")], { description: "A disabled agent's steps fail." }),
}

const { name, model_ref, ...others } = fields
export const createAgentShape = t.Object({ name, model_ref, ...t.Partial(t.Object(others)).properties })
export const patchAgentShape = t.Partial(t.Object(fields))
export type AgentInput = typeof createAgentShape.static
export type AgentPatch = typeof patchAgentShape.static

const finding = t.Object({ code: t.String(), message: t.String() })

export const agentShape = t.Object({
  id: t.String(),
  ...fields,
  instructions: t.String(),
  tools: t.Array(t.Object({ instance_id: t.String(), tool_names: t.Nullable(t.Array(t.String())) })),
  llm_params: object,
  input_schema: t.Nullable(object),
  output_schema: t.Nullable(object),
  created_by: t.String(),
  created_at: t.String(),
  updated_at: t.String(),
  warnings: t.Optional(
    t.Array(finding, { description: "What would keep it from working now, e.g. a model without a key. Not in lists." }),
  ),
})
export type AgentBody = typeof agentShape.static

export const agentListShape = t.Object({ agents: t.Array(agentShape), total: integer(), limit: integer(), offset: integer() })
