import type { Json } from "./json.ts"
import { FOREIGN_JSON_MAX_DEPTH } from "./limits.ts"

/**
 * How deep others nest their JSON. Some tens of kilobytes of brackets are read in no time, and then hold everybody up for seconds
 * as soon as they are written or walked through: deeper than anybody means is not taken.
 */
export function isTooDeep(value: unknown): boolean {
  let level = [value]
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > FOREIGN_JSON_MAX_DEPTH) return true
    const next: unknown[] = []
    for (const one of level) {
      if (typeof one !== "object" || one === null) continue
      for (const part of Array.isArray(one) ? one : Object.values(one))
        if (typeof part === "object" && part !== null) next.push(part)
    }
    level = next
  }
  return false
}

/** Undefined when it is no JSON, or nested too deeply. */
export function parsedJson(text: string): Json | undefined {
  if (isTextTooDeep(text)) return undefined
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function isTextTooDeep(text: string): boolean {
  let depth = 0
  let quoted = false
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (quoted) {
      if (c === BACKSLASH) i++
      else if (c === QUOTE) quoted = false
    } else if (c === QUOTE) quoted = true
    else if (c === OPEN_LIST || c === OPEN_OBJECT) {
      if (++depth > FOREIGN_JSON_MAX_DEPTH) return true
    } else if (c === CLOSE_LIST || c === CLOSE_OBJECT) depth--
  }
  return false
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const OPEN_LIST = 0x5b
const CLOSE_LIST = 0x5d
const OPEN_OBJECT = 0x7b
const CLOSE_OBJECT = 0x7d
