import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

export const exchangeShape = t.Object({
  seq: integer(),
  kind: t.Union([t.Literal("model"), t.Literal("tool")]),
  step_id: t.String(),
  item: t.Nullable(integer()),
  round: integer(),
  attempt: integer(),
  request_hash: t.String(),
  request: t.Unknown({ description: "What was asked; `truncated` with a preview when it was too large." }),
  response: t.Unknown({ description: "`ok` with a `value`, or with a `failure`; `truncated` when it was too large to be kept." }),
  created_at: t.String(),
})

export const recordingShape = t.Object({
  exchanges: t.Array(exchangeShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})
export type RecordingBody = typeof recordingShape.static
