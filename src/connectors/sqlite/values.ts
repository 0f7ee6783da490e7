import { isJsonObject, type Json } from "../../kernel/json.ts"
import { Refused } from "../file-root.ts"

/** What the driver binds and returns, with whole numbers as BigInt. */
export type SqlValue = null | bigint | number | string | Uint8Array

/**
 * A JSON argument as SQLite stores it. Whole numbers become INTEGER (the driver alone would bind a big one as REAL);
 * `{"$integer": "…"}` is one beyond 2^53, `{"$base64": "…"}` a BLOB.
 */
export function toSql(value: Json, position: number): SqlValue {
  if (value === null || typeof value === "string") return value
  if (typeof value === "boolean") return value ? 1n : 0n
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value
  if (isJsonObject(value)) {
    const keys = Object.keys(value)
    if (keys.length === 1 && typeof value.$base64 === "string") return fromBase64(value.$base64, position)
    if (keys.length === 1 && typeof value.$integer === "string") return fromDecimal(value.$integer, position)
  }
  throw new Refused(
    `argument ${position} is ${Array.isArray(value) ? "a list" : "an object"}: SQLite takes null, numbers, strings, booleans, ` +
      '{"$base64": "…"} and {"$integer": "…"}; pass anything else as JSON text',
  )
}

/** A value of a row as JSON: an integer beyond 2^53 as a decimal string, a BLOB as `{"$base64": "…"}`. */
export function toJson(value: SqlValue): Json {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString()
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value)
  if (value === null || typeof value === "string") return value
  return { $base64: Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") }
}

const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/

function fromBase64(text: string, position: number): Uint8Array {
  if (!BASE64.test(text)) throw new Refused(`argument ${position}: $base64 is not base64`)
  return Buffer.from(text, "base64")
}

function fromDecimal(text: string, position: number): bigint {
  if (!/^[+-]?\d{1,19}$/.test(text)) throw new Refused(`argument ${position}: $integer is not a whole number of 64 bits`)
  const value = BigInt(text.replace(/^\+/, ""))
  if (BigInt.asIntN(64, value) !== value) throw new Refused(`argument ${position}: $integer is not a whole number of 64 bits`)
  return value
}
