import type { StepType } from "../../engine/step-type.ts"
import { FOR_EACH_PARALLEL_MAX, LOOP_ITEM_TIMEOUT_MAX_S } from "../../kernel/limits.ts"

export const forEach: StepType = {
  type: "for_each",
  title: "For each",
  description: "Runs inner steps for every element of a list.",
  runs: "loop",
  fields: {
    for_each_items: {
      type: "any",
      required: true,
      templated: true,
      path: true,
      description: "The list, e.g. {{steps.load.result.rows}}, or its path.",
    },
    for_each_max_parallel: {
      type: "integer",
      minimum: 1,
      maximum: FOR_EACH_PARALLEL_MAX,
      notInput: true,
      description: "Items under way at a time.",
    },
    for_each_body: { type: "object", notInput: true, description: "One inner step; it needs no id." },
    for_each_body_steps: { type: "array", notInput: true, description: "Inner steps, in order or with their own depends_on." },
    for_each_item_timeout_s: {
      type: "integer",
      minimum: 1,
      maximum: LOOP_ITEM_TIMEOUT_MAX_S,
      notInput: true,
      description: "Limit of one item.",
    },
    for_each_error_policy: {
      type: "string",
      values: ["fail_fast", "continue_on_error", "pause", "human_review"],
      notInput: true,
      description: "What a failed item does to the loop.",
    },
  },
  oneOf: [["for_each_body_steps", "for_each_body"]],
  timeoutDefaultMs: null,
}
