import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"
import type { AssistantMessage, ModelTarget } from "./llm.ts"
import type { SdkAssistantPart, SdkContent, SdkMetadata } from "./sdk.ts"
import type { ToolNames } from "./tool-names.ts"

/**
 * A message's parts in their order, as the vendor wants them back with the next request: what it thought, with its signature or
 * its encryption, and the ids of its items. Only for the same vendor and model: another can do nothing with them, or refuses.
 */
export function keptParts(target: ModelTarget, content: readonly SdkContent[], callIds: readonly string[]): Json | null {
  let calls = 0
  const parts = content.flatMap((part): JsonObject[] => {
    if (part.type === "tool-call") return part.providerExecuted === true ? [] : [{ type: "call", id: callIds[calls++] ?? "" }]
    if (part.type === "reasoning") return [{ type: "reasoning", text: part.text, ...metaOf(part.providerMetadata) }]
    if (part.type === "text") return [{ type: "text", text: part.text, ...metaOf(part.providerMetadata) }]
    return []
  })
  const signed = content.some(part => part.type === "tool-call" && keptOfCall(part.providerMetadata) !== null)
  const worth = signed || parts.some(part => part.type === "reasoning" || part.meta !== undefined)
  return worth ? { vendor: target.vendor, model: target.model, parts } : null
}

export function keptOfCall(meta: SdkMetadata | undefined): Json | null {
  return metaOf(meta).meta ?? null
}

/** The message for the next request; with its kept parts where they still say what the message says. */
export function partsOf(target: ModelTarget, message: AssistantMessage, names: ToolNames): SdkAssistantPart[] {
  const kept = keptFor(target, message)
  if (kept === null) {
    const calls = message.toolCalls.map(call => callPart(call, names, null))
    return message.text === "" ? calls : [{ type: "text", text: message.text }, ...calls]
  }
  const calls = new Map(message.toolCalls.map(call => [call.id, call]))
  return kept.flatMap((part): SdkAssistantPart[] => {
    const meta = optionsOf(part.meta)
    if (part.type === "text") return [{ type: "text", text: textOf(part.text), ...meta }]
    if (part.type === "reasoning") return [{ type: "reasoning", text: textOf(part.text), ...meta }]
    const call = calls.get(textOf(part.id))
    return call === undefined ? [] : [callPart(call, names, call.vendorData)]
  })
}

function keptFor(target: ModelTarget, { text, toolCalls, vendorData }: AssistantMessage): readonly JsonObject[] | null {
  if (!isJsonObject(vendorData) || vendorData.vendor !== target.vendor || vendorData.model !== target.model) return null
  const parts = Array.isArray(vendorData.parts) ? vendorData.parts.filter(isJsonObject) : []
  const saidText = parts.map(part => (part.type === "text" ? textOf(part.text) : "")).join("")
  const saidCalls = parts.filter(part => part.type === "call").map(part => textOf(part.id))
  const same = saidText === text && saidCalls.length === toolCalls.length && toolCalls.every(call => saidCalls.includes(call.id))
  return same ? parts : null
}

function callPart(call: AssistantMessage["toolCalls"][number], names: ToolNames, meta: Json | null): SdkAssistantPart {
  return { type: "tool-call", toolCallId: call.id, toolName: names.wire(call.name), input: call.args, ...optionsOf(meta) }
}

function metaOf(metadata: SdkMetadata | undefined): { meta?: Json } {
  // Providers leave members undefined, which is no JSON.
  const meta: Json = JSON.parse(JSON.stringify(metadata ?? {}))
  const said = isJsonObject(meta) && Object.values(meta).some(of => isJsonObject(of) && Object.values(of).some(v => v !== null))
  return said ? { meta } : {}
}

function optionsOf(meta: Json | undefined): { providerOptions?: SdkMetadata } {
  // As the provider gave it; `metaOf` made JSON of it, and nobody else writes it.
  return isJsonObject(meta) ? { providerOptions: meta as SdkMetadata } : {}
}
