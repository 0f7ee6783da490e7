import type { StepType } from "../../engine/step-type.ts"

export const workflowCall: StepType = {
  type: "workflow_call",
  title: "Call a workflow",
  description: "Starts a run of another workflow, and waits for its end if wanted.",
  runs: "outside",
  fields: {
    workflow_id: { type: "string", required: true, templated: true, description: "A published workflow of this project." },
    version: { type: "integer", minimum: 1, description: "Default: the newest." },
    input: { type: "object", templated: true, description: "Input of the child run." },
    wait: { type: "boolean", description: "Whether to wait for the child's end; default true." },
    pass_parent_input: { type: "boolean", description: "Puts this run's input under the child's; default false." },
    output_from: {
      type: "string",
      description: "The child's step whose result is the output; default: results of its last steps.",
    },
  },
  timeoutDefaultMs: null,
}
