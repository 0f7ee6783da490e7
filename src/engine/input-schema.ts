import { isJsonObject, type Json, type JsonObject, textOf } from "../kernel/json.ts"
import { Speller } from "../kernel/nearest.ts"
import type { Issue } from "./issues.ts"
import { childPath } from "./json-path.ts"

/** One declared field of a run's input. */
export interface SchemaField {
  readonly name: string
  readonly field: Json
}

/** What an input schema declares: a JSON Schema object, or a list of fields (contract §3.7, C-32). */
export function schemaFields(schema: Json | null): readonly SchemaField[] {
  if (Array.isArray(schema)) {
    return schema.flatMap(f => (isJsonObject(f) && typeof f.name === "string" ? [{ name: f.name, field: f }] : []))
  }
  const properties = isJsonObject(schema) ? schema.properties : null
  return isJsonObject(properties) ? Object.entries(properties).map(([name, field]) => ({ name, field })) : []
}

/** Why a value is no input schema at all, as a sentence; null when it is one, or is empty. */
export function refusedInputSchema(schema: unknown): string | null {
  if (schema === undefined || schema === null) return null
  const object = isJsonObject(schema) && (schema.type === "object" || (schema.type === undefined && hasOnlySchema(schema)))
  const list = Array.isArray(schema) && schema.every(f => isJsonObject(f) && typeof f.name === "string" && f.name !== "")
  if (object || list) return null
  return 'an input_schema is a JSON Schema of an object, { "type": "object", "properties": { … } }, or a list of fields, [{ "name": "topic", "type": "string" }]'
}

/** Without a type it is told by its properties, or by holding nothing. */
function hasOnlySchema(schema: JsonObject): boolean {
  return isJsonObject(schema.properties) || Object.keys(schema).length === 0
}

const TYPES: readonly Json[] = ["string", "number", "integer", "boolean", "object", "array", "null"]

/** What is wrong with an input schema, at its place in the document. */
export function checkInputSchema(schema: Json, path: string): readonly Issue[] {
  const refused = refusedInputSchema(schema)
  if (refused !== null) return [invalid(path, refused)]
  if (Array.isArray(schema)) return checkList(schema as readonly JsonObject[], path)
  return isJsonObject(schema) ? checkObject(schema, path, new Speller()) : []
}

function checkList(fields: readonly JsonObject[], path: string): readonly Issue[] {
  const seen = new Set<Json | undefined>()
  return fields.flatMap((field, i) => {
    const at = childPath(path, i)
    const twice = seen.has(field.name)
    seen.add(field.name)
    return [
      ...(twice ? [invalid(`${at}.name`, `two fields are called ${textOf(field.name)}; give each its own name`)] : []),
      ...(isUnset(field.type) || typeof field.type === "string"
        ? []
        : [invalid(`${at}.type`, 'type must be text, e.g. "string"')]),
      ...(isUnset(field.optional) || typeof field.optional === "boolean"
        ? []
        : [invalid(`${at}.optional`, "optional must be true or false")]),
      ...checkDefault(field, at),
    ]
  })
}

function checkObject(schema: JsonObject, path: string, speller: Speller): readonly Issue[] {
  const { properties, required } = schema
  const issues: Issue[] = []
  if (!isUnset(properties) && !isJsonObject(properties)) {
    return [invalid(`${path}.properties`, "properties must be an object with a schema for each field")]
  }
  for (const [name, field] of Object.entries(isJsonObject(properties) ? properties : {})) {
    issues.push(...checkField(field, childPath(`${path}.properties`, name), speller))
  }
  if (isUnset(required)) return issues
  if (!Array.isArray(required) || !required.every(name => typeof name === "string")) {
    return [...issues, invalid(`${path}.required`, "required must be a list of field names")]
  }
  if (!isJsonObject(properties)) return issues
  for (const [i, name] of (required as readonly string[]).entries()) {
    if (Object.hasOwn(properties, name)) continue
    const near = speller.nearest(name, () => Object.keys(properties))
    const message = `required names ${name}, which is not among the properties; declare it or remove it`
    issues.push({
      ...invalid(`${path}.required[${i}]`, message),
      severity: "warning",
      ...(near !== undefined && { suggestion: `did you mean ${near}?` }),
    })
  }
  return issues
}

function checkField(field: Json, path: string, speller: Speller): readonly Issue[] {
  if (typeof field === "boolean") return []
  if (!isJsonObject(field)) return [invalid(path, 'a property is a schema, e.g. { "type": "string" }')]
  const { type } = field
  const types = Array.isArray(type) ? type : [type]
  if (!isUnset(type) && !types.every(t => TYPES.includes(t ?? ""))) {
    return [invalid(`${path}.type`, `type must be one of ${TYPES.join(", ")}`)]
  }
  if (!isUnset(field.enum) && !Array.isArray(field.enum)) return [invalid(`${path}.enum`, "enum must be a list of values")]
  const inner = types.includes("object") || isJsonObject(field.properties) ? checkObject(field, path, speller) : []
  return [...checkDefault(field, path), ...inner]
}

function checkDefault(field: JsonObject, path: string): readonly Issue[] {
  if (isUnset(field.default)) return []
  const types = (Array.isArray(field.type) ? field.type : [field.type]).filter(t => TYPES.includes(t ?? ""))
  if (types.length === 0 || types.some(t => fits(t, field.default ?? null))) return []
  return [invalid(`${path}.default`, `the default must be of type ${types.join(" or ")}`)]
}

function fits(type: Json | undefined, value: Json): boolean {
  switch (type) {
    case "integer":
      return Number.isInteger(value)
    case "array":
      return Array.isArray(value)
    case "object":
      return isJsonObject(value)
    case "null":
      return value === null
    default:
      return typeof value === type
  }
}

/** A list of fields as the schema of an object. */
export function asObjectSchema(schema: Json | null): Json | null {
  if (!Array.isArray(schema) || schema.length === 0) return schema
  return { type: "object", properties: Object.fromEntries(schemaFields(schema).map(({ name }) => [name, {}])) }
}

/**
 * The name on a path such as `["input", "order", "id"]` that an object's schema does not declare, with those it does; null
 * when there is none, or the schema does not say.
 */
export function undeclared(
  schema: Json | null,
  path: readonly string[],
): { readonly name: string; readonly properties: JsonObject } | null {
  let at: Json | undefined | null = schema
  for (const name of path.slice(1)) {
    if (!says(at)) return null
    const properties: JsonObject = at.properties
    if (!Object.hasOwn(properties, name)) return { name, properties }
    at = properties[name]
  }
  return null
}

const OPEN_WORDS = ["$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "dependentSchemas"]

/** A schema that names its properties and does not open itself to others. */
function says(schema: Json | undefined | null): schema is JsonObject & { readonly properties: JsonObject } {
  if (!isJsonObject(schema) || !isJsonObject(schema.properties)) return false
  const { additionalProperties: more } = schema
  return more !== true && !isJsonObject(more) && !OPEN_WORDS.some(word => Object.hasOwn(schema, word))
}

const isUnset = (value: Json | undefined) => value === undefined || value === null

function invalid(json_path: string, message: string): Issue {
  return { severity: "error", code: "input_schema_invalid", message, json_path }
}
