import { t } from "elysia"
import { SCOPES } from "../../http/permission.ts"
import { integer } from "../../http/shapes.ts"

const scopes = t.Array(t.String({ maxLength: 64 }), {
  maxItems: 64,
  description: `Of: ${SCOPES.join(", ")}. Another one answers 422.`,
})

export const PatRequest = t.Object({ display_name: t.String({ minLength: 1, maxLength: 100 }), scopes })

export const Pat = t.Object({
  id: t.String(),
  display_name: t.String(),
  scopes,
  token_hint: t.String({ description: "The last four characters, to tell tokens apart." }),
  user_id: t.String({ description: "The owner, as whom the token acts." }),
  created_by_pat_id: t.Nullable(
    t.String({ description: "The token that made this one; revoking that one revokes this one, too." }),
  ),
  created_at: t.String(),
  last_used_at: t.Nullable(t.String({ description: "Exact to about a minute." })),
  revealed_at: t.Nullable(t.String({ description: "Of a token made by `agentruntime init`: when it was printed." })),
  revoked_at: t.Nullable(t.String()),
})

export const PatList = t.Object({ pats: t.Array(Pat), total: integer(), limit: integer(), offset: integer() })

export const NewPat = t.Object({
  id: t.String(),
  display_name: t.String(),
  token: t.String({ description: "Shown here, and once more by reveal." }),
  scopes,
  created_at: t.String(),
})

export const RevealedPat = t.Object({ id: t.String(), token: t.String() })
export const PatId = t.Object({ id: t.String({ maxLength: 64 }) })
