import type { StepType } from "../../engine/step-type.ts"
import { LOOP_ITEM_TIMEOUT_MAX_S, LUA_SCRIPT_MAX_BYTES, WHILE_MAX_ITERATIONS } from "../../kernel/limits.ts"

export const whileLoop: StepType = {
  type: "while",
  title: "While",
  description: "Repeats inner steps, then tests whether to go on.",
  runs: "loop",
  fields: {
    while_mode: {
      type: "string",
      required: true,
      values: ["until", "while"],
      notInput: true,
      description: "until stops when the test is true, while when it is false.",
    },
    while_max_iterations: {
      type: "integer",
      required: true,
      minimum: 1,
      maximum: WHILE_MAX_ITERATIONS,
      notInput: true,
      description: "Reaching it ends the loop and is no failure.",
    },
    while_body_steps: {
      type: "array",
      required: true,
      notInput: true,
      description: "Inner steps, in order or with their own depends_on.",
    },
    while_condition: { type: "string", notInput: true, description: "The test, e.g. {{body.check.ok}}." },
    while_eval_script: {
      type: "string",
      maxBytes: LUA_SCRIPT_MAX_BYTES,
      notInput: true,
      description: "The test as Lua that returns { pass = … }; wins over while_condition.",
    },
    while_iteration_timeout_s: {
      type: "integer",
      minimum: 1,
      maximum: LOOP_ITEM_TIMEOUT_MAX_S,
      notInput: true,
      description: "Limit of one iteration.",
    },
  },
  oneOf: [["while_condition", "while_eval_script"]],
  timeoutDefaultMs: null,
}
