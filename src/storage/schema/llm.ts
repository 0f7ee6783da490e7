import type { JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export const defineLlm = (k: ColumnKit) => {
  /** Keys of model vendors, and addresses of local servers. The secrets are in the vault, under `llm_key:<id>`. */
  const llmProviderKeys = k.table(
    "llm_provider_keys",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      vendor: k.text("vendor").notNull(),
      /** Names a local server's models: `local.<label>.<model>`. */
      label: k.text("label").notNull(),
      /** Null: the vendor's own address. */
      baseUrl: k.text("base_url"),
      options: k.json<JsonObject>("options").notNull(),
      /** The last characters, of keys long enough that they give nothing away; null: there is no key. */
      last4: k.text("last4"),
      /** What the last test found, as a sentence; null: none since the last change. */
      lastTest: k.json<JsonObject>("last_test"),
      /** Of a local server: its models as it named them last. */
      models: k.json<JsonObject[]>("models"),
      /** Who was shown the secret last, and when. */
      revealedBy: k.text("revealed_by"),
      revealedAt: k.ms("revealed_at"),
      createdBy: k.text("created_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.unique("llm_provider_keys_label").on(t.tenantId, t.vendor, t.label)],
  )

  /** What a workspace puts in place of the packaged prices, per million tokens. */
  const llmPrices = k.table(
    "llm_prices",
    {
      tenantId: k.text("tenant_id").notNull(),
      /** `vendor.model`. */
      model: k.text("model").notNull(),
      price: k.json<JsonObject>("price").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.pk({ columns: [t.tenantId, t.model] })],
  )

  return { llmProviderKeys, llmPrices }
}
