import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

export const attemptListShape = t.Object({
  attempts: t.Array(
    t.Object({
      id: t.String(),
      at: t.String(),
      what: t.String({ description: "Which part of the runtime asked, e.g. `connector github`." }),
      project_id: t.Nullable(t.String()),
      user_id: t.Nullable(t.String()),
      run_id: t.Nullable(t.String()),
      step_id: t.Nullable(t.String()),
      protocol: t.String({ description: "`https`, `http`, `tcp` for databases, or `other` for what is not spoken here." }),
      host: t.String({ description: "Never more than this of an address: paths and queries may hold secrets." }),
      port: integer(),
      allowed: t.Boolean(),
      reason: t.Nullable(t.String({ description: "Why it was refused." })),
    }),
  ),
  total: integer(),
  limit: integer(),
  offset: integer(),
})
export type AttemptList = typeof attemptListShape.static

export const policyShape = t.Object({
  sealed: t.Boolean({ description: "Nothing leaves but to what `allow` names, and every attempt is recorded." }),
  allow: t.Array(t.String({ description: "A name, an address or a network, perhaps with a port." })),
})
export type PolicyBody = typeof policyShape.static
