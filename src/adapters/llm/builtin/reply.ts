import { cut } from "../../../kernel/cut.ts"
import type { JsonObject } from "../../../kernel/json.ts"
import type { Message, ModelRequest, ToolAnswer, ToolRequest } from "../llm.ts"
import { Filler } from "./fill.ts"
import { isParallel, type Planned, planOf } from "./plan.ts"

/** What the built-in model answers: a text, or calls of tools. */
export interface Reply {
  readonly text: string
  readonly toolCalls: readonly ToolRequest[]
}

/** Of each answer of a tool that is told in the end. */
const TOLD_MAX_CHARS = 2_000

/**
 * By fixed rules, so that the same request has the same answer:
 * 1. tools that the last message of the user names, or else the instructions, are called in their order, one with each answer
 *    (`in parallel`: with one), with arguments out of the text;
 * 2. then, or without tools: JSON, where a schema asks for it or the text asks for JSON with certain fields;
 * 3. what the tools said;
 * 4. else the last message, as it is.
 */
export function replyTo(request: ModelRequest): Reply {
  const from = request.messages.findLastIndex(message => message.role === "user")
  const last = request.messages[from]
  const ask = last?.role === "user" ? last.text : ""
  const since = request.messages.slice(from + 1)
  const results = since.flatMap(message => (message.role === "tool" ? message.results : []))
  const calls = nextCalls(request, ask, since, results)
  if (calls.length > 0) return { text: "", toolCalls: calls }
  const fields = fieldsAskedFor(ask)
  const schema = request.output ?? (fields === null ? null : schemaOf(fields))
  if (schema !== null) return said(JSON.stringify(fillerOf(schema, ask, ask, results).value("", schema, 0)))
  return said(results.length > 0 ? results.map(told).join("\n") : ask)
}

function said(text: string): Reply {
  return { text, toolCalls: [] }
}

function nextCalls(
  { system, tools }: ModelRequest,
  ask: string,
  since: readonly Message[],
  results: readonly ToolAnswer[],
): ToolRequest[] {
  const asked = planOf(ask, tools)
  const text = asked.length > 0 ? ask : (system ?? "")
  const plan = asked.length > 0 ? asked : planOf(text, tools)
  const done = since.reduce((count, message) => count + (message.role === "assistant" ? message.toolCalls.length : 0), 0)
  const left = plan.slice(done)
  const now = isParallel(text) ? left : left.slice(0, 1)
  return now.map((planned, i) => ({
    id: `call_${done + i + 1}`,
    name: planned.tool.name,
    args: argsOf(planned, ask, results),
    problem: null,
    vendorData: null,
  }))
}

function argsOf({ tool, about, args }: Planned, ask: string, results: readonly ToolAnswer[]): JsonObject {
  return args ?? fillerOf(tool.inputSchema, ask, about, results).object(tool.inputSchema)
}

function fillerOf(schema: JsonObject, ask: string, about: string, results: readonly ToolAnswer[]): Filler {
  return new Filler(
    schema,
    ask,
    about,
    results.map(result => result.text),
  )
}

/** `JSON with the fields title, score and tags`. */
function fieldsAskedFor(text: string): string[] | null {
  const hit = text.match(/\bJSON\b[^.\n]{0,60}?\b(?:fields?|keys?|members?|properties)\b\s*:?\s*([\w"'`][\w\s,"'`]*)/i)
  const names = (hit?.[1] ?? "")
    .split(/\s*,\s*(?:and\s+)?|\s+and\s+/)
    .map(name => name.replaceAll(/["'`]/g, "").trim().split(/\s+/)[0] ?? "")
  const fields = names.filter(name => /^\w{1,60}$/.test(name))
  return fields.length === 0 ? null : fields
}

function schemaOf(fields: readonly string[]): JsonObject {
  return { type: "object", properties: Object.fromEntries(fields.map(name => [name, { type: "string" }])), required: fields }
}

function told({ name, text, isError }: ToolAnswer): string {
  const short = cut(text, TOLD_MAX_CHARS)
  return isError ? `${name} failed: ${short}` : `${name} answered: ${short}`
}
