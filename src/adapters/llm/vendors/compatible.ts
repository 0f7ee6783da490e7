import { createOpenAICompatible } from "@ai-sdk/openai-compatible"
import type { JsonObject } from "../../../kernel/json.ts"
import { generate } from "../generate.ts"
import type { ModelAnswer, ModelRequest, ModelTarget } from "../llm.ts"
import type { VendorCall } from "../vendor.ts"

/** How a server that speaks OpenAI's chat completions wants to be spoken to. */
export interface CompatibleServer {
  readonly baseUrl: string
  /** It takes a JSON Schema for its answer. */
  readonly takesSchema: boolean
  readonly headers?: Record<string, string>
  /** Fields of the body besides those that all such servers know. */
  readonly body?: JsonObject
}

export async function completeCompatible(
  server: CompatibleServer,
  target: ModelTarget,
  request: ModelRequest,
  call: VendorCall,
): Promise<ModelAnswer> {
  const { params } = request
  const body = {
    ...(params.top_k === undefined ? {} : { top_k: params.top_k }),
    ...(params.reasoning_effort === undefined ? {} : { reasoning_effort: params.reasoning_effort }),
    ...server.body,
    ...others(params.extra ?? {}),
  }
  const provider = createOpenAICompatible({
    name: target.vendor,
    baseURL: server.baseUrl,
    ...(target.apiKey === null || target.apiKey === "" ? {} : { apiKey: target.apiKey }),
    ...(server.headers === undefined ? {} : { headers: server.headers }),
    fetch: call.fetch,
    includeUsage: true,
    supportsStructuredOutputs: server.takesSchema,
    transformRequestBody: sent => ({
      ...body,
      ...Object.fromEntries(Object.entries(sent).filter(([, value]) => value !== undefined)),
    }),
  })
  // They are in the body by hand, and would be told as not sent.
  const { top_k: _top, extra: _extra, reasoning_effort: _effort, ...rest } = params
  const form = { instructOutput: !server.takesSchema, providerOptions: { [target.vendor]: { strictJsonSchema: false } } }
  return await generate(provider.chatModel(target.model), target, { ...request, params: rest }, form, call)
}

/** Without what is ours: nobody streams, or names another model, through `extra`. */
function others({
  model: _model,
  messages: _messages,
  tools: _tools,
  stream: _stream,
  stream_options: _options,
  ...extra
}: JsonObject): JsonObject {
  return extra
}
