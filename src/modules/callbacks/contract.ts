import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

export const callbackListShape = t.Object({
  callbacks: t.Array(
    t.Object({
      id: t.String({ description: "Its Idempotency-Key." }),
      url: t.String({ description: "Without its query, which may hold a secret." }),
      status: t.Union([t.Literal("pending"), t.Literal("delivered"), t.Literal("failed")]),
      created_at: t.String(),
      next_attempt_at: t.Nullable(t.String()),
      ended_at: t.Nullable(t.String()),
      attempts: t.Array(
        t.Object({
          at: t.String(),
          duration_ms: integer(),
          status: t.Nullable(integer({ description: "Of the receiver's answer, if there was one." })),
          error: t.Nullable(t.String()),
        }),
      ),
    }),
  ),
})
export type CallbackList = typeof callbackListShape.static

export const secretStateShape = t.Object({
  set: t.Boolean(),
  last4: t.Nullable(t.String({ description: "The last four characters, to tell secrets apart." })),
})

export const newSecretShape = t.Object({
  signing_secret: t.String({ description: "Shown here only. It signs from the next attempt on." }),
})
