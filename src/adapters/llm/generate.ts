import { answerOf, usageOf, type WholeAnswer } from "./answer.ts"
import { type ModelAnswer, ModelFailure, type ModelRequest, type ModelTarget } from "./llm.ts"
import { type RequestForm, sdkCall } from "./request.ts"
import type { SdkCall, SdkContent, SdkMetadata, SdkModel, SdkStreamPart } from "./sdk.ts"
import { toolNames } from "./tool-names.ts"
import type { VendorCall } from "./vendor.ts"

/** One request to one model of the SDK; streamed if somebody wants to be told of its text. */
export async function generate(
  model: SdkModel,
  target: ModelTarget,
  request: ModelRequest,
  form: RequestForm,
  { signal, onText }: VendorCall,
): Promise<ModelAnswer> {
  const names = toolNames(request.tools)
  const call: SdkCall = { ...sdkCall(target, request, names, form), abortSignal: signal }
  const whole = onText === undefined ? await atOnce(model, call) : await streamed(model, call, onText)
  const answer = answerOf(target, request, names, whole)
  if (Object.keys(request.params.extra ?? {}).length === 0) return answer
  return { ...answer, warnings: [...answer.warnings, `extra is for local servers, and was not sent to ${target.vendor}`] }
}

async function atOnce(model: SdkModel, call: SdkCall): Promise<WholeAnswer> {
  const answer = await model.doGenerate(call)
  return { ...answer, model: answer.response?.modelId }
}

async function streamed(model: SdkModel, call: SdkCall, onText: (delta: string) => void): Promise<WholeAnswer> {
  const { stream } = await model.doStream(call)
  const parts = new Parts()
  for await (const part of stream) {
    if (part.type === "text-delta" && part.delta !== "") onText(part.delta)
    parts.add(part)
  }
  return parts.whole()
}

type Block = { type: "text" | "reasoning"; text: string; providerMetadata?: Metadata }
type Metadata = SdkMetadata

/** The parts of a stream, put together as the answer at once would have them. */
class Parts {
  private readonly content: (Block | SdkContent)[] = []
  private readonly open = new Map<string, Block>()
  private model: string | undefined
  private warnings: WholeAnswer["warnings"] = []
  private finish: Extract<SdkStreamPart, { type: "finish" }> | undefined

  add(part: SdkStreamPart): void {
    switch (part.type) {
      case "stream-start":
        this.warnings = part.warnings
        break
      case "response-metadata":
        this.model = part.modelId ?? this.model
        break
      case "text-start":
      case "reasoning-start":
        this.begin(part.type === "text-start" ? "text" : "reasoning", part.id, part.providerMetadata)
        break
      case "text-delta":
      case "reasoning-delta": {
        const kind = part.type === "text-delta" ? "text" : "reasoning"
        const block = this.open.get(`${kind} ${part.id}`) ?? this.begin(kind, part.id)
        block.text += part.delta
        describe(block, part.providerMetadata)
        break
      }
      case "text-end":
      case "reasoning-end": {
        const key = `${part.type === "text-end" ? "text" : "reasoning"} ${part.id}`
        const block = this.open.get(key)
        if (block !== undefined) describe(block, part.providerMetadata)
        this.open.delete(key)
        break
      }
      case "tool-call":
        this.content.push(part)
        break
      case "finish":
        this.finish = part
        break
      case "error":
        // How one provider says it; the others end with a finish that has no reason.
        if (part.error instanceof Error && part.error.message.includes("without a finish reason")) break
        throw part.error
    }
  }

  whole(): WholeAnswer {
    const { finish } = this
    // A stream that simply ends: vendors say how an answer ended, and half of one is none.
    const broken = finish === undefined || BROKEN.includes(finish.finishReason.unified)
    if (broken && finish?.finishReason.raw === undefined) {
      const usage = finish === undefined ? {} : { usage: usageOf(finish.usage) }
      throw new ModelFailure("unreachable", "the answer broke off in the middle", { retryable: true, ...usage })
    }
    const { finishReason, usage } = finish as NonNullable<typeof finish>
    return { content: this.content, finishReason, usage, warnings: this.warnings, model: this.model }
  }

  private begin(type: Block["type"], id: string, metadata?: Metadata): Block {
    const block: Block = { type, text: "" }
    describe(block, metadata)
    this.content.push(block)
    this.open.set(`${type} ${id}`, block)
    return block
  }
}

const BROKEN: readonly string[] = ["other", "error", "interrupted"]

/** A signature comes after the thought that it signs; both are the block's. */
function describe(block: Block, metadata: Metadata | undefined): void {
  if (metadata === undefined) return
  const before = block.providerMetadata ?? {}
  const merged = Object.entries(metadata).map(([vendor, data]) => [vendor, { ...before[vendor], ...data }])
  block.providerMetadata = { ...before, ...Object.fromEntries(merged) }
}
