/** A JSON value as it travels through inputs, results and events. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json }

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}

/** The text, or nothing. `String()` would run into whatever a document calls `toString`. */
export function textOf(value: Json | undefined): string {
  return typeof value === "string" ? value : ""
}
