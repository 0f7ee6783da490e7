import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"

/** Keywords whose cost grows with the value and the schema, and no faster. */
const PLAIN = new Set([
  ...["type", "enum", "const", "default", "required", "title", "description"],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"],
  ...["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"],
])
const ONE = ["items", "additionalProperties"]
const MANY = ["anyOf", "oneOf", "allOf", "prefixItems"]

/**
 * The part of a stranger's schema that may be evaluated in this process. Regular expressions can take forever, and references
 * that branch can, too, so both are left to the server, which checks its arguments itself.
 */
export function safeSchema(schema: JsonObject): JsonObject {
  const kept = Object.entries(schema).flatMap(([keyword, value]): readonly (readonly [string, Json])[] => {
    if (PLAIN.has(keyword)) return [[keyword, value]]
    if (ONE.includes(keyword)) return [[keyword, safe(value)]]
    if (MANY.includes(keyword) && Array.isArray(value)) return [[keyword, value.map(safe)]]
    if (keyword === "properties" && isJsonObject(value)) {
      return [[keyword, Object.fromEntries(Object.entries(value).map(([key, one]) => [key, safe(one)]))]]
    }
    return []
  })
  return opened(schema, Object.fromEntries(kept))
}

function safe(value: Json): Json {
  return isJsonObject(value) ? safeSchema(value) : typeof value === "boolean" ? value : {}
}

/**
 * What was left out must not make the rest stricter: "no other properties" does not count those of a pattern, and "exactly one"
 * turns what is laxer inside into what is stricter outside (as "not" does, which is left out for it).
 */
function opened(schema: JsonObject, kept: JsonObject): JsonObject {
  const { oneOf, additionalProperties, ...rest } = kept
  const alternatives = oneOf === undefined ? {} : { anyOf: oneOf }
  const both = rest.anyOf !== undefined && oneOf !== undefined ? {} : alternatives
  const closed = schema.patternProperties === undefined && additionalProperties !== undefined ? { additionalProperties } : {}
  return { ...rest, ...both, ...closed }
}
