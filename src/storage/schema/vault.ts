import type { ColumnKit } from "../columns.ts"

export const defineVault = (k: ColumnKit) => {
  /** Facts about this instance, by key: `master_key_fingerprint`, `instance_id`. */
  const instanceFacts = k.table("instance_facts", {
    key: k.text("key").primaryKey(),
    value: k.text("value").notNull(),
  })

  /** One data key for each workspace, wrapped by the master key whose fingerprint stands beside it. */
  const vaultKeys = k.table("vault_keys", {
    tenantId: k.text("tenant_id").primaryKey(),
    wrappedKey: k.bytes("wrapped_key").notNull(),
    masterFingerprint: k.text("master_fingerprint").notNull(),
    createdAt: k.ms("created_at").notNull(),
  })

  const vaultSecrets = k.table(
    "vault_secrets",
    {
      tenantId: k.text("tenant_id").notNull(),
      /** What the secret belongs to, e.g. `pat:<id>`; part of the additional data, so rows cannot be swapped. */
      name: k.text("name").notNull(),
      sealed: k.bytes("sealed").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.pk({ columns: [t.tenantId, t.name] })],
  )

  return { instanceFacts, vaultKeys, vaultSecrets }
}
