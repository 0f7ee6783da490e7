import { createGoogle } from "@ai-sdk/google"
import { textOf } from "../../../kernel/json.ts"
import { baseOf, getJson, modelsIn, windowOf } from "../address.ts"
import { generate } from "../generate.ts"
import { reasoningOf } from "../request.ts"
import type { VendorDriver } from "../vendor.ts"

const OWN = "https://generativelanguage.googleapis.com/v1beta"

export const google: VendorDriver = {
  async complete(target, request, call) {
    const provider = createGoogle({ baseURL: baseOf(target, OWN), apiKey: target.apiKey ?? "", fetch: call.fetch })
    const form = {
      reasoning: reasoningOf(request.params),
      // Models before Gemini 3 refuse a schema for their answer together with tools.
      instructOutput: request.tools.length > 0 && /gemini-[12]\b/.test(target.model),
    }
    return await generate(provider(target.model), target, request, form, call)
  },
  async list(target, call) {
    const auth = { "x-goog-api-key": target.apiKey ?? "" }
    const body = await getJson(`${baseOf(target, OWN)}/models?pageSize=1000`, auth, call)
    return modelsIn(body, "models", entry => {
      const methods = entry.supportedGenerationMethods
      if (Array.isArray(methods) && !methods.includes("generateContent")) return null
      return { model: textOf(entry.name).replace(/^models\//, ""), contextWindow: windowOf(entry.inputTokenLimit) }
    })
  },
}
