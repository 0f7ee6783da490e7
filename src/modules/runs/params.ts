import { AppError } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"

export function badParam(sentence: string): AppError {
  return new AppError("bad_request", `invalid request body: ${sentence}`, { code: "INVALID_BODY" })
}

/** Null when it is not there. */
export function textParam(params: JsonObject, name: string): string | null {
  const value = params[name]
  if (value === undefined || value === null) return null
  if (typeof value === "string" && value !== "" && value.length <= 300) return value
  throw badParam(`params.${name} must be text`)
}
