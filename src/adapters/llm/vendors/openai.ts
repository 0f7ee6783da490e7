import { createOpenAI } from "@ai-sdk/openai"
import type { JsonObject } from "../../../kernel/json.ts"
import { baseOf, getJson, openAiModels, optionOf } from "../address.ts"
import { generate } from "../generate.ts"
import type { ModelRequest, ModelTarget } from "../llm.ts"
import { type RequestForm, reasoningOf } from "../request.ts"
import { isStrictSchema } from "../strict-schema.ts"
import type { VendorCall, VendorDriver } from "../vendor.ts"

const OWN = "https://api.openai.com/v1"

/** The responses API; with `options.api` `chat` chat completions, for what stands in for OpenAI and knows only those. */
export const openai: VendorDriver = {
  async complete(target, request, call) {
    const provider = createOpenAI({
      baseURL: baseOf(target, OWN),
      apiKey: target.apiKey ?? "",
      headers: headers(target),
      fetch: call.fetch,
    })
    const model = optionOf(target, "api") === "chat" ? provider.chat(target.model) : provider.responses(target.model)
    return await generate(model, target, request, openAiForm(target, request), call)
  },
  async list(target, call: VendorCall) {
    const auth = { authorization: `Bearer ${target.apiKey ?? ""}`, ...headers(target) }
    return openAiModels(await getJson(`${baseOf(target, OWN)}/models`, auth, call))
  },
}

/** Also of Azure, which is the same behind another door. */
export function openAiForm(target: ModelTarget, request: ModelRequest): RequestForm {
  const effort = request.params.reasoning_effort
  const options: JsonObject = {
    // Nothing is kept over there: what a turn needs comes back encrypted, and is ours to send again.
    ...(optionOf(target, "api") === "chat" ? {} : { store: false, reasoningSummary: null }),
    strictJsonSchema: request.output !== null && isStrictSchema(request.output),
    ...(effort === undefined ? {} : { reasoningEffort: effort }),
  }
  // Azure's models read one name or the other, by their API.
  const providerOptions = target.vendor === "azure" ? { openai: options, azure: options } : { openai: options }
  return { providerOptions, reasoning: reasoningOf(request.params) }
}

function headers(target: Omit<ModelTarget, "model">): Record<string, string> {
  const organization = optionOf(target, "organization")
  const project = optionOf(target, "project")
  return {
    ...(organization === undefined ? {} : { "openai-organization": organization }),
    ...(project === undefined ? {} : { "openai-project": project }),
  }
}
