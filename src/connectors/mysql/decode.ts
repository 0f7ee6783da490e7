import type { Json } from "../../kernel/json.ts"
import { base64Of, floatOf, integerOf, parseDocument } from "../database/values.ts"
import type { Column } from "./answers.ts"
import { Cursor } from "./packets.ts"

const TYPE = {
  ...{ decimal: 0, tiny: 1, short: 2, long: 3, float: 4, double: 5, null: 6, timestamp: 7, longlong: 8, int24: 9 },
  ...{ date: 10, time: 11, datetime: 12, year: 13, bit: 16, json: 245, newdecimal: 246, geometry: 255 },
} as const
const UNSIGNED = 0x20
const BINARY_CHARSET = 63

/** A row of a prepared statement. */
export function binaryRow(packet: Buffer, columns: readonly Column[]): readonly Json[] {
  const bitmap = packet.subarray(1)
  const cursor = new Cursor(packet, 1 + ((columns.length + 9) >> 3))
  return columns.map((column, i) => {
    const bit = i + 2
    return (bitmap[bit >> 3]! >> (bit & 7)) & 1 ? null : binaryValue(cursor, column)
  })
}

/** A row of a plain statement: every value is text. */
export function textRow(packet: Buffer, columns: readonly Column[]): readonly Json[] {
  const cursor = new Cursor(packet)
  return columns.map(column => {
    const bytes = cursor.counted()
    return bytes === null ? null : textValue(bytes, column)
  })
}

function binaryValue(cursor: Cursor, column: Column): Json {
  const unsigned = (column.flags & UNSIGNED) !== 0
  const whole = (size: number) => (unsigned ? cursor.uint(size) : cursor.int(size))
  switch (column.type) {
    case TYPE.tiny:
      return smallest(whole(1), column)
    case TYPE.short:
    case TYPE.year:
      return whole(2)
    case TYPE.long:
    case TYPE.int24:
      return whole(4)
    case TYPE.longlong:
      return integerOf(String(cursor.big(unsigned)))
    case TYPE.float:
      return floatOf(shortest(cursor.take(4).readFloatLE()))
    case TYPE.double:
      return floatOf(cursor.take(8).readDoubleLE())
    case TYPE.date:
    case TYPE.datetime:
    case TYPE.timestamp:
      return dateOf(new Cursor(cursor.counted() ?? Buffer.alloc(0)), column)
    case TYPE.time:
      return timeOf(new Cursor(cursor.counted() ?? Buffer.alloc(0)), column)
    default:
      return bytesValue(cursor.counted() ?? Buffer.alloc(0), column)
  }
}

function textValue(bytes: Buffer, column: Column): Json {
  const text = bytes.toString("utf8")
  switch (column.type) {
    case TYPE.tiny:
      return smallest(Number(text), column)
    case TYPE.short:
    case TYPE.year:
    case TYPE.long:
    case TYPE.int24:
    case TYPE.longlong:
      return integerOf(text)
    case TYPE.float:
    case TYPE.double:
      return floatOf(Number(text))
    case TYPE.date:
    case TYPE.time:
      return text
    case TYPE.datetime:
    case TYPE.timestamp:
      return zoned(text.replace(" ", "T"), column)
    default:
      return bytesValue(bytes, column)
  }
}

function bytesValue(bytes: Buffer, column: Column): Json {
  switch (column.type) {
    case TYPE.decimal:
    case TYPE.newdecimal:
      return bytes.toString("latin1")
    case TYPE.bit:
      return [...bytes]
        .map(byte => byte.toString(2).padStart(8, "0"))
        .join("")
        .slice(-column.length)
    case TYPE.json:
      return parseDocument(bytes.toString("utf8"))
    case TYPE.geometry:
      return base64Of(bytes)
    default:
      if (column.charset === BINARY_CHARSET) return base64Of(bytes)
      return column.format === "json" ? parseDocument(bytes.toString("utf8")) : bytes.toString("utf8")
  }
}

/** TINYINT(1) is what MySQL has for BOOLEAN; it can hold other numbers all the same. */
function smallest(value: number, { length }: Column): Json {
  return length === 1 && (value === 0 || value === 1) ? value === 1 : value
}

/** The shortest decimal number that is this 32-bit one. */
function shortest(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits))
    if (Math.fround(candidate) === value) return candidate
  }
  return Number(value.toPrecision(9))
}

function dateOf(cursor: Cursor, column: Column): string {
  const present = (size: number) => (cursor.left >= size ? cursor.uint(size) : 0)
  const date = [pad(present(2), 4), pad(present(1), 2), pad(present(1), 2)].join("-")
  if (column.type === TYPE.date) return date
  const time = [pad(present(1), 2), pad(present(1), 2), pad(present(1), 2)].join(":")
  return zoned(`${date}T${time}${fraction(present(4), column)}`, column)
}

/** The session's zone is UTC, so a TIMESTAMP is; the zero date is no moment. */
function zoned(text: string, { type }: Column): string {
  return type === TYPE.timestamp && !text.startsWith("0000-00-00") ? `${text}Z` : text
}

/** From -838:59:59 to 838:59:59. */
function timeOf(cursor: Cursor, column: Column): string {
  if (cursor.left === 0) return `00:00:00${fraction(0, column)}`
  const sign = cursor.uint(1) === 1 ? "-" : ""
  const hours = cursor.uint(4) * 24 + cursor.uint(1)
  const rest = `${pad(cursor.uint(1), 2)}:${pad(cursor.uint(1), 2)}`
  return `${sign}${pad(hours, 2)}:${rest}${fraction(cursor.left >= 4 ? cursor.uint(4) : 0, column)}`
}

function fraction(microseconds: number, { decimals }: Column): string {
  const digits = decimals <= 6 ? decimals : microseconds === 0 ? 0 : 6
  return digits === 0 ? "" : `.${pad(microseconds, 6).slice(0, digits)}`
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, "0")
}
