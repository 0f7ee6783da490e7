import { cut, cutJson } from "../kernel/cut.ts"
import type { JsonObject } from "../kernel/json.ts"

/** Bytes of JSON. A question about a call must stay whole when it is stored: what was asked is what an answer is matched with. */
const SHOWN_MAX_BYTES = 256 * 1024
const PREVIEW_CHARS = 8 * 1024

/** What a person sees of arguments or of a schema: all of it, or the beginning of what is too large, its size and its hash. */
export function shown(value: JsonObject): JsonObject {
  const part = cutJson(value, SHOWN_MAX_BYTES, PREVIEW_CHARS)
  if (part === null) return value
  return { ...part, sha256: new Bun.CryptoHasher("sha256").update(JSON.stringify(value)).digest("hex") }
}

/** A description, cut where nobody reads on. */
export function shownText(text: string): string {
  return cut(text, PREVIEW_CHARS)
}
