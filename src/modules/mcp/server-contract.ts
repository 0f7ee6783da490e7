import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { DESCRIPTION_MAX_CHARS, NAME_MAX_CHARS, URL_MAX_CHARS } from "../../kernel/limits.ts"
import { configFieldShape } from "./contract.ts"

// PostgreSQL keeps no NUL in text.
const text = (max: number, min = 0) => t.String({ minLength: min, maxLength: max, pattern: "^[^\\u0000]*$" })
const names = t.Array(t.String())
const open = t.Record(t.String(), t.Unknown())

const authMode = t.Union([t.Literal("none"), t.Literal("token"), t.Literal("hmac"), t.Literal("bearer"), t.Literal("oauth")], {
  description:
    "How it is told who calls: `token` (a run token, which fetches the configuration from /mcp/config), `hmac`, `bearer` (a configuration value), `oauth` (the bound connection).",
})
const status = t.Union([t.Literal("draft"), t.Literal("active"), t.Literal("error")])

const bridge = t.Record(t.String(), t.Unknown(), {
  description:
    'The runtime calls another address in its place: `{"upstream_url","auth_mapping":{"type":"none|bearer|header","from","name"},"header_mappings":[{"name","from"}]}`; `from` names configuration keys.',
})

const driftShape = t.Object(
  { added: names, removed: names, changed: names },
  { description: "How the tools that the server showed last differ from the active version." },
)

const serverToolShape = t.Object({
  name: t.String(),
  description: t.String(),
  input_schema: open,
  output_schema: t.Nullable(open),
  annotations: open,
})
export type ServerToolBody = typeof serverToolShape.static

const configSchemaShape = t.Record(t.String(), configFieldShape)
const check = t.Object({
  id: t.Union([
    t.Literal("reachability"),
    t.Literal("handshake"),
    t.Literal("tools"),
    t.Literal("schema"),
    t.Literal("smoke_call"),
  ]),
  status: t.Union([t.Literal("passed"), t.Literal("failed"), t.Literal("skipped")]),
  message: t.String(),
  duration_ms: integer(),
})

export const serverValidationShape = t.Object({
  server_id: t.String(),
  valid: t.Boolean(),
  status: t.Union([t.Literal("passed"), t.Literal("failed")]),
  checks: t.Array(check),
  server_status: t.Union([status], { description: "What the server's status is now." }),
  validated_at: t.String(),
})
export type ServerValidationBody = typeof serverValidationShape.static

export const serverShape = t.Object({
  id: t.String(),
  name: t.String(),
  service: t.String({ description: "Its name in lower case with underscores." }),
  description: t.String(),
  canonical_url: t.String({ description: "What graphs name as `server_url`." }),
  mode: t.String({ description: "`third_party`, or `operator`: declared in the server's configuration, and read-only here." }),
  auth_mode: authMode,
  bridge: t.Nullable(t.Record(t.String(), t.Unknown())),
  status,
  status_reason: t.Nullable(t.String()),
  version: t.Nullable(t.String({ description: "The active one." })),
  tool_count: integer(),
  tool_names: names,
  config_schema: configSchemaShape,
  drift: t.Nullable(driftShape),
  last_validated_at: t.Nullable(t.String()),
  created_at: t.Nullable(t.String()),
  updated_at: t.Nullable(t.String()),
})
export type ServerBody = typeof serverShape.static

export const serverListShape = t.Object({
  servers: t.Array(serverShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})

export const createServerShape = t.Object({
  name: text(NAME_MAX_CHARS, 1),
  canonical_url: text(URL_MAX_CHARS, 1),
  description: t.Optional(text(DESCRIPTION_MAX_CHARS)),
  mode: t.Optional(t.Literal("third_party")),
  auth_mode: t.Optional(authMode),
  bridge: t.Optional(t.Nullable(bridge)),
})
export type CreateServer = typeof createServerShape.static

export const patchServerShape = t.Partial(t.Omit(createServerShape, ["mode"]))
export type PatchServer = typeof patchServerShape.static

/** With whose credentials the server is asked; neither: with those of the project's own instance, if it has one. */
export const askAsShape = t.Object({
  instance_id: t.Optional(t.String({ maxLength: 200 })),
  connection_id: t.Optional(t.String({ maxLength: 200 })),
})
/** No body at all is fine. */
export const askAsBody = t.Optional(t.Nullable(askAsShape))
export type AskAs = typeof askAsShape.static

export const discoveryShape = t.Object({
  server_id: t.String(),
  server: t.Object({ name: t.String(), version: t.String(), protocol_version: t.String() }),
  tools: t.Array(serverToolShape),
  tool_count: integer(),
  config_schema: configSchemaShape,
  drift: t.Nullable(driftShape),
  problems: t.Array(t.String({ description: "What cannot be used, and why." })),
})
export type DiscoveryBody = typeof discoveryShape.static

export const publishShape = t.Object({
  version: t.Optional(t.String({ minLength: 1, maxLength: 50, pattern: "^[0-9A-Za-z][0-9A-Za-z.+_-]*$" })),
  tools: t.Optional(t.Array(open, { minItems: 1, maxItems: 500 })),
  config_schema: t.Optional(open),
  activate: t.Optional(t.Boolean({ description: "Makes it the version whose tools count; true unless it says otherwise." })),
  ...askAsShape.properties,
})
export const publishBody = t.Optional(t.Nullable(publishShape))
export type Publish = typeof publishShape.static

export const versionShape = t.Object({
  id: t.String(),
  server_id: t.String(),
  version: t.String(),
  active: t.Boolean(),
  tools: t.Array(serverToolShape),
  tool_count: integer(),
  config_schema: configSchemaShape,
  created_by: t.String(),
  created_at: t.String(),
})
export const versionListShape = t.Object({ versions: t.Array(versionShape), total: integer() })
export type VersionBody = typeof versionShape.static

export const bindingValidationShape = t.Object({
  server_id: t.String(),
  connection_id: t.String(),
  valid: t.Boolean(),
  status: t.Union([t.Literal("passed"), t.Literal("failed")]),
  checks: t.Array(
    t.Object({
      id: t.Union([t.Literal("config_complete"), t.Literal("credentials_present"), t.Literal("reachability")]),
      status: t.Union([t.Literal("passed"), t.Literal("failed"), t.Literal("skipped")]),
      message: t.String(),
      duration_ms: integer(),
    }),
  ),
  validated_at: t.String(),
})
export type BindingValidationBody = typeof bindingValidationShape.static

export const forceQuery = t.Object({
  force: t.Optional(t.BooleanString({ description: "Removes it although instances use it, and them with it." })),
})
