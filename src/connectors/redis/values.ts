import { isJsonObject, type Json } from "../../kernel/json.ts"
import { integerOf, specialOf, textOrBase64 } from "../database/values.ts"
import { ToolFailure } from "../kit.ts"
import type { Reply } from "./session.ts"

/** A JSON value as the bytes of a word of a command. */
export function toBytes(value: Json, where: string): Buffer {
  if (typeof value === "string") return Buffer.from(value, "utf8")
  if (typeof value === "number" || typeof value === "boolean") return Buffer.from(String(value))
  const special = specialOf(value, where)
  if (special) return special.kind === "bytes" ? special.bytes : Buffer.from(special.digits)
  const what = value === null ? "null" : isJsonObject(value) ? "an object" : "a list"
  throw new ToolFailure(`${where} is ${what}: Redis takes text, numbers and {"$base64": "…"}; pass anything else as JSON text`)
}

/** A reply as JSON: what is no text as `{"$base64": "…"}`, an error within a list as `{"error": "…"}`. */
export function toJson(reply: Reply): Json {
  if (reply === null) return null
  if (Buffer.isBuffer(reply)) return textOrBase64(reply)
  if (typeof reply === "string") return integerOf(reply.replace(/^\+/, ""))
  if (reply instanceof Error) return { error: reply.message }
  return reply.map(toJson)
}
