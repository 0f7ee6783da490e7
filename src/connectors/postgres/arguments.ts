import type { Json } from "../../kernel/json.ts"
import { specialOf } from "../database/values.ts"
import { ToolFailure } from "../kit.ts"
import { JSON_TYPES } from "./decode.ts"

/**
 * A JSON argument as PostgreSQL reads it, for a parameter of that type. Text is passed as it is, also where JSON is expected;
 * a list is an array, or JSON where that is expected; an object is JSON.
 */
export function toText(value: Json, type: number, position: number): string | null {
  const where = `argument ${position}`
  if (value === null) return null
  if (typeof value === "string") return plain(value, where)
  const special = specialOf(value, where)
  if (special) return special.kind === "bytes" ? `\\x${special.bytes.toString("hex")}` : special.digits
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  if (Array.isArray(value) && !JSON_TYPES.has(type)) return arrayText(value, where, 1)
  return plain(JSON.stringify(value), where)
}

/** PostgreSQL's own limit of dimensions. */
const DIMENSIONS_MAX = 6

function arrayText(items: readonly Json[], where: string, depth: number): string {
  if (depth > DIMENSIONS_MAX) throw new ToolFailure(`${where}: a list has more than ${DIMENSIONS_MAX} dimensions`)
  const parts = items.map(item => {
    if (item === null) return "NULL"
    if (Array.isArray(item)) return arrayText(item, where, depth + 1)
    const special = specialOf(item, where)
    const text = special
      ? special.kind === "bytes"
        ? `\\x${special.bytes.toString("hex")}`
        : special.digits
      : typeof item === "object"
        ? JSON.stringify(item)
        : String(item)
    return `"${plain(text, where).replaceAll(/[\\"]/g, "\\$&")}"`
  })
  return `{${parts.join(",")}}`
}

function plain(text: string, where: string): string {
  if (text.includes("\0")) throw new ToolFailure(`${where} holds a NUL character, which PostgreSQL cannot store in text`)
  return text
}
