import type { ConfigField, ConfigSchema } from "../../connectors/connector.ts"
import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"

const FIELDS_MAX = 100
const KEY = /^\w{1,200}$/
const TEXT_MAX_CHARS = 1_000
const OPTIONS_MAX = 200
const TYPES = ["string", "number", "boolean", "option"] as const
/** The public kits have no word for a secret (contract §8); a key that is called like one is not kept in plain. */
const SOUNDS_SECRET = /token|secret|passw|api_?key|apikey|private_?key|credential|dsn|connection_?string/i

export type ReadSchema = { readonly ok: true; readonly schema: ConfigSchema } | { readonly ok: false; readonly message: string }

/** A configuration schema as servers and callers write it: by key, or as `config_schema` of an object. */
export function readConfigSchema(given: Json): ReadSchema {
  const whole = isJsonObject(given) && isJsonObject(given.config_schema) ? given.config_schema : given
  if (!isJsonObject(whole)) return bad("the configuration schema must be an object with a field for each key")
  const keys = Object.keys(whole)
  if (keys.length > FIELDS_MAX) return bad(`the configuration schema has more than ${FIELDS_MAX} keys`)
  const fields: [string, ConfigField][] = []
  for (const key of keys) {
    if (!KEY.test(key)) return bad("a configuration key must be letters, digits and underscores")
    const field = fieldOf(key, whole[key] ?? null)
    if (typeof field === "string") return bad(`configuration key ${key}: ${field}`)
    fields.push([key, field])
  }
  return { ok: true, schema: Object.fromEntries(fields) }
}

/** A string says what is wrong. */
function fieldOf(key: string, given: Json): ConfigField | string {
  if (!isJsonObject(given)) return "must be an object"
  const type = TYPES.find(t => t === (given.type ?? "string"))
  if (!type) return `its type must be one of ${TYPES.join(", ")}`
  const options = type === "option" ? optionsOf(given) : undefined
  if (options === null) return "its options must be a list of objects with label and value"
  const value = given.default
  if (value !== undefined && value !== null && !isPlain(value)) return "its default must be text, a number or true or false"
  const isSecret = given.secret === true || (given.secret === undefined && type === "string" && SOUNDS_SECRET.test(key))
  return {
    type,
    displayName: (textOf(given.displayName) || textOf(given.display_name) || key).slice(0, TEXT_MAX_CHARS),
    required: given.required === true,
    ...(typeof given.description === "string" && { description: given.description.slice(0, TEXT_MAX_CHARS) }),
    // A default that everybody can read is no secret's.
    ...(isPlain(value) && !isSecret && { default: value }),
    ...(isSecret && { secret: true as const }),
    ...(options && { options }),
  }
}

function optionsOf({ options }: JsonObject): ConfigField["options"] | null {
  if (!Array.isArray(options) || options.length === 0 || options.length > OPTIONS_MAX) return null
  const read = options.map((option: Json) => {
    const { label, value } = isJsonObject(option) ? option : {}
    return typeof value === "string" ? { label: textOf(label) || value, value } : null
  })
  return read.every(option => option !== null) ? read : null
}

function isPlain(value: Json | undefined): value is string | number | boolean {
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
}

function bad(message: string): ReadSchema {
  return { ok: false, message }
}
