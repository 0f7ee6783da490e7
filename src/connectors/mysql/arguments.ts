import type { Json } from "../../kernel/json.ts"
import { specialOf } from "../database/values.ts"
import { ToolFailure } from "../kit.ts"
import { counted, uint } from "./packets.ts"

interface Bound {
  readonly type: number
  /** Null: the value NULL. */
  readonly bytes: Buffer | null
}

const UNSIGNED_LONGLONG = 0x80_08
const LONGLONG = 8
const DOUBLE = 5
const TINY = 1
const TEXT = 253
const BLOB = 252
const NULL = 6

/** The end of a command that executes a prepared statement: which arguments are NULL, their types, their values. */
export function boundArguments(args: readonly Json[]): Buffer {
  if (args.length === 0) return Buffer.alloc(0)
  const bound = args.map((value, i) => bind(value, `argument ${i + 1}`))
  const bitmap = Buffer.alloc((args.length + 7) >> 3)
  for (const [i, { bytes }] of bound.entries()) if (bytes === null) bitmap[i >> 3]! |= 1 << (i & 7)
  return Buffer.concat([bitmap, uint(1, 1), ...bound.map(b => uint(b.type, 2)), ...bound.flatMap(b => b.bytes ?? [])])
}

/** Lists and objects are JSON; text is passed as it is. */
function bind(value: Json, where: string): Bound {
  if (value === null) return { type: NULL, bytes: null }
  if (typeof value === "string") return { type: TEXT, bytes: counted(Buffer.from(value, "utf8")) }
  if (typeof value === "boolean") return { type: TINY, bytes: uint(value ? 1 : 0, 1) }
  if (typeof value === "number") return Number.isSafeInteger(value) ? whole(BigInt(value), where) : double(value)
  const special = specialOf(value, where)
  if (special?.kind === "bytes") return { type: BLOB, bytes: counted(special.bytes) }
  if (special) return whole(BigInt(special.digits), where)
  return { type: TEXT, bytes: counted(Buffer.from(JSON.stringify(value), "utf8")) }
}

function whole(value: bigint, where: string): Bound {
  const bytes = Buffer.alloc(8)
  if (BigInt.asIntN(64, value) === value) {
    bytes.writeBigInt64LE(value)
    return { type: LONGLONG, bytes }
  }
  if (BigInt.asUintN(64, value) !== value)
    throw new ToolFailure(`${where}: $integer is not a whole number of 64 bits; pass it as text`)
  bytes.writeBigUInt64LE(value)
  return { type: UNSIGNED_LONGLONG, bytes }
}

function double(value: number): Bound {
  const bytes = Buffer.alloc(8)
  bytes.writeDoubleLE(value)
  return { type: DOUBLE, bytes }
}
