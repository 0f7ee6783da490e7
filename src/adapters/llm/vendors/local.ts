import { baseOf, getJson, openAiModels } from "../address.ts"
import { ModelFailure, type ModelTarget } from "../llm.ts"
import type { VendorDriver } from "../vendor.ts"
import { completeCompatible } from "./compatible.ts"

/** Ollama, llama.cpp, vLLM, LM Studio and whatever else speaks chat completions. Without `options.structured_output` false it takes schemas. */
export const local: VendorDriver = {
  async complete(target, request, call) {
    const server = { baseUrl: addressOf(target), takesSchema: target.options.structured_output !== false }
    return await completeCompatible(server, target, request, call)
  },
  async list(target, call) {
    const auth: Record<string, string> =
      target.apiKey === null || target.apiKey === "" ? {} : { authorization: `Bearer ${target.apiKey}` }
    const body = await getJson(`${addressOf(target)}/models`, auth, call)
    return openAiModels(body, "max_model_len", "context_length", "context_window")
  },
}

/** People write the address of the server; its API is under /v1. */
function addressOf(target: Omit<ModelTarget, "model">): string {
  const base = baseOf(target, "")
  const url = URL.parse(base)
  if (url === null)
    throw new ModelFailure("bad_request", "a local server needs a base_url such as http://127.0.0.1:11434/v1", {
      retryable: false,
    })
  return url.pathname === "/" ? `${base}/v1` : base
}
