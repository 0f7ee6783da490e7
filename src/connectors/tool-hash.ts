import { canonicalJson } from "../kernel/canonical-json.ts"
import type { JsonObject } from "../kernel/json.ts"
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
  return Bun.CryptoHasher.hash("sha256", canonicalJson(promised), "hex")
}
