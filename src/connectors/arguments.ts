import { Compile, type Validator } from "typebox/schema"
import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { Speller } from "../kernel/nearest.ts"
import type { Tool } from "./connector.ts"

export type CheckedArguments = { readonly ok: true; readonly args: JsonObject } | { readonly ok: false; readonly message: string }

/** Problems named in one sentence; the rest is counted. */
const SHOWN_PROBLEMS = 3
/** Names and values of a schema that a problem tells: a stranger's schema may have any number. */
const SHOWN_CHOICES = 20
const SHOWN_KEY_CHARS = 100

/**
 * Checks the arguments of a call against the tool's input schema: fills in defaults, turns what a template left as text
 * into the number or boolean that the schema asks for, then validates. Compiled schemas are kept per tool.
 */
export function createArgumentCheck(): (tool: Tool, args: JsonObject) => CheckedArguments {
  const compiled = new WeakMap<Tool, Validator>()
  return (tool, args) => {
    let validator = compiled.get(tool)
    if (!validator) {
      validator = Compile(schemaOf(tool) as object)
      compiled.set(tool, validator)
    }
    const coerced = coerce(schemaOf(tool), args) as JsonObject
    if (validator.Check(coerced)) return { ok: true, args: coerced }
    return { ok: false, message: `${tool.name} cannot take these arguments: ${problems(validator, schemaOf(tool), coerced)}` }
  }
}

function schemaOf({ argumentSchema, inputSchema }: Tool): JsonObject {
  return argumentSchema ?? inputSchema
}

/** The value in the shape the schema asks for, where text or scalars can be read that way; otherwise as it is. */
function coerce(schema: Json | undefined, value: Json): Json {
  if (!isJsonObject(schema)) return value
  const types = typesOf(schema)
  if (isJsonObject(value)) return coerceProperties(schema, value)
  if (Array.isArray(value)) return schema.items === undefined ? value : value.map(item => coerce(schema.items, item))
  if (types.length === 0 || types.some(type => is(type, value))) return value
  for (const type of types) {
    const made = scalar(type, value)
    if (made !== undefined) return made
  }
  return value
}

function coerceProperties(schema: JsonObject, value: JsonObject): JsonObject {
  const properties = isJsonObject(schema.properties) ? schema.properties : {}
  const entries = Object.entries(value).map(([key, item]) => [key, coerce(own(properties, key), item)] as const)
  for (const [key, property] of Object.entries(properties)) {
    if (!Object.hasOwn(value, key) && isJsonObject(property) && property.default !== undefined)
      entries.push([key, property.default])
  }
  return Object.fromEntries(entries)
}

function own(properties: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(properties, key) ? properties[key] : undefined
}

function typesOf(schema: JsonObject): readonly string[] {
  const type = schema.type
  if (typeof type === "string") return [type]
  return Array.isArray(type) ? type.filter((t): t is string => typeof t === "string") : []
}

function is(type: string, value: Json): boolean {
  switch (type) {
    case "null":
      return value === null
    case "integer":
      return Number.isInteger(value)
    case "array":
      return Array.isArray(value)
    case "object":
      return isJsonObject(value)
    default:
      return typeof value === type
  }
}

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i

function scalar(type: string, value: Json): Json | undefined {
  if (typeof value === "string") {
    const text = value.trim()
    if (type === "boolean") return text === "true" ? true : text === "false" ? false : undefined
    if (type !== "number" && type !== "integer") return undefined
    const number = DECIMAL.test(text) ? Number(text) : Number.NaN
    if (!Number.isFinite(number)) return undefined
    // A whole number too big for a double would silently become another one.
    return type === "integer" && !Number.isSafeInteger(number) ? undefined : number
  }
  if (type === "string" && (typeof value === "number" || typeof value === "boolean")) return String(value)
  return undefined
}

type Problem = ReturnType<Validator["Errors"]>[1][number]

function problems(validator: Validator, schema: JsonObject, args: JsonObject): string {
  const [, errors] = validator.Errors(args)
  const speller = new Speller()
  const lines = [...new Set(errors.flatMap(error => sentence(error, schema, speller)))]
  const rest = lines.length - SHOWN_PROBLEMS
  return lines.slice(0, SHOWN_PROBLEMS).join("; ") + (rest > 0 ? `; and ${rest} more` : "")
}

function sentence(error: Problem, schema: JsonObject, speller: Speller): readonly string[] {
  const where = place(error.instancePath)
  switch (error.keyword) {
    case "boolean":
      // The same as `additionalProperties` one level up, which knows what there is.
      return error.schemaPath.endsWith("/additionalProperties") ? [] : [`${where} is not taken`]
    case "additionalProperties":
      return error.params.additionalProperties.map(key => unknownKey(where, key, propertiesAt(schema, error.schemaPath), speller))
    case "enum":
      return [`${where} must be one of ${choices(error.params.allowedValues.map(value => JSON.stringify(value)))}`]
    case "required":
      return error.params.requiredProperties.map(key => `${where} needs ${key}`)
    default:
      return [`${where} ${error.message}`]
  }
}

function unknownKey(where: string, key: string, known: readonly string[], speller: Speller): string {
  const near = speller.nearest(key, () => known)
  const hint = near !== undefined ? `did you mean ${near}?` : known.length === 0 ? "it takes none" : `there are ${choices(known)}`
  return `${where} has no ${key.slice(0, SHOWN_KEY_CHARS)}; ${hint}`
}

function choices(all: readonly string[]): string {
  const rest = all.length - SHOWN_CHOICES
  return all.slice(0, SHOWN_CHOICES).join(", ") + (rest > 0 ? ` and ${rest} more` : "")
}

/** Names of the properties that the object schema at this pointer (`#/properties/x`) has. */
function propertiesAt(schema: JsonObject, pointer: string): readonly string[] {
  let at: Json | undefined = schema
  for (const part of pointer.split("/").slice(1)) {
    const key = part.replaceAll("~1", "/").replaceAll("~0", "~")
    at = Array.isArray(at) ? at[Number(key)] : isJsonObject(at) ? own(at, key) : undefined
  }
  return isJsonObject(at) && isJsonObject(at.properties) ? Object.keys(at.properties) : []
}

function place(pointer: string): string {
  return ["tool_args", ...pointer.split("/").slice(1)].join(".")
}
