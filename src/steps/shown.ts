import type { JsonObject } from "../kernel/json.ts"

/** Bytes of JSON. A question about a call must stay whole when it is stored: what was asked is what an answer is matched with. */
const SHOWN_MAX_BYTES = 256 * 1024
const PREVIEW_CHARS = 8 * 1024

/** What a person sees of arguments or of a schema: all of it, or the beginning of what is too large, its size and its hash. */
export function shown(value: JsonObject): JsonObject {
  const text = JSON.stringify(value)
  const sizeBytes = Buffer.byteLength(text)
  if (sizeBytes <= SHOWN_MAX_BYTES) return value
  const sha256 = new Bun.CryptoHasher("sha256").update(text).digest("hex")
  return { truncated: true, size_bytes: sizeBytes, sha256, preview: text.slice(0, PREVIEW_CHARS) }
}

/** A description, cut where nobody reads on. */
export function shownText(text: string): string {
  return text.length <= PREVIEW_CHARS ? text : `${text.slice(0, PREVIEW_CHARS)}…`
}
