import { createAnthropic } from "@ai-sdk/anthropic"
import { textOf } from "../../../kernel/json.ts"
import { baseOf, getJson, modelsIn, windowOf } from "../address.ts"
import { generate } from "../generate.ts"
import { reasoningOf } from "../request.ts"
import type { VendorDriver } from "../vendor.ts"

const OWN = "https://api.anthropic.com/v1"

export const anthropic: VendorDriver = {
  async complete(target, request, call) {
    const provider = createAnthropic({ baseURL: baseOf(target, OWN), apiKey: target.apiKey ?? "", fetch: call.fetch })
    const effort = request.params.reasoning_effort
    const form = {
      reasoning: reasoningOf(request.params),
      // Arguments come in fewer, larger pieces; nobody watches them come.
      providerOptions: { anthropic: { toolStreaming: false, ...(effort === "max" ? { effort } : {}) } },
    }
    return await generate(provider(target.model), target, request, form, call)
  },
  async list(target, call) {
    const auth = { "x-api-key": target.apiKey ?? "", "anthropic-version": "2023-06-01" }
    const body = await getJson(`${baseOf(target, OWN)}/models?limit=1000`, auth, call)
    return modelsIn(body, "data", entry => ({ model: textOf(entry.id), contextWindow: windowOf(entry.max_input_tokens) }))
  },
}
