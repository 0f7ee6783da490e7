import type { Usage, Vendor } from "../../adapters/llm/llm.ts"
import { costOf, find, type KnownModel, modelsOf } from "../../adapters/llm/prices.ts"

/** What is known of models without asking anybody. */
export interface KnownModels {
  modelsOf(vendor: Vendor): readonly KnownModel[]
  find(vendor: Vendor, model: string): KnownModel | null
  /** In millionths of a US dollar; null: the price is not known, or how much was used. */
  costOf(vendor: Vendor, model: string, usage: Usage): number | null
}

/** The table that is packaged with the program. */
export const packagedModels: KnownModels = {
  modelsOf,
  find: (vendor, model) => find(vendor, model) ?? null,
  costOf(vendor, model, usage) {
    if (usage.input === null || usage.output === null) return null
    return costOf(vendor, model, usage)?.microUsd ?? null
  },
}
