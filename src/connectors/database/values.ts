import { isJsonObject, type Json } from "../../kernel/json.ts"
import { ToolFailure } from "../kit.ts"

/** What JSON has no type for, as an argument says it: `{"$base64": "…"}` and `{"$integer": "…"}`. */
export type Special = { readonly kind: "bytes"; readonly bytes: Buffer } | { readonly kind: "integer"; readonly digits: string }

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/
const INTEGER = /^[+-]?\d{1,1000}$/

/** Null for whatever is an ordinary JSON value. `where` names the argument in the refusal of a malformed one. */
export function specialOf(value: Json, where: string): Special | null {
  if (!isJsonObject(value) || Object.keys(value).length !== 1) return null
  if (typeof value.$base64 === "string") {
    if (!BASE64.test(value.$base64)) throw new ToolFailure(`${where}: $base64 is not base64`)
    return { kind: "bytes", bytes: Buffer.from(value.$base64, "base64") }
  }
  if (typeof value.$integer === "string") {
    if (!INTEGER.test(value.$integer)) throw new ToolFailure(`${where}: $integer is not a whole number`)
    return { kind: "integer", digits: value.$integer.replace(/^\+/, "") }
  }
  return null
}

export function base64Of(bytes: Uint8Array): Json {
  return { $base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") }
}

/** A whole number as JSON: beyond 2^53 as its digits. */
export function integerOf(digits: string): Json {
  const number = Number(digits)
  return Number.isSafeInteger(number) ? number : digits
}

/** A floating-point number as JSON, which has no NaN and no infinity: those as text. */
export function floatOf(number: number): Json {
  return Number.isFinite(number) ? number : String(number)
}

/**
 * JSON text of a database as JSON. A number that a double cannot hold comes as its digits; what is nested too deep, as text.
 */
export function parseDocument(text: string): Json {
  try {
    return JSON.parse(text, exactly as Reviver) as Json
  } catch {
    return text
  }
}

/** The language's library does not know the third argument yet. */
type Reviver = (key: string, value: unknown) => unknown

function exactly(_key: string, value: unknown, context: { readonly source?: string }): unknown {
  return typeof value === "number" && context.source !== undefined && !isExact(value, context.source) ? context.source : value
}

function isExact(value: number, source: string): boolean {
  if (/^-?\d{1,15}$/.test(source)) return true
  if (!Number.isFinite(value)) return false
  return canonical(source) === canonical(String(value))
}

/** Digits and exponent of a decimal number, without zeros at either end. */
function canonical(decimal: string): string {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(decimal) ?? []
  const digits = (whole + fraction).replace(/^0+/, "")
  const trimmed = digits.replace(/0+$/, "")
  if (trimmed === "") return "0"
  return `${sign}${trimmed}e${Number(exponent) - fraction.length + digits.length - trimmed.length}`
}

/** Text where the bytes are UTF-8, otherwise base64. */
export function textOrBase64(bytes: Buffer): Json {
  const text = bytes.toString("utf8")
  // A replacement character that was there before is no damage.
  return text.includes("\uFFFD") && !Buffer.from(text, "utf8").equals(bytes) ? base64Of(bytes) : text
}
