import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

export const alertShape = t.Object({
  id: t.String(),
  kind: t.String({ description: "`trigger_late`: a schedule does not come at its moments. `trigger_unscheduled`: it had none." }),
  subject_id: t.String({ description: "What it is about, e.g. a trigger's id." }),
  message: t.String(),
  raised_at: t.String(),
  cleared_at: t.Nullable(t.String({ description: "When it needed nobody any more." })),
})
export type AlertBody = typeof alertShape.static

export const alertListShape = t.Object({ alerts: t.Array(alertShape), total: integer(), limit: integer(), offset: integer() })
