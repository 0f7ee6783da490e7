import { isJsonObject, type Json } from "../../kernel/json.ts"

const TYPES: readonly Json[] = ["string", "number", "integer", "boolean", "object", "array", "null"]
const DEPTH_MAX = 40
const LISTS_OF_SCHEMAS = ["anyOf", "oneOf", "allOf", "prefixItems"]

/** What keeps a document from being a JSON Schema, with its place; null: it is one. Validators take a slip of the pen for "anything". */
export function schemaProblem(schema: Json, at = "", depth = 0): string | null {
  if (depth > DEPTH_MAX) return `${at} is nested deeper than ${DEPTH_MAX} levels`
  if (typeof schema === "boolean") return null
  if (!isJsonObject(schema)) return `${at || "it"} is no schema, which is an object`
  const { type, properties, required, items, additionalProperties } = schema
  const types = Array.isArray(type) ? type : type === undefined ? [] : [type]
  const odd = types.find(one => !TYPES.includes(one))
  if (odd !== undefined) return `${at}/type is none of ${TYPES.join(", ")}`
  if (properties !== undefined && !isJsonObject(properties)) return `${at}/properties is not an object`
  if (required !== undefined && !(Array.isArray(required) && required.every(one => typeof one === "string")))
    return `${at}/required is not a list of names`
  if (schema.enum !== undefined && !Array.isArray(schema.enum)) return `${at}/enum is not a list`
  const inner: [string, Json][] = Object.entries(properties ?? {}).map(([name, one]) => [`${at}/properties/${name}`, one])
  if (items !== undefined) inner.push([`${at}/items`, items])
  if (additionalProperties !== undefined) inner.push([`${at}/additionalProperties`, additionalProperties])
  for (const keyword of LISTS_OF_SCHEMAS) {
    const list = schema[keyword]
    if (list === undefined) continue
    if (!Array.isArray(list)) return `${at}/${keyword} is not a list of schemas`
    inner.push(...list.map((one, i): [string, Json] => [`${at}/${keyword}/${i}`, one]))
  }
  for (const [place, one] of inner) {
    const problem = schemaProblem(one, place, depth + 1)
    if (problem !== null) return problem
  }
  return null
}
