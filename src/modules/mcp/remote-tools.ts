import { Compile } from "typebox/schema"
import type { RemoteTool } from "../../adapters/mcp/mcp.ts"
import type { Tool, ToolAnnotations } from "../../connectors/connector.ts"
import { safeSchema } from "../../connectors/safe-schema.ts"
import { toolHash } from "../../connectors/tool-hash.ts"
import { messageOf } from "../../kernel/errors.ts"
import { isJsonObject, type Json, type JsonObject, textOf } from "../../kernel/json.ts"

/** Tools of one server; more are left out, and told. */
export const TOOLS_MAX = 500
const TOOL_NAME = /^[^\s\p{Cc}]{1,200}$/u
const DESCRIPTION_MAX_CHARS = 20_000
const SCHEMA_MAX_CHARS = 128 * 1024
/** Of all tools together, as JSON: each is compiled while everybody waits, kept, and shown in lists. */
const ALL_MAX_CHARS = 2 * 1024 * 1024
const SCHEMA_MAX_DEPTH = 32

export interface ReadTools {
  readonly tools: readonly Tool[]
  /** One sentence for each tool that cannot be used. */
  readonly problems: readonly string[]
}

/** What a server says of its tools, as far as it can be used: it is a stranger, and its schemas run in this process. */
export function readTools(described: readonly RemoteTool[]): ReadTools {
  const tools = new Map<string, Tool>()
  const problems: string[] = []
  let left = ALL_MAX_CHARS
  for (const one of described.slice(0, TOOLS_MAX)) {
    const problem = left < 0 ? TOO_MUCH : (problemOf(one) ?? (tools.has(one.name) ? "there are two of that name" : null))
    if (problem === null) left -= JSON.stringify(one).length
    if (problem === null) tools.set(one.name, toolOf(one))
    else problems.push(`${shown(one.name)}: ${problem}`)
  }
  if (described.length > TOOLS_MAX) problems.push(`only the first ${TOOLS_MAX} of ${described.length} tools are used`)
  return { tools: [...tools.values()], problems }
}

const TOO_MUCH = `the tools before it have ${ALL_MAX_CHARS} characters together already, and more are not used`

/** A tool as the API takes it for a version: the protocol's own names, and ours. */
export function remoteToolOf(given: JsonObject): RemoteTool {
  const output = given.output_schema ?? given.outputSchema
  return {
    name: textOf(given.name),
    title: textOf(given.title) || null,
    description: textOf(given.description),
    inputSchema: objectOf(given.input_schema ?? given.inputSchema) ?? { type: "object" },
    outputSchema: objectOf(output),
    annotations: objectOf(given.annotations) ?? {},
  }
}

/** A tool as a version keeps it, and back. */
export function storedTool(tool: Tool): JsonObject {
  return {
    name: tool.name,
    description: tool.description,
    input_schema: tool.inputSchema,
    ...(tool.outputSchema && { output_schema: tool.outputSchema }),
    annotations: { ...tool.annotations },
  }
}

export function toolOf({ name, description, inputSchema, outputSchema, annotations }: RemoteTool): Tool {
  const argumentSchema = safeSchema(inputSchema)
  return {
    name,
    description,
    inputSchema,
    argumentSchema,
    ...(outputSchema && { outputSchema }),
    annotations: hintsOf(annotations),
  }
}

export interface ToolDrift {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly changed: readonly string[]
}

/** How the tools of now differ from those of a version; null: they do not. */
export function driftOf(published: readonly Tool[], now: readonly Tool[]): ToolDrift | null {
  const before = new Map(published.map(tool => [tool.name, tool]))
  const after = new Map(now.map(tool => [tool.name, tool]))
  const drift = {
    added: [...after.keys()].filter(name => !before.has(name)),
    removed: [...before.keys()].filter(name => !after.has(name)),
    changed: [...after.values()].filter(tool => isOther(before.get(tool.name), tool)).map(tool => tool.name),
  }
  return drift.added.length + drift.removed.length + drift.changed.length === 0 ? null : drift
}

function isOther(before: Tool | undefined, now: Tool): boolean {
  return before !== undefined && toolHash(before) !== toolHash(now)
}

function problemOf({ name, description, inputSchema, outputSchema }: RemoteTool): string | null {
  if (!TOOL_NAME.test(name)) return "its name must be 1 to 200 characters without blanks"
  if (description.length > DESCRIPTION_MAX_CHARS) return `its description is longer than ${DESCRIPTION_MAX_CHARS} characters`
  return schemaProblem("input", inputSchema) ?? (outputSchema ? schemaProblem("output", outputSchema) : null)
}

function schemaProblem(which: "input" | "output", schema: JsonObject): string | null {
  if (depthOf(schema) > SCHEMA_MAX_DEPTH) return `its ${which} schema is nested deeper than ${SCHEMA_MAX_DEPTH} levels`
  if (JSON.stringify(schema).length > SCHEMA_MAX_CHARS) return `its ${which} schema is larger than ${SCHEMA_MAX_CHARS} characters`
  if (which === "output") return null
  if (schema.type !== undefined && schema.type !== "object") return "its input schema is not of type object"
  try {
    Compile(safeSchema(schema) as object).Check({})
    return null
  } catch (error) {
    return `its input schema is no JSON Schema: ${messageOf(error).slice(0, 200)}`
  }
}

/** Recursion stops one level behind the limit, so that a schema of any depth can be measured. */
function depthOf(value: Json, depth = 0): number {
  if (depth > SCHEMA_MAX_DEPTH || typeof value !== "object" || value === null) return depth
  return Object.values(value).reduce<number>((most, item) => Math.max(most, depthOf(item as Json, depth + 1)), depth)
}

const HINTS = ["readOnlyHint", "idempotentHint", "destructiveHint"] as const

function hintsOf(annotations: JsonObject): ToolAnnotations {
  return Object.fromEntries(HINTS.flatMap(hint => (typeof annotations[hint] === "boolean" ? [[hint, annotations[hint]]] : [])))
}

function objectOf(value: Json | undefined): JsonObject | null {
  return isJsonObject(value) ? value : null
}

function shown(name: string): string {
  return JSON.stringify(name.slice(0, 120))
}
