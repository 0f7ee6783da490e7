import { VENDORS, type Vendor } from "../../adapters/llm/llm.ts"
import type { Caller } from "../../http/permission.ts"
import type { CatalogBody } from "./contract.ts"
import type { KeyTests } from "./key-test.ts"
import type { LlmKey, LlmKeys } from "./keys.ts"
import type { KnownModels } from "./known-models.ts"
import { modelRefOf } from "./model-ref.ts"

const LABELS: Readonly<Record<Vendor, string>> = {
  openai: "OpenAI",
  anthropic: "Anthropic",
  google: "Google",
  mistral: "Mistral",
  openrouter: "OpenRouter",
  azure: "Azure OpenAI",
  bedrock: "Amazon Bedrock",
  local: "Local",
  builtin: "Built in",
}

export interface LlmCatalogDeps {
  readonly keys: LlmKeys
  readonly tests: KeyTests
  readonly known: KnownModels
}

type Provider = CatalogBody["providers"][number]

/** Models by vendor, with who has a key (contract §9, G-26). */
export class LlmCatalog {
  constructor(private readonly deps: LlmCatalogDeps) {}

  async list(caller: Caller, only: string | null): Promise<CatalogBody> {
    const { keys, tests } = this.deps
    const all = await tests.refreshed(await keys.of(caller.tenantId), caller)
    const vendors = VENDORS.filter(vendor => only === null || vendor === only)
    return {
      providers: vendors.flatMap(vendor => (vendor === "local" ? localProviders(all) : [this.#provider(vendor, all)])),
      keys: all.map(({ id, vendor, scope, label, last4 }) => {
        return { id, vendor, scope, label, last4: last4 === null ? null : `…${last4}` }
      }),
    }
  }

  #provider(vendor: Exclude<Vendor, "local">, keys: readonly LlmKey[]): Provider {
    const own = keys.filter(key => key.vendor === vendor)
    const flags = {
      system_key: vendor === "builtin" || own.some(key => key.scope === "system"),
      tenant_key: own.some(key => key.scope === "tenant"),
    }
    const models = this.deps.known.modelsOf(vendor).map(({ model, label, contextWindow, price }) => ({
      ...{ model_ref: modelRefOf(vendor, "", model), model, label, context_window: contextWindow, ...flags },
      price: price && { input: price.input, output: price.output, cached_input: price.cachedInput },
    }))
    return { vendor, label: LABELS[vendor], models }
  }
}

/** One for each server. The workspace's own wins over the operator's of the same label, as it does in runs. */
function localProviders(keys: readonly LlmKey[]): readonly Provider[] {
  const servers = keys.filter(key => key.vendor === "local")
  const labels = [...new Set(servers.map(({ label }) => label))]
  return labels.flatMap(label => {
    const server = servers.find(key => key.label === label)
    if (!server) return []
    const flags = { system_key: server.scope === "system", tenant_key: server.scope === "tenant" }
    const models = (server.models ?? []).map(({ model, contextWindow }) => {
      return {
        model_ref: modelRefOf("local", label, model),
        model,
        label: model,
        context_window: contextWindow,
        price: null,
        ...flags,
      }
    })
    return [{ vendor: "local", label, models }]
  })
}
