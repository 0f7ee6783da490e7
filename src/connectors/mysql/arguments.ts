import mysql from "mysql2"
import type { Json } from "../../kernel/json.ts"
import { specialOf } from "../database/values.ts"
import { ToolFailure } from "../kit.ts"

/** What the driver binds: it would send every number as a floating-point one. Lists and objects are JSON; text is passed as it is. */
export function bound(value: Json, where: string): unknown {
  if (typeof value === "number" && Number.isSafeInteger(value)) return mysql.TypedParameter.LONGLONG(value)
  if (value === null || typeof value !== "object") return value
  const special = specialOf(value, where)
  if (special?.kind === "bytes") return special.bytes
  return special ? whole(BigInt(special.digits), where) : JSON.stringify(value)
}

function whole(value: bigint, where: string): unknown {
  if (BigInt.asIntN(64, value) === value) return mysql.TypedParameter.LONGLONG(value)
  if (BigInt.asUintN(64, value) === value) return mysql.TypedParameter.LONGLONG.unsigned(value)
  throw new ToolFailure(`${where}: $integer is not a whole number of 64 bits; pass it as text`)
}
