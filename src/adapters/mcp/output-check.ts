import type { JsonSchemaValidator, jsonSchemaValidator } from "@modelcontextprotocol/client"
import { Compile } from "typebox/schema"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { MCP_OUTPUT_SCHEMA_MAX_CHARS } from "../../kernel/limits.ts"

/**
 * Why a tool's structured content is not what the tool declares; null when it is, or when that cannot be said. A schema comes
 * from the other side, so that patterns are left out (a regular expression can take hours), and one that is very long or
 * refers to itself or elsewhere is not held against anything.
 */
export function outputProblem(schema: JsonObject, value: unknown): string | null {
  if (JSON.stringify(schema).length > MCP_OUTPUT_SCHEMA_MAX_CHARS || refers(schema)) return null
  try {
    const validator = Compile(withoutPatterns(schema) as object)
    if (validator.Check(value)) return null
    const [, [first] = []] = validator.Errors(value)
    return first === undefined ? "it does not fit its output schema" : `${first.instancePath || "it"} ${first.message}`
  } catch {
    return null // a schema that is none
  }
}

/** The same as the SDK wants it. */
export const outputCheck: jsonSchemaValidator = {
  getValidator<T>(schema: JsonObject): JsonSchemaValidator<T> {
    return input => {
      const problem = outputProblem(schema, input)
      return problem === null
        ? { valid: true, data: input as T, errorMessage: undefined }
        : { valid: false, data: undefined, errorMessage: problem }
    }
  },
}

function refers(schema: Json): boolean {
  if (Array.isArray(schema)) return schema.some(refers)
  if (!isJsonObject(schema)) return false
  return Object.entries(schema).some(
    ([key, value]) => ((key === "$ref" || key === "$dynamicRef") && typeof value === "string") || refers(value),
  )
}

function withoutPatterns(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(withoutPatterns)
  if (!isJsonObject(schema)) return schema
  const kept = Object.entries(schema).filter(
    ([key, value]) => !(key === "pattern" && typeof value === "string") && key !== "patternProperties" && key !== "propertyNames",
  )
  return Object.fromEntries(kept.map(([key, value]) => [key, withoutPatterns(value)]))
}
