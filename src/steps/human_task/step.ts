import type { StepType } from "../../engine/step-type.ts"

export const humanTask: StepType = {
  type: "human_task",
  title: "Human task",
  description: "Waits until a person approves, rejects or edits.",
  runs: "person",
  fields: {
    task_type: { type: "string", templated: true, description: "What kind of work it is, e.g. approval or edit." },
    task_payload: {
      type: "any",
      templated: true,
      description: "What the person is shown; customary keys are title and description.",
    },
  },
  timeoutDefaultMs: null,
}
