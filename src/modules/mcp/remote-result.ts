import type { RemoteResult } from "../../adapters/mcp/mcp.ts"
import type { CallContext, ToolResult } from "../../connectors/connector.ts"
import type { KeepArtifact } from "../../kernel/artifact.ts"
import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"

const MESSAGE_MAX_CHARS = 4_000

/**
 * What a tool gave, as a step's result (contract §3.4): the properties of the JSON object in its text, else its structured
 * content, else its text and its blocks as they came. Images, sounds and files are kept, and named under `artifacts`.
 */
export async function toolResultOf(result: RemoteResult, context: CallContext, keep: KeepArtifact): Promise<ToolResult> {
  const text = result.content.flatMap(block => (block.type === "text" ? [textOf(block.text)] : [])).join("\n")
  if (result.isError) {
    const message = text.trim() === "" ? "the tool failed without saying why" : text.slice(0, MESSAGE_MAX_CHARS)
    return { ok: false, message, retryable: true }
  }
  const artifacts: JsonObject[] = []
  const content: JsonObject[] = []
  for (const block of result.content) {
    const kept = await keptBlock(block, context, keep)
    content.push(kept.block)
    if (kept.artifact) artifacts.push(kept.artifact)
  }
  const object = objectIn(text) ?? result.structuredContent
  const value = object ?? { ...(text !== "" && { text }), content }
  if (artifacts.length === 0 || Object.hasOwn(value, "artifacts")) return { ok: true, value }
  return { ok: true, value: { ...value, artifacts } }
}

interface Kept {
  readonly block: JsonObject
  readonly artifact?: JsonObject
}

/** The block with its bytes replaced by where they are now. */
async function keptBlock(block: JsonObject, context: CallContext, keep: KeepArtifact): Promise<Kept> {
  if ((block.type === "image" || block.type === "audio") && typeof block.data === "string") {
    const artifact = await kept(context, keep, null, block.mimeType, block.data)
    const { data: _, ...rest } = block
    return { block: { ...rest, artifact }, artifact }
  }
  const resource = block.resource
  if (block.type === "resource" && isJsonObject(resource) && typeof resource.blob === "string") {
    const name = textOf(resource.uri).split("/").at(-1) || null
    const artifact = await kept(context, keep, name, resource.mimeType, resource.blob)
    const { blob: _, ...rest } = resource
    return { block: { ...block, resource: { ...rest, artifact } }, artifact }
  }
  return { block }
}

async function kept(
  { scope, asker }: CallContext,
  keep: KeepArtifact,
  name: string | null,
  mimeType: Json | undefined,
  base64: string,
): Promise<JsonObject> {
  const { runId, stepId } = asker
  const origin = { runId, stepId, name, mimeType: textOf(mimeType) || "application/octet-stream" }
  return { ...(await keep(scope, origin, Buffer.from(base64, "base64"))) }
}

function objectIn(text: string): JsonObject | null {
  if (!text.trimStart().startsWith("{")) return null
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : null
  } catch {
    return null
  }
}

/** Shorter values are words that a result may well hold by itself. */
const SECRET_MIN_CHARS = 8
const MASK = "•••"

/** As run-token.ts makes them. */
const RUN_TOKEN = /rt_[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{43}/g

/** A server may send back what it was given; a run's events must not hold it. */
export function withoutSecrets(result: ToolResult, secrets: readonly string[]): ToolResult {
  if (!result.ok) return { ...result, message: cleaned(result.message, secrets) }
  return { ok: true, value: masked(result.value, text => cleaned(text, secrets)) as JsonObject }
}

export function cleaned(text: string, secrets: readonly string[]): string {
  const own = text.includes("rt_") ? text.replaceAll(RUN_TOKEN, MASK) : text
  return secrets.reduce((left, secret) => (secret.length < SECRET_MIN_CHARS ? left : left.replaceAll(secret, MASK)), own)
}

function masked(value: Json, clean: (text: string) => string): Json {
  if (typeof value === "string") return clean(value)
  if (Array.isArray(value)) return value.map(item => masked(item, clean))
  if (!isJsonObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [clean(key), masked(item, clean)]))
}
