import { isJsonObject, type Json, type JsonObject } from "../kernel/json.ts"
import { ToolFailure } from "./kit.ts"

const PLACE = /\{(\+?)(\w+)\}/g

/** Names in a template such as `/repos/{owner}/{repo}/contents/{+path}`. */
export function placesOf(template: string): readonly string[] {
  return [...template.matchAll(PLACE)].map(([, , name]) => name ?? "")
}

/**
 * The template with its places filled in. `{name}` stays within its segment whatever the value holds; `{+name}` may have
 * several segments. A value that would lead to another path than the template's is refused.
 */
export function filledIn(template: string, values: JsonObject): string {
  return template.replaceAll(PLACE, (_, several: string, name: string) => {
    const value = values[name]
    const text = value === undefined || value === null || isJsonObject(value) || Array.isArray(value) ? "" : String(value)
    if (several === "") return segment(name, text)
    const path = text.replaceAll(/^\/+|\/+$/g, "")
    return path === ""
      ? ""
      : path
          .split("/")
          .map(part => segment(name, part))
          .join("/")
  })
}

function segment(name: string, text: string): string {
  if (text === "") throw new ToolFailure(`${name} must not be empty, nor have an empty part`)
  if (text === "." || text === "..") throw new ToolFailure(`${name} must not be "." or "..", nor have such a part`)
  if (!text.isWellFormed()) throw new ToolFailure(`${name} is not well-formed text`)
  return encodeURIComponent(text)
}

/** Appends to a query: lists once for each element, or joined by commas; what is not set is left out. */
export function addToQuery(query: URLSearchParams, values: JsonObject, lists: "repeated" | "comma"): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) continue
    if (!Array.isArray(value)) query.append(name, queryText(name, value))
    else if (lists === "comma") query.append(name, value.map(item => queryText(name, item)).join(","))
    else for (const item of value) query.append(name, queryText(name, item))
  }
}

function queryText(name: string, value: Json): string {
  if (typeof value === "string") return value
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  throw new ToolFailure(`${name} must be a text, a number, a boolean or a list of these to be sent in a query`)
}
