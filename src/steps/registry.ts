import type { StepType, StepTypes } from "../engine/step-type.ts"
import { humanTask } from "./human_task/step.ts"
import { luaScript } from "./lua_script/step.ts"
import { mcpCall } from "./mcp_call/step.ts"
import { unavailableTypes } from "./unavailable.ts"

/** One line per step type. */
const TYPES: readonly StepType[] = [mcpCall, humanTask, luaScript, ...unavailableTypes]

export const stepTypes: StepTypes = new Map(TYPES.map(type => [type.type, type]))
