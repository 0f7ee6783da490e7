export const ANY_BYTES = "application/octet-stream"

const ESSENCE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,60}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,100}$/

/** `type/subtype` in small letters, without parameters; null for what is none. */
export function essenceOf(mimeType: string): string | null {
  const essence = mimeType.split(";", 1)[0]?.trim().toLowerCase() ?? ""
  return ESSENCE.test(essence) ? essence : null
}

/** Types in which no browser finds a script. SVG, HTML, XML and PDF are not among them. */
const HARMLESS: ReadonlySet<string> = new Set([
  "image/png",
  "image/jpeg",
  "image/gif",
  "image/webp",
  "image/avif",
  "image/bmp",
  "audio/mpeg",
  "audio/mp4",
  "audio/aac",
  "audio/ogg",
  "audio/wav",
  "audio/x-wav",
  "audio/webm",
  "audio/flac",
  "video/mp4",
  "video/webm",
  "video/ogg",
  "text/plain",
  "text/csv",
  "application/json",
])

/** What is said of the bytes to a browser. */
export function servedType(mimeType: string): string {
  if (!HARMLESS.has(mimeType)) return ANY_BYTES
  return mimeType.startsWith("text/") ? `${mimeType}; charset=utf-8` : mimeType
}
