import type { CallOptions, ListedModel, ModelAnswer, ModelRequest, Models, ModelTarget } from "../../src/adapters/llm/llm.ts"

export interface AskedModel {
  readonly target: ModelTarget
  readonly request: ModelRequest
  readonly options: CallOptions
}

/** Models whose answers the test gives, and what they were asked. */
export function fakeModels(
  complete: (asked: AskedModel) => ModelAnswer | Promise<ModelAnswer>,
  list: (target: Omit<ModelTarget, "model">) => readonly ListedModel[] | Promise<readonly ListedModel[]> = () => [],
) {
  const asked: AskedModel[] = []
  const models: Models = {
    async complete(target, request, options) {
      asked.push({ target, request, options })
      return await complete({ target, request, options })
    },
    list: async target => await list(target),
  }
  return { models, asked }
}

export function answerOf(text: string, change: Partial<ModelAnswer> = {}): ModelAnswer {
  return {
    model: "m-1",
    message: { role: "assistant", text, toolCalls: [], vendorData: null },
    finish: "stop",
    usage: { input: 10, output: 3, cachedInput: null, reasoning: null },
    warnings: [],
    ...change,
  }
}
