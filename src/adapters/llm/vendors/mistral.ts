import { createMistral } from "@ai-sdk/mistral"
import { isJsonObject, textOf } from "../../../kernel/json.ts"
import { baseOf, getJson, modelsIn, windowOf } from "../address.ts"
import { generate } from "../generate.ts"
import type { Message, ModelRequest } from "../llm.ts"
import { reasoningOf } from "../request.ts"
import type { VendorDriver } from "../vendor.ts"

const OWN = "https://api.mistral.ai/v1"

export const mistral: VendorDriver = {
  async complete(target, request, call) {
    const provider = createMistral({ baseURL: baseOf(target, OWN), apiKey: target.apiKey ?? "", fetch: call.fetch })
    return await generate(provider(target.model), target, withShortIds(request), { reasoning: reasoningOf(request.params) }, call)
  },
  async list(target, call) {
    const auth = { authorization: `Bearer ${target.apiKey ?? ""}` }
    const body = await getJson(`${baseOf(target, OWN)}/models`, auth, call)
    return modelsIn(body, "data", entry => {
      if (isJsonObject(entry.capabilities) && entry.capabilities.completion_chat === false) return null
      return { model: textOf(entry.id), contextWindow: windowOf(entry.max_context_length) }
    })
  },
}

/** Mistral takes ids of nine letters and digits alone; a conversation that began with another model has others. */
function withShortIds(request: ModelRequest): ModelRequest {
  const short = new Map<string, string>()
  const idOf = (id: string) => {
    if (/^[A-Za-z0-9]{9}$/.test(id)) return id
    const given = short.get(id) ?? `c${String(short.size).padStart(8, "0")}`
    short.set(id, given)
    return given
  }
  const messages = request.messages.map((message): Message => {
    if (message.role === "user") return message
    if (message.role === "tool")
      return { ...message, results: message.results.map(result => ({ ...result, id: idOf(result.id) })) }
    const toolCalls = message.toolCalls.map(one => ({ ...one, id: idOf(one.id) }))
    return toolCalls.every((one, i) => one.id === message.toolCalls[i]?.id)
      ? message
      : { ...message, toolCalls, vendorData: null }
  })
  return { ...request, messages }
}
