import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { CREDENTIALS_PER_CONNECTION_MAX, NAME_MAX_CHARS } from "../../kernel/limits.ts"

// PostgreSQL keeps no NUL in text.
const name = t.String({ minLength: 1, maxLength: NAME_MAX_CHARS, pattern: "^[^\\u0000]*$" })
const word = t.String({ minLength: 1, maxLength: 200 })

const credentials = t.Record(t.String({ maxLength: 200 }), t.Unknown(), {
  description: "Secrets by key. Kept in the vault and never shown again.",
  maxProperties: 2 * CREDENTIALS_PER_CONNECTION_MAX,
})

const useShape = t.Object({
  instance_id: t.String(),
  profile_id: t.Nullable(t.String()),
  active: t.Boolean({ description: "Whether runs use it: by an instance's active profile, or by a workflow's override." }),
  workflow_id: t.Optional(t.String({ description: "Of a workflow's override." })),
})

export const connectionShape = t.Object({
  id: t.String(),
  display_name: t.String(),
  name: t.String(),
  provider: t.String({ description: "`custom`, `google_account`, `whatsapp` or `mcp_oauth`." }),
  service: t.String(),
  status: t.Union([t.Literal("active"), t.Literal("reconnect_required"), t.Literal("error")]),
  status_reason: t.Nullable(t.String()),
  credential_keys: t.Array(t.String()),
  account: t.Nullable(t.String()),
  metadata: t.Record(t.String(), t.Unknown()),
  used_by: t.Array(useShape),
  created_at: t.String(),
  updated_at: t.String(),
})
export type ConnectionBody = typeof connectionShape.static

export const connectionListShape = t.Object({
  connections: t.Array(connectionShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})

export const connectionFilter = { provider: t.Optional(word), service: t.Optional(word) }
export const deleteQuery = t.Object({
  force: t.Optional(t.Union([t.Literal("true"), t.Literal("false")], { description: "Deletes it although it is in use." })),
})

export const createConnectionShape = t.Object({
  display_name: t.Optional(name),
  name: t.Optional(name),
  provider: t.Optional(word),
  service: word,
  credentials,
})
export type ConnectionWish = typeof createConnectionShape.static

export const patchConnectionShape = t.Object({
  display_name: t.Optional(name),
  name: t.Optional(name),
  credentials: t.Optional(credentials),
})
export type ConnectionPatch = typeof patchConnectionShape.static

export const credentialListShape = t.Object({
  connection_id: t.String(),
  credentials: t.Array(
    t.Object({
      key: t.String(),
      set: t.Boolean(),
      last4: t.Nullable(t.String({ description: "The end of a secret that is long enough; else null." })),
      updated_at: t.String(),
    }),
  ),
})
