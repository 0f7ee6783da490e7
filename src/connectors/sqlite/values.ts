import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { ROWS_MAX_BYTES } from "./limits.ts"
import { Refused } from "./protocol.ts"

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

/** Column names of a result, made unique: the second `id` becomes `id_2`, so that no value of a row is lost. */
export function uniqueNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>()
  return names.map(name => {
    let unique = name
    for (let n = 2; taken.has(unique); n++) unique = `${name}_${n}`
    taken.add(unique)
    return unique
  })
}

/** Gathers rows until one of the limits. */
export class RowCollector {
  readonly rows: JsonObject[] = []
  truncated: "rows" | "bytes" | null = null
  #bytes = 0

  constructor(
    private readonly columns: readonly string[],
    private readonly maxRows: number,
  ) {}

  /** False: full; this row and all later ones are left out. */
  add(values: readonly SqlValue[]): boolean {
    if (this.rows.length >= this.maxRows) {
      this.truncated = "rows"
      return false
    }
    // fromEntries defines, it does not assign: a column may be called __proto__.
    const row: JsonObject = Object.fromEntries(this.columns.map((name, i) => [name, toJson(values[i] ?? null)]))
    this.#bytes += Buffer.byteLength(JSON.stringify(row)) + 1
    if (this.#bytes > ROWS_MAX_BYTES) {
      this.truncated = "bytes"
      return false
    }
    this.rows.push(row)
    return true
  }

  result(): JsonObject {
    return {
      columns: this.columns,
      rows: this.rows,
      row_count: this.rows.length,
      truncated: this.truncated !== null,
      ...(this.truncated ? { truncated_by: this.truncated } : {}),
    }
  }
}
