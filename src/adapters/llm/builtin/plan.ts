import { isJsonObject, type Json, type JsonObject } from "../../../kernel/json.ts"
import type { ModelTool } from "../llm.ts"

/** Names of tools in a text that are looked at. */
const PLACES_MAX = 500

/** A call that the prompt asks for, in the order in which tools are named there. */
export interface Planned {
  readonly tool: ModelTool
  /** The words about it: from its name to the next tool's. */
  readonly about: string
  /** Written out in the prompt as JSON behind the name. */
  readonly args: JsonObject | null
}

/**
 * The calls that a text asks for. A tool is named by its name, by the end of it behind `__`, `.` or `/`, or by all of its words.
 * It is called once, or once for each time that arguments follow its name as a JSON object.
 */
export function planOf(text: string, tools: readonly ModelTool[]): Planned[] {
  const named = tools
    .flatMap(tool => placesOf(text, tool))
    .sort((a, b) => a.at - b.at || b.end - a.end)
    .slice(0, PLACES_MAX)
  // `read_file` is not also `read`.
  const apart = named.filter((one, i) =>
    named.every(
      (other, j) =>
        i === j || !(other.at <= one.at && one.end <= other.end && (other.at < one.at || one.end < other.end || j < i)),
    ),
  )
  const plan = apart.map((one, i): Planned => {
    const about = text.slice(one.end, apart[i + 1]?.at ?? text.length)
    return { tool: one.tool, about, args: leadingObject(about) }
  })
  return plan.filter(
    (one, i) => one.args !== null || !plan.some((other, j) => other.tool === one.tool && (j < i || other.args !== null)),
  )
}

/** All of them with one answer, where the text wants that. */
export function isParallel(text: string): boolean {
  return /\b(in parallel|at once|at the same time|simultaneously)\b/i.test(text)
}

interface Place {
  readonly tool: ModelTool
  readonly at: number
  readonly end: number
}

function placesOf(text: string, tool: ModelTool): Place[] {
  const short = tool.name.split(/__|[./:]/).at(-1) ?? ""
  for (const name of [tool.name, short]) {
    if (name.length < 2) continue
    const hits = [...text.matchAll(new RegExp(String.raw`(?<![\w-])${escaped(name)}(?![\w-])`, "gi"))]
    if (hits.length > 0) return hits.map(hit => ({ tool, at: hit.index, end: hit.index + hit[0].length }))
  }
  const words = short.split(/[^A-Za-z0-9]+|(?<=[a-z])(?=[A-Z])/).filter(word => word.length > 2)
  if (words.length < 2) return []
  const hits = words.map(word => text.match(new RegExp(String.raw`\b${escaped(word)}s?\b`, "i")))
  const places = hits.flatMap(hit => (hit === null ? [] : [{ at: hit.index ?? 0, end: (hit.index ?? 0) + hit[0].length }]))
  if (places.length < words.length) return []
  return [{ tool, at: Math.min(...places.map(place => place.at)), end: Math.max(...places.map(place => place.end)) }]
}

/** `{…}` right behind a name, perhaps in brackets or after `with`. */
function leadingObject(text: string): JsonObject | null {
  const start = text.match(/^[\s"'`]*(?:with\b[\s\w]{0,30})?[\s:(]*(?=\{)/)
  if (start === null) return null
  const from = start[0].length
  let depth = 0
  let inText = false
  for (let i = from; i < text.length; i++) {
    const char = text[i]
    if (inText) {
      if (char === "\\") i++
      else if (char === '"') inText = false
    } else if (char === '"') inText = true
    else if (char === "{") depth++
    else if (char === "}" && --depth === 0) return objectOf(text.slice(from, i + 1))
  }
  return null
}

function objectOf(text: string): JsonObject | null {
  try {
    const value: Json = JSON.parse(text)
    return isJsonObject(value) ? value : null
  } catch {
    return null
  }
}

function escaped(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_]/g, String.raw`\$&`)
}
