import type { Json } from "./json.ts"

/** The text, or its beginning and "…". */
export function cut(text: string, maxChars: number): string {
  return text.length <= maxChars ? text : `${text.slice(0, maxChars)}…`
}

/** A key that somebody else wrote, as a sentence names it: as it is when it is plain, else short and quoted. */
export function cutKey(key: string): string {
  return /^\w{1,80}$/.test(key) ? key : JSON.stringify(key.slice(0, 80))
}

export type CutJson = {
  readonly truncated: true
  /** Of the whole value as JSON in UTF-8. */
  readonly size_bytes: number
  readonly preview: string
}

/** What stands in place of a value that is too large (contract G-44); null: it fits. */
export function cutJson(value: Json, maxBytes: number, previewChars: number): CutJson | null {
  const text = JSON.stringify(value)
  // A character has at most three bytes in UTF-8, so most values need no exact count.
  if (text.length * 3 <= maxBytes) return null
  const sizeBytes = Buffer.byteLength(text)
  return sizeBytes <= maxBytes ? null : { truncated: true, size_bytes: sizeBytes, preview: text.slice(0, previewChars) }
}
