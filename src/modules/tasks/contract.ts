import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

/** A person's work, as both lists show it (contract G-17). */
export const taskShape = t.Object({
  id: t.String(),
  task_id: t.String(),
  run_id: t.String(),
  workflow_id: t.String(),
  workflow_name: t.String(),
  step_id: t.String(),
  step_name: t.String(),
  task_type: t.String(),
  task_payload: t.Unknown(),
  status: t.String(),
  created_at: t.String(),
  expires_at: t.Nullable(t.String()),
})
export type TaskBody = typeof taskShape.static

export const taskListShape = t.Object({ tasks: t.Array(taskShape), total: integer(), limit: integer(), offset: integer() })

export const completeShape = t.Object({
  approved: t.Boolean(),
  result: t.Optional(
    t.Nullable(
      t.Record(t.String(), t.Unknown(), { description: "Merged into a human task's result; given to a step that asked." }),
    ),
  ),
  context_edits: t.Optional(
    t.Nullable(t.Record(t.String(), t.String(), { description: "Not available in this version: refused when given." })),
  ),
})

export const completedShape = t.Object({ status: t.Literal("completed"), task_id: t.String(), approved: t.Boolean() })
