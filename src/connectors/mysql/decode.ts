import type { TypeCastField, TypeCastNext } from "mysql2"
import type { Json } from "../../kernel/json.ts"
import { base64Of, floatOf, integerOf, parseDocument } from "../database/values.ts"

/** What the driver knows of a column. */
export interface Column {
  readonly name: string
  readonly columnType: number
  /** Characters or digits at the most, as it is shown. */
  readonly columnLength: number
  readonly decimals: number
  /** What MariaDB says besides: `json` of a text that is JSON. */
  readonly extendedFormat?: string
}

const TYPE = {
  ...{ tiny: 1, float: 4, double: 5, timestamp: 7, longlong: 8, date: 10, time: 11, datetime: 12, bit: 16, json: 245 },
} as const

/** Values that the driver would make something of are taken as bytes. */
export function castBinary(field: TypeCastField, next: TypeCastNext): unknown {
  return field.type === "GEOMETRY" || (field.type as string) === "VECTOR" ? field.buffer() : next()
}

/** Of a plain statement, where every value is text. The driver's own reading of fractions is not exact. */
export function castText(field: TypeCastField, next: TypeCastNext): unknown {
  return field.type === "FLOAT" || field.type === "DOUBLE" ? field.string("ascii") : castBinary(field, next)
}

/** A value of the driver as JSON that loses nothing. */
export function decode(value: unknown, column: Column): Json {
  if (value === null || value === undefined) return null
  switch (column.columnType) {
    case TYPE.tiny:
      return smallest(Number(value), column)
    case TYPE.longlong:
      return integerOf(String(value))
    case TYPE.float:
      return floatOf(typeof value === "number" ? shortest(value) : Number(value))
    case TYPE.double:
      return floatOf(Number(value))
    case TYPE.date:
      return String(value)
    case TYPE.time:
      return withFraction(String(value), column)
    case TYPE.datetime:
    case TYPE.timestamp:
      return zoned(withFraction(String(value), column).replace(" ", "T"), column)
    case TYPE.json:
      return parseDocument(String(value))
    case TYPE.bit:
      return bitsOf(value as Buffer, column)
  }
  if (Buffer.isBuffer(value)) return base64Of(value)
  if (column.extendedFormat === "json") return parseDocument(String(value))
  return typeof value === "number" ? value : String(value)
}

/** TINYINT(1) is what MySQL has for BOOLEAN; it can hold other numbers all the same. */
function smallest(value: number, { columnLength }: Column): Json {
  return columnLength === 1 && (value === 0 || value === 1) ? value === 1 : value
}

/** The shortest decimal number that is this 32-bit one. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === value) return candidate
  }
  return Number(value.toPrecision(9))
}

function bitsOf(bytes: Buffer, { columnLength }: Column): string {
  return [...bytes]
    .map(byte => byte.toString(2).padStart(8, "0"))
    .join("")
    .slice(-columnLength)
}

/** With as many digits after the second as the column has; the driver leaves zeros out. */
function withFraction(text: string, { decimals }: Column): string {
  const [whole = "", fraction = ""] = text.split(".")
  const digits = decimals <= 6 ? decimals : fraction === "" ? 0 : 6
  return digits === 0 ? whole : `${whole}.${fraction.padEnd(digits, "0").slice(0, digits)}`
}

/** The session's zone is UTC, so a TIMESTAMP is; the zero date is no moment. */
function zoned(text: string, { columnType }: Column): string {
  return columnType === TYPE.timestamp && !text.startsWith("0000-00-00") ? `${text}Z` : text
}
