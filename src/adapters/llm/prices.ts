import table from "../../../assets/models.json"
import type { Usage, Vendor } from "./llm.ts"
import { BUILTIN_CONTEXT_WINDOW, BUILTIN_MODEL } from "./vendors/builtin.ts"

/** A model of the packaged table, which is as old as `CATALOG.date` says. */
export interface KnownModel {
  readonly model: string
  readonly label: string
  readonly contextWindow: number | null
  /** Null: nobody knows. */
  readonly price: Price | null
}

/** US dollars for a million tokens. */
export interface Price {
  readonly input: number
  readonly output: number
  /** Of input that the vendor had cached; as `input` where it is null. */
  readonly cachedInput: number | null
}

/** Millionths of a US dollar, rounded up: what costs is never nothing. */
export interface Cost {
  readonly microUsd: number
  readonly inputMicroUsd: number
  readonly outputMicroUsd: number
}

/** Where the table comes from, and of which day it is. `npm run models` makes a newer one. */
export const CATALOG = { source: table.source, date: table.date }

/** The fields of a line of assets/models.json, in their order. */
type Row = readonly [string, string, number | null, number | null, number | null, number | null]

// The compiler sees arrays of anything in the file; its writer is dist-config/model-catalog.ts.
const rows = table.vendors as unknown as Readonly<Partial<Record<Vendor, readonly Row[]>>>
const FREE: Price = { input: 0, output: 0, cachedInput: 0 }
const BUILTIN: KnownModel = { model: BUILTIN_MODEL, label: "Built-in echo", contextWindow: BUILTIN_CONTEXT_WINDOW, price: FREE }
const known = new Map<Vendor, ReadonlyMap<string, KnownModel>>()

/** The models of a vendor as the table knows them, by name; of `local` servers it knows none. */
export function modelsOf(vendor: Vendor): readonly KnownModel[] {
  return [...byName(vendor).values()]
}

export function contextWindowOf(vendor: Vendor, model: string): number | null {
  return find(vendor, model)?.contextWindow ?? null
}

/** What a call cost, by `@pydantic/genai-prices` (it knows tiers, and prices by the hour) or the table. Null: unknown, not free. */
export function costOf(vendor: Vendor, model: string, usage: Usage): Cost | null {
  if (vendor === "builtin") return costAt(FREE, usage)
  if (usage.input === null && usage.output === null) return null
  return calculated(vendor, model, usage) ?? tabled(vendor, model, usage)
}

/** The same at a price that somebody set. */
export function costAt(price: Price, { input, output, cachedInput }: Usage): Cost {
  const cached = Math.min(cachedInput ?? 0, input ?? 0)
  const inputUsd = ((input ?? 0) - cached) * price.input + cached * (price.cachedInput ?? price.input)
  // Dollars for a million tokens are millionths of a dollar for one.
  return costFrom(inputUsd, (output ?? 0) * price.output)
}

function tabled(vendor: Vendor, model: string, usage: Usage): Cost | null {
  const price = find(vendor, model)?.price ?? null
  return price === null ? null : costAt(price, usage)
}

/** Vendors as the library calls them. */
const PROVIDERS: Readonly<Partial<Record<Vendor, string>>> = {
  openai: "openai",
  anthropic: "anthropic",
  google: "google",
  mistral: "mistral",
  openrouter: "openrouter",
  azure: "azure",
  bedrock: "aws",
}

function calculated(vendor: Vendor, model: string, { input, output, cachedInput }: Usage): Cost | null {
  const providerId = PROVIDERS[vendor]
  if (providerId === undefined) return null
  const cached = Math.min(cachedInput ?? 0, input ?? 0)
  const tokens = { input_tokens: input ?? 0, output_tokens: output ?? 0, ...(cached > 0 ? { cache_read_tokens: cached } : {}) }
  // 18 MB that only who calls a vendor needs, and at once, so that a cost need not be waited for.
  const { calcPrice } = require("@pydantic/genai-prices") as typeof import("@pydantic/genai-prices")
  const price = calcPrice(tokens, model, { providerId })
  if (price === null) return null
  return costFrom(price.input_price * 1_000_000, price.output_price * 1_000_000)
}

function costFrom(inputMicroUsd: number, outputMicroUsd: number): Cost {
  // Without the dust of floating point, which would be rounded up, too.
  const up = (micro: number) => Math.ceil(Number(micro.toFixed(6)))
  return { microUsd: up(inputMicroUsd + outputMicroUsd), inputMicroUsd: up(inputMicroUsd), outputMicroUsd: up(outputMicroUsd) }
}

export function find(vendor: Vendor, model: string): KnownModel | undefined {
  const models = byName(vendor)
  // Profiles of Bedrock that span regions are called `eu.<model>`.
  return models.get(model) ?? (vendor === "bedrock" ? models.get(model.replace(/^(us|eu|apac|jp|au|global)\./, "")) : undefined)
}

function byName(vendor: Vendor): ReadonlyMap<string, KnownModel> {
  if (vendor === "builtin") return new Map([[BUILTIN.model, BUILTIN]])
  const before = known.get(vendor)
  if (before !== undefined) return before
  const models = new Map((rows[vendor] ?? []).map(row => [row[0], knownModel(row)]))
  known.set(vendor, models)
  return models
}

function knownModel([model, label, contextWindow, input, output, cachedInput]: Row): KnownModel {
  return { model, label, contextWindow, price: input === null || output === null ? null : { input, output, cachedInput } }
}
