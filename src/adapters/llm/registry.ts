import type { Vendor } from "./llm.ts"
import type { VendorDriver } from "./vendor.ts"

/** Who speaks to whom: one line for each vendor. Their libraries are loaded by the first call, as nobody uses all of them. */
const DRIVERS: Readonly<Record<Vendor, () => Promise<VendorDriver>>> = {
  openai: async () => (await import("./vendors/openai.ts")).openai,
  anthropic: async () => (await import("./vendors/anthropic.ts")).anthropic,
  google: async () => (await import("./vendors/google.ts")).google,
  mistral: async () => (await import("./vendors/mistral.ts")).mistral,
  openrouter: async () => (await import("./vendors/openrouter.ts")).openrouter,
  azure: async () => (await import("./vendors/azure.ts")).azure,
  bedrock: async () => (await import("./vendors/bedrock.ts")).bedrock,
  local: async () => (await import("./vendors/local.ts")).local,
  builtin: async () => (await import("./vendors/builtin.ts")).builtin,
}

export function driverOf(vendor: Vendor): Promise<VendorDriver> {
  return DRIVERS[vendor]()
}
