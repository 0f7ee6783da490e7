import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { NAME_MAX_CHARS } from "../../kernel/limits.ts"

// PostgreSQL keeps no NUL in text.
const name = t.String({ minLength: 1, maxLength: NAME_MAX_CHARS, pattern: "^[^\\u0000]*$" })
const values = t.Record(t.String({ maxLength: 200 }), t.Unknown(), { description: "Values by configuration key." })
const schemaObject = t.Record(t.String(), t.Unknown(), { description: "JSON Schema." })

export const configFieldShape = t.Object({
  type: t.Union([t.Literal("string"), t.Literal("number"), t.Literal("boolean"), t.Literal("option")]),
  displayName: t.String(),
  description: t.Optional(t.String()),
  required: t.Boolean(),
  default: t.Optional(t.Union([t.String(), t.Number(), t.Boolean()])),
  secret: t.Optional(t.Boolean({ description: "A credential; never stored or shown in plain." })),
  options: t.Optional(t.Array(t.Object({ label: t.String(), value: t.String() }))),
})

export const catalogServerShape = t.Object({
  id: t.String({ description: "What `server_id` takes; for platform adapters the slug." }),
  slug: t.String(),
  name: t.String(),
  description: t.String(),
  category: t.String(),
  canonical_url: t.String(),
  auth_kind: t.Union([t.Literal("google"), t.Literal("whatsapp"), t.Literal("api_key"), t.Literal("dsn"), t.Literal("none")]),
  config_schema: t.Record(t.String(), configFieldShape),
  tool_count: integer({ description: "Documented tools." }),
  tool_names: t.Array(t.String()),
  status: t.Union([t.Literal("ga"), t.Literal("preview"), t.Literal("placeholder")]),
  available: t.Boolean({ description: "Whether this executable has the tools." }),
  self_hosted_only: t.Boolean({ description: "The hosted product has no such adapter." }),
  icon_url: t.Nullable(t.String()),
  installed_instance_ids: t.Array(t.String()),
})
export const catalogShape = t.Object({ servers: t.Array(catalogServerShape) })
export type CatalogServerBody = typeof catalogServerShape.static

export const toolShape = t.Object({
  name: t.String(),
  description: t.String(),
  server_id: t.String(),
  mcp_id: t.String(),
  server_slug: t.String(),
  input_schema: schemaObject,
  output_schema: t.Nullable(schemaObject),
  annotations: t.Object({
    readOnlyHint: t.Optional(t.Boolean()),
    idempotentHint: t.Optional(t.Boolean()),
    destructiveHint: t.Optional(t.Boolean()),
  }),
  metadata: t.Object({ display_name: t.String(), suggested_group: t.String(), suggested_tags: t.Array(t.String()) }),
})
export const toolListShape = t.Object({ tools: t.Array(toolShape), total: integer() })
export type ToolBody = typeof toolShape.static

export const toolQuery = t.Object({
  server_id: t.Optional(t.String()),
  instance_id: t.Optional(t.String()),
  q: t.Optional(t.String({ maxLength: 200, description: "Words that the name or description holds." })),
})

export const instanceShape = t.Object({
  id: t.String(),
  server_id: t.String(),
  server_slug: t.String(),
  server_url: t.String(),
  name: t.String(),
  status: t.String(),
  active_profile_id: t.Nullable(t.String()),
  has_connection: t.Boolean({ description: "Whether the active profile has everything that the server needs." }),
  created_at: t.String(),
  updated_at: t.String(),
})
export const instanceListShape = t.Object({
  instances: t.Array(instanceShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})
export type InstanceBody = typeof instanceShape.static

export const createInstanceShape = t.Object({
  server_id: t.String({ minLength: 1, maxLength: 200 }),
  name: t.Optional(name),
  config: t.Optional(values),
  connection_id: t.Optional(
    t.String({ maxLength: 200, description: "Binds every configuration key that the connection can give." }),
  ),
})
export const patchInstanceShape = t.Object({ name: t.Optional(name) })

export const profileShape = t.Object({
  id: t.String(),
  instance_id: t.String(),
  name: t.String(),
  active: t.Boolean(),
  config: values,
  source_spec: t.Record(t.String(), t.Unknown(), {
    description: "A secret that was given in plain is in the vault; here it says where.",
  }),
  created_at: t.String(),
  updated_at: t.String(),
})
export const profileListShape = t.Object({
  config_profiles: t.Array(profileShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})
export type ProfileBody = typeof profileShape.static

const sources = t.Record(t.String({ maxLength: 200 }), t.Record(t.String(), t.Unknown()), {
  description:
    'Where values come from, by configuration key: `{"source":"connection","connection_id":"…","key":"…"}`, `literal` with `value`, `env` with `name`.',
})
const profileFields = { config: t.Optional(values), source_spec: t.Optional(sources), connection_id: t.Optional(t.String()) }

export const createProfileShape = t.Object({
  name,
  ...profileFields,
  active: t.Optional(t.Boolean({ description: "Makes it the active one at once." })),
})
export const patchProfileShape = t.Object({ name: t.Optional(name), ...profileFields })
export type ProfileInput = typeof createProfileShape.static
export type ProfilePatch = typeof patchProfileShape.static

/** Addresses or steps of one request. */
const RESOLVE_MAX = 1_000

export const resolveRequestShape = t.Object({
  server_urls: t.Optional(t.Array(t.String({ maxLength: 2_000 }), { maxItems: RESOLVE_MAX })),
  graph: t.Optional(t.Record(t.String(), t.Unknown())),
  workflow_id: t.Optional(t.String()),
  create_missing: t.Optional(t.Boolean({ description: "Makes instances of servers that need no configuration." })),
})
export type ResolveRequest = typeof resolveRequestShape.static

export const resolutionShape = t.Object({
  resolved: t.Array(
    t.Object({
      server_url: t.String(),
      instance_id: t.String(),
      connection_id: t.Nullable(t.String()),
      source: t.Union([t.Literal("step"), t.Literal("project"), t.Literal("override"), t.Literal("created")]),
    }),
  ),
  unresolved: t.Array(
    t.Object({
      server_url: t.Nullable(t.String()),
      instance_id: t.Optional(t.String()),
      reason: t.Union([t.Literal("unknown_server"), t.Literal("no_instance"), t.Literal("ambiguous"), t.Literal("foreign")]),
      message: t.String(),
    }),
  ),
})
export type ResolutionBody = typeof resolutionShape.static

const outcome = t.Union([t.Literal("passed"), t.Literal("failed"), t.Literal("skipped")])
export const validationShape = t.Object({
  server_id: t.String(),
  instance_id: t.String(),
  valid: t.Boolean(),
  status: t.Union([t.Literal("passed"), t.Literal("failed")]),
  checks: t.Array(t.Object({ id: t.String(), status: outcome, message: t.String(), duration_ms: integer() })),
  validated_at: t.String(),
})
export type ValidationBody = typeof validationShape.static
