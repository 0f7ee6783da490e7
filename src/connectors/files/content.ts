import { ToolFailure } from "../kit.ts"

export interface Content {
  readonly content: string
  /** `utf-8`, `base64`, or the encoding that was asked for. */
  readonly encoding: string
  /** How many of the bytes it is made of: the last ones may begin a character that does not end in them. */
  readonly bytes: number
}

/** `auto`: text where the bytes are UTF-8 without NUL, else base64. Throws `ToolFailure`. */
export function contentOf(bytes: Uint8Array, encoding: string, isWhole: boolean): Content {
  if (encoding === "base64") return base64(bytes)
  if (encoding !== "auto" && encoding !== "utf-8" && encoding !== "utf8") return decodedAs(encoding, bytes)
  const whole = isWhole ? bytes : bytes.subarray(0, bytes.length - unfinished(bytes))
  const text = utf8(whole)
  if (text !== null && !(encoding === "auto" && text.includes("\0")))
    return { content: text, encoding: "utf-8", bytes: whole.length }
  if (encoding === "auto") return base64(bytes)
  throw new ToolFailure("the file is not UTF-8 text from there on; read it with encoding base64, or name its encoding")
}

/** The bytes of what is to be written. Throws `ToolFailure`. */
export function bytesOf(content: string, encoding: "utf-8" | "base64"): Uint8Array {
  if (encoding === "utf-8") return new TextEncoder().encode(content.toWellFormed())
  const plain = content.replaceAll(/\s/g, "")
  if (plain.length % 4 !== 1 && /^[A-Za-z0-9+/_-]*={0,2}$/.test(plain)) return Buffer.from(plain, "base64")
  throw new ToolFailure("content is not base64")
}

function base64(bytes: Uint8Array): Content {
  return { content: Buffer.from(bytes).toString("base64"), encoding: "base64", bytes: bytes.length }
}

function decodedAs(encoding: string, bytes: Uint8Array): Content {
  try {
    const decoder = new TextDecoder(encoding)
    return { content: decoder.decode(bytes), encoding: decoder.encoding, bytes: bytes.length }
  } catch {
    throw new ToolFailure(`${JSON.stringify(encoding.slice(0, 40))} is no encoding that is known here`)
  }
}

function utf8(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}

/** How many bytes at the end begin a character of UTF-8 that they do not finish. */
function unfinished(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    const needs = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 0
    if (needs > 0) return needs > back ? back : 0
  }
  return 0
}
