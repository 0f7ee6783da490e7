import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"

/** What OpenAI's strict mode takes of a schema's keywords. */
const KEYWORDS = new Set([
  ...["type", "properties", "required", "additionalProperties", "items", "enum", "const", "description", "title", "anyOf"],
  ...[
    "$ref",
    "$defs",
    "definitions",
    "$schema",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
  ],
  ...["multipleOf", "minItems", "maxItems"],
])

/**
 * Whether OpenAI may be asked to hold the answer to this schema by force. It refuses a schema outright of which an object allows
 * more than it names or does not require all of that; any other is asked for without force, and the caller checks the answer.
 */
export function isStrictSchema(schema: JsonObject): boolean {
  return schema.type === "object" && schema.anyOf === undefined && isStrict(schema, 0)
}

function isStrict(schema: Json | undefined, depth: number): boolean {
  if (!isJsonObject(schema) || depth > 10) return false
  if (!Object.keys(schema).every(keyword => KEYWORDS.has(keyword))) return false
  const { properties, required, items, anyOf, $defs, definitions } = schema
  const isObject =
    schema.type === "object" || (Array.isArray(schema.type) && schema.type.includes("object")) || properties !== undefined
  if (isObject) {
    if (schema.additionalProperties !== false || !isJsonObject(properties)) return false
    if (!Array.isArray(required) || !Object.keys(properties).every(name => required.includes(name))) return false
  }
  const below = [
    ...(isJsonObject(properties) ? Object.values(properties) : []),
    ...(items === undefined ? [] : [items]),
    ...(Array.isArray(anyOf) ? anyOf : []),
    ...[$defs, definitions].flatMap(defs => (isJsonObject(defs) ? Object.values(defs) : [])),
  ]
  return below.every(one => isStrict(one, depth + 1))
}
