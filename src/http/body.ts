import { AppError } from "../kernel/errors.ts"
import { BODY_DRAIN_MAX_BYTES, BODY_MAX_BYTES, JSON_MAX_DEPTH, JSON_MAX_KEYS } from "../kernel/limits.ts"

const decoder = new TextDecoder("utf-8", { fatal: true })

/**
 * A request's body as JSON, whatever its content type says (clients of the hosted API send none now and then).
 * `undefined` for an empty body. Throws `too_large` (413) or `bad_request` (400).
 */
export async function readJson(request: Request, maxBytes = BODY_MAX_BYTES): Promise<unknown> {
  const bytes = await readBytes(request, maxBytes)
  if (bytes.byteLength === 0) return undefined
  return parseJson(bytes)
}

/**
 * The raw bytes, never more than `maxBytes` in memory. What is too large is read and thrown away up to a bound: many
 * clients see a broken pipe instead of the answer when nobody reads what they send.
 */
export async function readBytes(request: Request, maxBytes: number): Promise<Uint8Array> {
  if (!request.body) return new Uint8Array()
  const declared = Number(request.headers.get("content-length") ?? 0)
  try {
    if (declared > 0 && declared <= maxBytes) return new Uint8Array(await request.arrayBuffer())
    return await readPieces(request.body, maxBytes)
  } catch (error) {
    if (error instanceof AppError) throw error
    // The caller hung up, or its chunks are none: no fault of ours, and nobody may be there to read the answer.
    throw new AppError("bad_request", "the connection ended before the request body was complete", { code: "INVALID_BODY" })
  }
}

async function readPieces(body: ReadableStream<Uint8Array>, maxBytes: number): Promise<Uint8Array> {
  let chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.byteLength
    if (size > BODY_DRAIN_MAX_BYTES) break
    if (size > maxBytes) chunks = []
    else chunks.push(chunk)
  }
  if (size > maxBytes) throw tooLarge(maxBytes)
  return Buffer.concat(chunks)
}

export function parseJson(bytes: Uint8Array): unknown {
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch {
    throw new AppError("bad_request", "invalid request body: it is not UTF-8 text", { code: "INVALID_BODY" })
  }
  checkShape(text)
  try {
    return JSON.parse(text)
  } catch {
    throw new AppError("bad_request", "invalid request body: it is not valid JSON", { code: "INVALID_BODY" })
  }
}

/** Depth, and number of keys and elements, counted on the text: a parser would already have overflowed its stack. */
function checkShape(text: string): void {
  let depth = 0
  let keys = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = endOfString(text, i)
        break
      case 0x3a: // :
      case 0x2c: // ,
        if (++keys > JSON_MAX_KEYS)
          throw new AppError("bad_request", `invalid request body: more than ${JSON_MAX_KEYS} keys and elements`, {
            code: "INVALID_BODY",
          })
        break
      case 0x7b: // {
      case 0x5b: // [
        if (++depth > JSON_MAX_DEPTH)
          throw new AppError("bad_request", `invalid request body: nested deeper than ${JSON_MAX_DEPTH} levels`, {
            code: "INVALID_BODY",
          })
        break
      case 0x7d: // }
      case 0x5d: // ]
        depth--
        break
    }
  }
}

function endOfString(text: string, start: number): number {
  let i = start + 1
  for (;;) {
    const quote = text.indexOf('"', i)
    if (quote < 0) return text.length
    let backslashes = 0
    while (text.charCodeAt(quote - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return quote
    i = quote + 1
  }
}

function tooLarge(maxBytes: number): AppError {
  return new AppError("too_large", `the request body is larger than ${maxBytes} bytes`, { code: "BODY_TOO_LARGE" })
}
