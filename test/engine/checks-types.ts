import type { StepTypes } from "../../src/engine/step-type.ts"
import { agentCall } from "../../src/steps/agent_call/step.ts"
import { forEach } from "../../src/steps/for_each/step.ts"
import { humanTask } from "../../src/steps/human_task/step.ts"
import { llmCall } from "../../src/steps/llm_call/step.ts"
import { luaScript } from "../../src/steps/lua_script/step.ts"
import { mcpCall } from "../../src/steps/mcp_call/step.ts"
import { whileLoop } from "../../src/steps/while/step.ts"
import { workflowCall } from "../../src/steps/workflow_call/step.ts"

/** Every step type, whether or not the program's registry has it yet. */
export const ALL_TYPES: StepTypes = new Map(
  [mcpCall, humanTask, luaScript, forEach, whileLoop, workflowCall, agentCall, llmCall].map(t => [t.type, t]),
)
