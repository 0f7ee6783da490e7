import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

export const artifactShape = t.Object({
  id: t.String(),
  url: t.String({ description: "Answers with the bytes." }),
  name: t.Nullable(t.String()),
  mime_type: t.String({ description: "By the word of whoever gave it." }),
  size_bytes: integer(),
  sha256: t.String({ description: "Of the content, hex." }),
  run_id: t.Nullable(t.String()),
  step_id: t.Nullable(t.String()),
  created_at: t.String(),
})
export type ArtifactBody = typeof artifactShape.static

export const artifactListShape = t.Object({
  artifacts: t.Array(artifactShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})
