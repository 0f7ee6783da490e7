import { isJsonObject, type Json } from "../kernel/json.ts"

/** Truth of a resolved `condition` (contract G-40). */
export function isTruthy(value: Json | undefined): boolean {
  if (value === undefined || value === null || value === false || value === 0) return false
  if (typeof value === "string") return !["", "false", "0"].includes(value.trim().toLowerCase())
  if (Array.isArray(value)) return value.length > 0
  if (isJsonObject(value)) return Object.keys(value).length > 0
  return true
}
