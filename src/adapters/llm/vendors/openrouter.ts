import { baseOf, getJson, openAiModels } from "../address.ts"
import type { VendorDriver } from "../vendor.ts"
import { completeCompatible } from "./compatible.ts"

const OWN = "https://openrouter.ai/api/v1"

export const openrouter: VendorDriver = {
  async complete(target, request, call) {
    const effort = request.params.reasoning_effort
    const { reasoning_effort: _, ...params } = request.params
    const server = {
      baseUrl: baseOf(target, OWN),
      takesSchema: true,
      body: effort === undefined ? {} : { reasoning: { effort } },
    }
    return await completeCompatible(server, target, { ...request, params }, call)
  },
  async list(target, call) {
    const auth = { authorization: `Bearer ${target.apiKey ?? ""}` }
    // The list is open to everybody; what the key is worth is said here.
    await getJson(`${baseOf(target, OWN)}/key`, auth, call)
    return openAiModels(await getJson(`${baseOf(target, OWN)}/models`, auth, call), "context_length")
  },
}
