import { t } from "elysia"
import { CREDENTIAL_MAX_CHARS, NAME_MAX_CHARS } from "../../kernel/limits.ts"

const id = t.String({ pattern: "^[0-9]{1,32}$", description: "Digits." })
const name = t.String({ minLength: 1, maxLength: NAME_MAX_CHARS, pattern: "^[^\\u0000]*$" })

export const whatsAppConfigShape = t.Object({
  enabled: t.Boolean({ description: "Whether the embedded signup can be used; credentials can be given by hand in any case." }),
  app_id: t.Nullable(t.String()),
  config_id: t.Nullable(t.String()),
  graph_version: t.String(),
})

export const whatsAppCompleteShape = t.Object({
  code: t.String({ minLength: 1, maxLength: 4_000 }),
  waba_id: id,
  phone_number_id: id,
  display_name: t.Optional(name),
})
export type WhatsAppSignup = typeof whatsAppCompleteShape.static

export const whatsAppManualShape = t.Object({
  display_name: name,
  access_token: t.String({ minLength: 1, maxLength: CREDENTIAL_MAX_CHARS, pattern: "^[\\x21-\\x7e]+$" }),
  business_account_id: id,
  phone_number_id: id,
})
export type WhatsAppCredentials = typeof whatsAppManualShape.static
