import { t } from "elysia"
import { NAME_MAX_CHARS, URL_MAX_CHARS } from "../../kernel/limits.ts"
import { connectionShape } from "./contract.ts"

const service = t.String({ minLength: 1, maxLength: 100 })
const redirectUri = t.Optional(
  t.String({
    maxLength: URL_MAX_CHARS,
    description:
      "Where the browser is sent afterwards; registered with the service. Default: `{public_url}/connections/callback`.",
  }),
)
const state = t.String({ minLength: 1, maxLength: 200 })
const code = t.String({ minLength: 1, maxLength: 4_000 })
const iss = t.Optional(t.String({ maxLength: URL_MAX_CHARS }))

export const begunShape = t.Object({ url: t.String(), state: t.String(), expires_at: t.String() })
export const completeShape = t.Object({ code, state, iss })
export type Completion = typeof completeShape.static

export const googleConfigShape = t.Object({
  enabled: t.Boolean(),
  client_source: t.Union([t.Literal("platform"), t.Literal("tenant")]),
  redirect_uri: t.String({ description: "What has to be registered with Google." }),
  services: t.Array(t.Object({ service: t.String(), label: t.String(), scopes: t.Array(t.String()) })),
})

export const googleBeginShape = t.Object({
  services: t.Array(service, { minItems: 1, maxItems: 50 }),
  redirect_uri: redirectUri,
  connection_id: t.Optional(t.String({ description: "The connection that gets the new consent; else one is made." })),
  display_name: t.Optional(t.String({ minLength: 1, maxLength: NAME_MAX_CHARS, pattern: "^[^\\u0000]*$" })),
})
export type GoogleBeginning = typeof googleBeginShape.static

const accountFields = {
  connection_id: t.String(),
  email: t.Nullable(t.String()),
  status: t.String(),
  services: t.Array(t.Object({ service: t.String(), enabled: t.Boolean(), granted_scopes: t.Array(t.String()) })),
}
export const googleAccountShape = t.Object(accountFields)
export type GoogleAccountBody = typeof googleAccountShape.static

export const googleConnectedShape = t.Object({
  ...connectionShape.properties,
  missing_scopes: t.Array(t.String(), { description: "Asked for and not granted; their services stay off." }),
})

export const googleServicesShape = t.Object({
  services: t.Record(service, t.Boolean(), { maxProperties: 50 }),
  redirect_uri: redirectUri,
})
export type GoogleSwitches = typeof googleServicesShape.static
export const googleSwitchedShape = t.Object({
  ...accountFields,
  consent_required: t.Optional(
    t.Boolean({ description: "Some services need scopes that were not granted yet: send the person to `url`." }),
  ),
  url: t.Optional(t.String()),
  state: t.Optional(t.String()),
  expires_at: t.Optional(t.String()),
})
