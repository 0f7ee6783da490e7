import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { CREDENTIAL_MAX_CHARS, NAME_MAX_CHARS, URL_MAX_CHARS } from "../../kernel/limits.ts"
import type { LlmKey } from "./keys.ts"

// PostgreSQL keeps no NUL in text.
const text = (max: number) => t.String({ minLength: 1, maxLength: max, pattern: "^[^\\u0000]*$" })
const scope = t.Union([t.Literal("tenant"), t.Literal("system")])

const apiKey = t.String({
  minLength: 1,
  maxLength: CREDENTIAL_MAX_CHARS,
  description: "Kept in the vault. Of bedrock: access_key_id:secret_access_key[:session_token].",
})
const label = t.String({
  minLength: 1,
  maxLength: NAME_MAX_CHARS,
  pattern: "^[^\\u0000]*$",
  description: "Tells keys of one vendor apart; of a local server it names the models: `local.<label>.<model>`.",
})
const baseUrl = t.String({
  minLength: 1,
  maxLength: URL_MAX_CHARS,
  description:
    "The address of the server, with its path up to `/v1`: of `local` and `azure` needed, else in place of the vendor's.",
})
const options = t.Record(t.String({ maxLength: 100 }), t.Unknown(), {
  maxProperties: 20,
  description:
    "`region` (bedrock); `organization`, `project`, `api` (openai; `chat` for servers that know chat completions only); `api_version`, `deployment_urls` (azure); `structured_output` (local; false: the server takes no schemas).",
})

export const keyShape = t.Object({
  id: t.String(),
  vendor: t.String(),
  scope,
  label: t.String(),
  last4: t.Nullable(t.String({ description: "The end of a key that is long enough; else null." })),
  base_url: t.Nullable(t.String()),
  options: t.Record(t.String(), t.Unknown()),
  models: t.Nullable(t.Array(t.String(), { description: "Of a local server: the models it named last." })),
  last_test: t.Nullable(t.Object({ ok: t.Boolean(), message: t.String(), tested_at: t.String() })),
  last_revealed_by: t.Nullable(t.String()),
  last_revealed_at: t.Nullable(t.String()),
  created_by: t.Nullable(t.String()),
  created_at: t.Nullable(t.String({ description: "Of the operator's keys null." })),
  updated_at: t.Nullable(t.String()),
})
export type KeyBody = typeof keyShape.static

export const keyListShape = t.Object({ keys: t.Array(keyShape), total: integer(), limit: integer(), offset: integer() })

export const createKeyShape = t.Object({
  vendor: text(50),
  label: t.Optional(label),
  api_key: t.Optional(t.Nullable(apiKey)),
  base_url: t.Optional(t.Nullable(baseUrl)),
  options: t.Optional(options),
  scope: t.Optional(scope),
})
export type KeyWish = typeof createKeyShape.static

export const patchKeyShape = t.Object({
  label: t.Optional(label),
  api_key: t.Optional(t.Nullable(apiKey)),
  base_url: t.Optional(t.Nullable(baseUrl)),
  options: t.Optional(options),
})
export type KeyChange = typeof patchKeyShape.static

export const rotateKeyShape = t.Object({ api_key: apiKey })

export const keyTestShape = t.Composite([
  keyShape,
  t.Object({ ok: t.Boolean(), message: t.String(), models_count: t.Nullable(integer()) }),
])

export const revealedKeyShape = t.Object({ id: t.String(), api_key: t.String() })

const priceShape = t.Object(
  { input: t.Number(), output: t.Number(), cached_input: t.Nullable(t.Number()) },
  { description: "US dollars for a million tokens; null: not known." },
)

export const catalogShape = t.Object({
  providers: t.Array(
    t.Object({
      vendor: t.String(),
      label: t.String(),
      models: t.Array(
        t.Object({
          model_ref: t.String(),
          model: t.String(),
          label: t.String(),
          context_window: t.Nullable(integer()),
          price: t.Nullable(priceShape),
          system_key: t.Boolean(),
          tenant_key: t.Boolean(),
        }),
      ),
    }),
  ),
  keys: t.Array(t.Object({ id: t.String(), vendor: t.String(), scope, label: t.String(), last4: t.Nullable(t.String()) })),
})
export type CatalogBody = typeof catalogShape.static

export const catalogQuery = t.Object({
  vendor: t.Optional(t.String({ maxLength: 50, description: "Models of this vendor only." })),
})

export const resolveShape = t.Object({
  model_ref: t.Optional(
    t.Nullable(t.String({ maxLength: 1_000, description: "E.g. `direct.openai.gpt-4o`; wins over `model`." })),
  ),
  model: t.Optional(t.Nullable(t.String({ maxLength: 1_000, description: "The vendor's own name, e.g. `gpt-4o`." }))),
  llm_credential_id: t.Optional(t.Nullable(t.String({ maxLength: 100 }))),
  llm_credential_scope: t.Optional(t.Nullable(scope)),
})
export type ResolveWish = typeof resolveShape.static

export const resolvedShape = t.Object({
  model_ref: t.String(),
  vendor: t.String(),
  model: t.String(),
  credential_id: t.Nullable(t.String({ description: "Null: the model needs no key." })),
  credential_scope: scope,
  source: scope,
  available: t.Boolean(),
  listed: t.Boolean({ description: "Whether the catalog has the model. A newer one can be called all the same." }),
  context_window: t.Nullable(integer()),
})
export type ResolvedBody = typeof resolvedShape.static

/** As the API shows it. */
export function keyBody({ id, vendor, scope, label, last4, baseUrl, options, models, lastTest, row }: LlmKey): KeyBody {
  return {
    ...{ id, vendor, scope, label, base_url: baseUrl, options: { ...options } },
    last4: last4 === null ? null : `…${last4}`,
    models: models?.map(({ model }) => model) ?? null,
    // As `findingsOf` made it.
    last_test: lastTest as KeyBody["last_test"],
    last_revealed_by: row?.revealedBy ?? null,
    last_revealed_at: rfc3339OrNull(row?.revealedAt ?? null),
    created_by: row?.createdBy ?? null,
    created_at: row && rfc3339(row.createdAt),
    updated_at: row && rfc3339(row.updatedAt),
  }
}
