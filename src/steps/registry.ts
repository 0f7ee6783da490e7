import type { StepType, StepTypes } from "../engine/step-type.ts"
import { agentCall } from "./agent_call/step.ts"
import { forEach } from "./for_each/step.ts"
import { humanTask } from "./human_task/step.ts"
import { llmCall } from "./llm_call/step.ts"
import { luaScript } from "./lua_script/step.ts"
import { mcpCall } from "./mcp_call/step.ts"
import { whileLoop } from "./while/step.ts"
import { workflowCall } from "./workflow_call/step.ts"

/** One line per step type. */
const TYPES: readonly StepType[] = [mcpCall, llmCall, luaScript, humanTask, forEach, whileLoop, workflowCall, agentCall]

export const stepTypes: StepTypes = new Map(TYPES.map(type => [type.type, type]))
