import { cut } from "../../kernel/cut.ts"
import { isJsonObject, type JsonObject, textOf } from "../../kernel/json.ts"
import { MCP_FILES_MAX, MCP_TOOL_ERROR_MAX_CHARS } from "../../kernel/limits.ts"
import { isTextTooDeep, parsedJson } from "../../kernel/nesting.ts"
import { McpFailure, type RemoteResult } from "./mcp.ts"

/** Where images, sound and files of a result go, so that no megabytes of base64 get into events. */
export type KeepFile = (bytes: Uint8Array, about: { readonly mimeType: string; readonly name: string }) => Promise<KeptFile>

export interface KeptFile {
  readonly artifact_id: string
  readonly url: string
  readonly size_bytes: number
}

export type Exposed = { readonly ok: true; readonly value: JsonObject } | { readonly ok: false; readonly message: string }

/**
 * A step's result from a tool's (contract §3.4): the properties of the JSON object that its text is, if it is one with any;
 * else its structured content; else what came, as `content`, with all its text as `text`. Files are kept, and referred to.
 */
export async function expose(result: RemoteResult, keep: KeepFile): Promise<Exposed> {
  const texts = result.content.filter(block => block.type === "text").map(block => textOf(block.text))
  if (result.isError) return { ok: false, message: errorOf(texts, result.structuredContent) }
  const content = await withFilesKept(result.content, keep)
  // Whatever else came beside the JSON is not lost, unless the tool has a property of that name.
  const beside = content.length > texts.length ? { content } : {}
  const properties = texts.length === 1 ? parsed(texts[0] ?? "") : null
  if (properties !== null) return { ok: true, value: { ...beside, ...properties } }
  if (result.structuredContent !== null) return { ok: true, value: { ...beside, ...result.structuredContent } }
  return { ok: true, value: texts.length === 0 ? { content } : { content, text: texts.join("\n") } }
}

function errorOf(texts: readonly string[], structured: JsonObject | null): string {
  const said = texts.join("\n").trim() || (structured === null ? "" : JSON.stringify(structured))
  if (said === "") return "the tool failed without saying why"
  return cut(said, MCP_TOOL_ERROR_MAX_CHARS)
}

function parsed(text: string): JsonObject | null {
  if (!/^\s*\{/.test(text)) return null
  if (isTextTooDeep(text)) throw new McpFailure("the tool's answer is nested too deeply to be looked through")
  const value = parsedJson(text)
  return isJsonObject(value) && Object.keys(value).length > 0 ? value : null
}

async function withFilesKept(content: readonly JsonObject[], keep: KeepFile): Promise<readonly JsonObject[]> {
  const kept: JsonObject[] = []
  let files = 0
  for (const block of content) {
    const file = fileOf(block)
    if (file === null) kept.push(block)
    else if (++files > MCP_FILES_MAX) kept.push({ type: block.type ?? "", omitted: `more than ${MCP_FILES_MAX} files` })
    else kept.push(file.refer({ ...(await keep(Buffer.from(file.base64, "base64"), file)) }))
  }
  return kept
}

interface File {
  readonly base64: string
  readonly mimeType: string
  readonly name: string
  /** The block with a reference in place of the bytes. */
  refer(kept: JsonObject): JsonObject
}

function fileOf(block: JsonObject): File | null {
  if ((block.type === "image" || block.type === "audio") && typeof block.data === "string") {
    const { data, ...rest } = block
    const mimeType = textOf(block.mimeType)
    return { base64: data, mimeType, name: `${block.type}${suffix(mimeType)}`, refer: kept => ({ ...rest, ...kept }) }
  }
  if (block.type !== "resource" || !isJsonObject(block.resource) || typeof block.resource.blob !== "string") return null
  const { blob, ...rest } = block.resource
  const mimeType = textOf(rest.mimeType) || "application/octet-stream"
  const refer = (kept: JsonObject) => ({ ...block, resource: { ...rest, ...kept } })
  return { base64: blob, mimeType, name: lastPart(textOf(rest.uri)) || `file${suffix(mimeType)}`, refer }
}

/** `.png` for `image/png`: good enough for a name. */
function suffix(mimeType: string): string {
  const [, subtype = ""] = /^[\w.-]+\/([a-z0-9]+)/.exec(mimeType) ?? []
  return subtype === "" || subtype === "octet" ? "" : `.${subtype}`
}

/** A file's name out of a URI, with nothing in it that means something to a file system. */
function lastPart(uri: string): string {
  const [path = ""] = uri.split(/[?#]/)
  const name = path.split("/").at(-1) ?? ""
  return name
    .replace(/[^\w.-]/g, "_")
    .replace(/^\.+/, "")
    .slice(0, NAME_MAX_CHARS)
}

const NAME_MAX_CHARS = 100
