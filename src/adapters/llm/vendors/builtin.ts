import { replyTo } from "../builtin/reply.ts"
import { type ModelAnswer, ModelFailure, type ModelRequest } from "../llm.ts"
import type { VendorDriver } from "../vendor.ts"

export const BUILTIN_MODEL = "echo-1"
/** It says what it is, also where only an answer's `model` is kept. */
const NAME = `local.builtin.${BUILTIN_MODEL}`
export const BUILTIN_CONTEXT_WINDOW = 128_000
/** Words between two looks at the rest of the world. */
const BREATH = 100

/** The model of the executable itself: no key, no network, the same answer to the same request (decision S-5). */
export const builtin: VendorDriver = {
  async complete({ model }, request, { signal, onText }) {
    if (model !== BUILTIN_MODEL)
      throw new ModelFailure("unknown_model", `The built-in model is called ${BUILTIN_MODEL}, not ${model}.`, {
        retryable: false,
      })
    const input = tokensOf(JSON.stringify([request.system, request.messages, request.tools]))
    if (input > BUILTIN_CONTEXT_WINDOW) {
      const sentence = `The prompt has ${input} tokens, and ${BUILTIN_MODEL} takes ${BUILTIN_CONTEXT_WINDOW}.`
      throw new ModelFailure("context_length", sentence, { retryable: false })
    }
    const answer = answerOf(request, input)
    if (onText !== undefined) await tell(answer.message.text, onText, signal)
    return answer
  },
  list: async () => [{ model: BUILTIN_MODEL, contextWindow: BUILTIN_CONTEXT_WINDOW }],
}

function answerOf(request: ModelRequest, input: number): ModelAnswer {
  const { text, toolCalls } = replyTo(request)
  const most = request.params.max_tokens ?? Number.POSITIVE_INFINITY
  const isCut = toolCalls.length === 0 && tokensOf(text) > most
  const short = isCut ? text.slice(0, most * 4) : text
  return {
    model: NAME,
    message: { role: "assistant", text: short, toolCalls, vendorData: null },
    finish: isCut ? "length" : toolCalls.length > 0 ? "tool_calls" : "stop",
    usage: { input, output: tokensOf(toolCalls.length > 0 ? JSON.stringify(toolCalls) : short), cachedInput: 0, reasoning: 0 },
    warnings: [],
  }
}

/** Four characters to a token, as a rule of thumb has it. */
function tokensOf(text: string): number {
  return Math.ceil(text.length / 4)
}

async function tell(text: string, onText: (delta: string) => void, signal: AbortSignal): Promise<void> {
  const words = text.match(/\s*\S+\s*$|\s*\S+|\s+/g) ?? []
  for (const [i, word] of words.entries()) {
    if (i % BREATH === BREATH - 1) await new Promise(resolve => setImmediate(resolve))
    signal.throwIfAborted()
    onText(word)
  }
}
