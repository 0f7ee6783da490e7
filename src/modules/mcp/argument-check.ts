import { createArgumentCheck } from "../../connectors/arguments.ts"
import type { Tool } from "../../connectors/connector.ts"
import { childPath } from "../../engine/json-path.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import type { BindingProblem } from "../workflows/findings.ts"

/**
 * The arguments of a step against the tool's input schema, as far as they are literal. What a template gives is checked
 * when the step starts, and said here once for each argument whose value could still be of a wrong kind.
 */
export function checkArguments(tool: Tool, given: Json | undefined): readonly BindingProblem[] {
  const place = ".tool_args"
  if (typeof given === "string" && given.includes("{{")) return [deferred(place, "tool_args")]
  const args = given === undefined || given === null || given === "" ? {} : given
  if (!isJsonObject(args)) return [] // graph_schema tells it
  const templated = Object.keys(args).filter(key => holdsTemplate(args[key]!))
  const argumentSchema = relaxed(tool.argumentSchema ?? tool.inputSchema, templated)
  const checked = createArgumentCheck()(templated.length === 0 ? tool : { ...tool, argumentSchema }, args)
  const later = templated
    .filter(key => !isSurelyText(args[key]!, propertyOf(tool.inputSchema, key)))
    .map(key => deferred(childPath(place, key), key))
  if (checked.ok) return later
  return [
    { severity: "error", code: "mcp_tool_args_invalid", place, message: `${checked.message}; see the tool's input_schema` },
    ...later,
  ]
}

function holdsTemplate(value: Json): boolean {
  if (typeof value === "string") return value.includes("{{")
  if (Array.isArray(value)) return value.some(holdsTemplate)
  return isJsonObject(value) && Object.values(value).some(holdsTemplate)
}

/** The schema with these properties open to anything; unknown ones stay unknown. */
function relaxed(schema: JsonObject, keys: readonly string[]): JsonObject {
  const properties = isJsonObject(schema.properties) ? schema.properties : {}
  const open = keys.filter(key => Object.hasOwn(properties, key)).map(key => [key, {}] as const)
  return { ...schema, properties: { ...properties, ...Object.fromEntries(open) } }
}

function propertyOf(schema: JsonObject, key: string): JsonObject {
  const property = isJsonObject(schema.properties) && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined
  return isJsonObject(property) ? property : {}
}

/** Text around templates gives text. */
function isSurelyText(value: Json, property: JsonObject): boolean {
  const isMixed = typeof value === "string" && !/^\{\{(?:(?!\}\}).)*\}\}$/s.test(value)
  return isMixed && property.type === "string" && property.pattern === undefined && property.enum === undefined
}

function deferred(place: string, key: string): BindingProblem {
  const message = `${key} holds templates, so it is checked against the tool's input schema when the step starts`
  return { severity: "warning", code: "mcp_tool_arg_deferred", place, message }
}
