import { cutKey } from "../kernel/cut.ts"
import type { Json, JsonObject } from "../kernel/json.ts"
import type { ConfigField, ConfigSchema } from "./connector.ts"

/** One literal value; connection strings and certificates are far below. */
export const CONFIG_VALUE_MAX_CHARS = 8_192

export interface ConfigIssue {
  readonly key: string
  /** A sentence that names the key, never its value. */
  readonly message: string
}

/** What is wrong with a configuration as far as it goes: unknown keys and wrong types. See `missingKeys` for what it lacks. */
export function checkConfig(schema: ConfigSchema, config: JsonObject): readonly ConfigIssue[] {
  const issues: ConfigIssue[] = []
  for (const [key, value] of Object.entries(config)) {
    const problem = Object.hasOwn(schema, key)
      ? problemOf(schema[key]!, value)
      : `is not a configuration key (known: ${known(schema)})`
    if (problem) issues.push({ key, message: `${cutKey(key)} ${problem}` })
  }
  return issues
}

/** Required keys that have neither a value nor a default. */
export function missingKeys(schema: ConfigSchema, config: JsonObject): readonly string[] {
  const effective = withDefaults(schema, config)
  return Object.keys(schema).filter(key => schema[key]!.required && (effective[key] === undefined || effective[key] === ""))
}

export function withDefaults(schema: ConfigSchema, config: JsonObject): JsonObject {
  const defaults = Object.entries(schema).flatMap(([key, field]) =>
    field.default === undefined ? [] : [[key, field.default] as const],
  )
  return { ...Object.fromEntries(defaults), ...config }
}

function problemOf(field: ConfigField, value: Json): string | null {
  if (typeof value === "string" && value.length > CONFIG_VALUE_MAX_CHARS)
    return `is longer than ${CONFIG_VALUE_MAX_CHARS} characters`
  switch (field.type) {
    case "string":
      return typeof value === "string" ? null : "must be a string"
    case "number":
      return typeof value === "number" ? null : "must be a number"
    case "boolean":
      return typeof value === "boolean" ? null : "must be true or false"
    case "option": {
      const values = (field.options ?? []).map(o => o.value)
      return typeof value === "string" && values.includes(value) ? null : `must be one of ${values.join(", ")}`
    }
  }
}

function known(schema: ConfigSchema): string {
  return Object.keys(schema).join(", ") || "none"
}
