import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import type { Tool } from "./connector.ts"

/**
 * What a tool promises, in one word: SHA-256, hex, of its description, schemas and annotations. The name is not in it, nor
 * the order of keys; a published workflow keeps it, so that a tool which changed since can be told.
 */
export function toolHash({ description, inputSchema, outputSchema, annotations }: Tool): string {
  const promised: JsonObject = {
    description,
    input_schema: inputSchema,
    output_schema: outputSchema ?? null,
    annotations: { ...annotations },
  }
  return Bun.CryptoHasher.hash("sha256", canonical(promised), "hex")
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (!isJsonObject(value)) return JSON.stringify(value)
  const entries = Object.keys(value)
    .filter(key => value[key] !== undefined)
    .sort()
    .map(key => `${JSON.stringify(key)}:${canonical(value[key] ?? null)}`)
  return `{${entries.join(",")}}`
}
