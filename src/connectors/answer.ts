import { cut } from "../kernel/cut.ts"
import { isJsonObject, type Json } from "../kernel/json.ts"
import { CONNECTOR_MESSAGE_MAX_CHARS } from "../kernel/limits.ts"
import { parsedJson } from "../kernel/nesting.ts"
import type { Answer } from "./exchange.ts"

/** What a media type says, without its parameters, in lower case; empty when nothing is said. */
export function mediaType(headers: Headers): string {
  return (headers.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase()
}

export function isJsonType(type: string): boolean {
  return type === "application/json" || type.endsWith("+json") || type === "text/json"
}

/** The text in the character set that the answer names, UTF-8 otherwise. */
export function answerText({ headers, bytes }: Pick<Answer, "headers" | "bytes">): string {
  const charset = /charset\s*=\s*"?([\w.:-]+)/i.exec(headers.get("content-type") ?? "")?.[1] ?? "utf-8"
  try {
    // The cast: labels are checked by the constructor itself.
    return new TextDecoder(charset as Bun.Encoding).decode(bytes)
  } catch {
    return new TextDecoder().decode(bytes)
  }
}

/** All values at a JSON pointer in which `*` stands for every element or property. */
export function valuesAt(value: Json | undefined, pointer: string): readonly Json[] {
  const parts = pointer.split("/").slice(1)
  return parts.reduce<readonly Json[]>(
    (values, part) => values.flatMap(one => step(one, part.replaceAll("~1", "/").replaceAll("~0", "~"))),
    value === undefined ? [] : [value],
  )
}

function step(value: Json, part: string): readonly Json[] {
  if (Array.isArray(value)) {
    if (part === "*") return value
    const item = /^\d+$/.test(part) ? value[Number(part)] : undefined
    return item === undefined ? [] : [item]
  }
  if (!isJsonObject(value)) return []
  if (part === "*") return Object.values(value)
  return Object.hasOwn(value, part) ? [value[part]!] : []
}

/** Where services put their message when nothing else is known of them. */
export const USUAL_MESSAGES = ["/message", "/error/message", "/error_description", "/error", "/detail", "/title", "/errors/*"]

/**
 * The service's own words about what went wrong, from these places of its answer; of a text the beginning, of a page
 * nothing. Empty when it says nothing.
 */
export function saidBy(answer: Pick<Answer, "headers" | "bytes">, pointers: readonly string[]): string {
  const text = answerText(answer).trim()
  const body = parsedJson(text)
  if (body === undefined) return mediaType(answer.headers) === "text/html" || text.startsWith("<") ? "" : short(text)
  if (typeof body === "string") return short(body)
  const said = pointers.flatMap(pointer => valuesAt(body, pointer)).map(worded)
  return short([...new Set(said.filter(words => words !== ""))].join("; "))
}

function worded(value: Json): string {
  if (isJsonObject(value)) {
    if (typeof value.message === "string" && value.message !== "") return value.message
    return Object.values(value)
      .map(worded)
      .filter(words => words !== "")
      .join(" ")
  }
  if (Array.isArray(value)) return value.map(worded).join(" ")
  return value === null ? "" : String(value)
}

function short(text: string): string {
  return cut(text.replaceAll(/\s+/g, " ").trim(), CONNECTOR_MESSAGE_MAX_CHARS)
}

/** What went wrong, and what the service says about it and about trying again. */
export function failureSentence(name: string, answer: Answer, said: string): string {
  const after = answer.headers.get("retry-after")
  const again = after === null ? "" : ` (try again ${/^\d+$/.test(after) ? `after ${after} s` : `at ${after.slice(0, 40)}`})`
  return `${name} answered ${answer.status}${said === "" ? "" : `: ${said}`}${again}`
}

/** Statuses after which the same request may succeed. */
export const WORTH_RETRYING: ReadonlySet<number> = new Set([429, 502, 503, 504])
