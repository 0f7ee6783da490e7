import type { ListedModel, ModelTarget } from "../../adapters/llm/llm.ts"
import type { Vault } from "../../adapters/vault/vault.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { CREDENTIAL_SHOWN_FROM_CHARS } from "../../kernel/limits.ts"
import { isKeyedVendor, type KeyedVendor, type OperatorKey } from "../../kernel/llm-key.ts"
import type { Writer } from "../../storage/database.ts"
import type { LlmKeyRow, LlmKeyStore } from "./store.ts"

/** A key of the workspace, or one of the operator's that all workspaces have. Without its secret. */
export interface LlmKey {
  readonly id: string
  readonly tenantId: string
  readonly scope: "tenant" | "system"
  readonly vendor: KeyedVendor
  readonly label: string
  readonly baseUrl: string | null
  readonly options: JsonObject
  readonly last4: string | null
  readonly lastTest: JsonObject | null
  /** Of a local server: its models as it named them last; null: never, or of another vendor. */
  readonly models: readonly ListedModel[] | null
  /** Of the operator's: null. */
  readonly row: LlmKeyRow | null
}

/** What was found when a key was tried. */
export interface KeyFindings {
  readonly lastTest: JsonObject
  readonly models: readonly ListedModel[] | null
}

export interface LlmKeysDeps {
  readonly store: LlmKeyStore
  readonly vault: Vault<Writer>
  readonly operatorKeys: readonly OperatorKey[]
}

const SYSTEM = "system:"

/** Both tiers of keys (contract §9). */
export class LlmKeys {
  /** What was found with the operator's keys, by id: they have no row. */
  readonly #found = new Map<string, KeyFindings>()
  readonly #listeners: (() => void)[] = []

  constructor(private readonly deps: LlmKeysDeps) {}

  /** Called after every change was committed. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener)
  }

  changed(): void {
    for (const listener of this.#listeners) listener()
  }

  /** The workspace's, oldest first; then the operator's. */
  async of(tenantId: string): Promise<readonly LlmKey[]> {
    const own = (await this.deps.store.list(tenantId)).map(keyOf)
    return [...own, ...this.deps.operatorKeys.map(key => this.#systemKey(tenantId, key))]
  }

  async find(tenantId: string, id: string): Promise<LlmKey | null> {
    if (id.startsWith(SYSTEM)) {
      const key = this.deps.operatorKeys.find(({ label }) => label === id.slice(SYSTEM.length))
      return key ? this.#systemKey(tenantId, key) : null
    }
    const row = await this.deps.store.find(tenantId, id)
    return row && keyOf(row)
  }

  async secretOf({ scope, tenantId, id, label }: LlmKey): Promise<string | null> {
    if (scope === "tenant") return await this.deps.vault.get(tenantId, secretName(id))
    return this.deps.operatorKeys.find(key => key.label === label)?.apiKey ?? null
  }

  /** Not kept of a tenant's key that was deleted meanwhile. */
  async keep(key: LlmKey, { lastTest, models }: KeyFindings): Promise<LlmKey> {
    if (key.scope === "system") this.#found.set(key.id, { lastTest, models })
    else await this.deps.store.update(key.tenantId, key.id, { lastTest, models: models?.map(wireModel) ?? null })
    this.changed()
    return { ...key, lastTest, models }
  }

  #systemKey(tenantId: string, { vendor, label, baseUrl, options }: OperatorKey): LlmKey {
    const id = SYSTEM + label
    const { lastTest, models } = this.#found.get(id) ?? { lastTest: null, models: null }
    return { id, tenantId, scope: "system", vendor, label, baseUrl, options, last4: null, lastTest, models, row: null }
  }
}

/** The name of a key's secret in the vault. */
export const secretName = (id: string) => `llm_key:${id}`

export function targetOf({ vendor, baseUrl, options }: LlmKey, apiKey: string | null): Omit<ModelTarget, "model"> {
  return { vendor, baseUrl, apiKey, options }
}

/** What must not be seen of it; a key of Bedrock is made of several. */
export function secretsOf(apiKey: string | null): readonly string[] {
  return apiKey === null ? [] : [apiKey, ...(apiKey.includes(":") ? apiKey.split(":") : [])]
}

/** What may be shown of a secret; null: nothing. */
export function endOf(secret: string | null): string | null {
  return secret === null || secret.length < CREDENTIAL_SHOWN_FROM_CHARS ? null : secret.slice(-4)
}

export function keyOf(row: LlmKeyRow): LlmKey {
  const { id, tenantId, vendor, label, baseUrl, options, last4, lastTest } = row
  // Written by a newer version; a fitting one writes no other.
  if (!isKeyedVendor(vendor)) throw new Error(`a stored key is of the unknown vendor ${vendor}`)
  const models = row.models?.map(listedModel) ?? null
  return { id, tenantId, scope: "tenant", vendor, label, baseUrl, options, last4, lastTest, models, row }
}

const wireModel = ({ model, contextWindow }: ListedModel): JsonObject => ({ model, context_window: contextWindow })

function listedModel({ model, context_window }: JsonObject): ListedModel {
  return { model: String(model), contextWindow: typeof context_window === "number" ? context_window : null }
}
