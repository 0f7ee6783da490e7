import type { Vendor } from "./llm.ts"
import type { VendorDriver } from "./vendor.ts"
import { anthropic } from "./vendors/anthropic.ts"
import { azure } from "./vendors/azure.ts"
import { bedrock } from "./vendors/bedrock.ts"
import { builtin } from "./vendors/builtin.ts"
import { google } from "./vendors/google.ts"
import { local } from "./vendors/local.ts"
import { mistral } from "./vendors/mistral.ts"
import { openai } from "./vendors/openai.ts"
import { openrouter } from "./vendors/openrouter.ts"

/** Who speaks to whom: one line for each vendor. */
export const DRIVERS: Readonly<Record<Vendor, VendorDriver>> = {
  ...{ openai, anthropic, google, mistral, openrouter },
  ...{ azure, bedrock, local, builtin },
}
