import { isJsonObject } from "../kernel/json.ts"
import type { Issue } from "./issues.ts"

/** The path of a member or element, e.g. `$.steps[2].tool_args["a b"]`. */
export function childPath(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`
  return /^[A-Za-z_]\w*$/.test(key) ? `${path}.${key}` : `${path}[${JSON.stringify(key)}]`
}

/** Findings in the order of the places they name; what a place lacks comes behind what it has. */
export function inDocumentOrder<Found extends Issue>(issues: readonly Found[], document: unknown): readonly Found[] {
  const known = new Map<object, ReadonlyMap<string, number>>()
  const placed = issues.map(issue => ({ issue, at: positions(document, issue.json_path, known) }))
  return placed.sort((a, b) => compare(a.at, b.at)).map(p => p.issue)
}

/** The way to a place, as the position of each key among its siblings. */
function positions(document: unknown, path: string, known: Map<object, ReadonlyMap<string, number>>): readonly number[] {
  const result: number[] = []
  let at = document
  for (const key of keysOf(path)) {
    const isThere: boolean = (Array.isArray(at) || isJsonObject(at)) && Object.hasOwn(at, key)
    if (Array.isArray(at)) result.push(Number(key))
    else result.push((isThere && isJsonObject(at) ? orderOf(at, known).get(String(key)) : undefined) ?? Number.MAX_SAFE_INTEGER)
    at = isThere ? (at as Record<string | number, unknown>)[key] : undefined
  }
  return result
}

function orderOf(object: object, known: Map<object, ReadonlyMap<string, number>>): ReadonlyMap<string, number> {
  const before = known.get(object)
  if (before) return before
  const order = new Map(Object.keys(object).map((key, i) => [key, i]))
  known.set(object, order)
  return order
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (const [i, x] of a.entries()) {
    const y = b[i]
    if (y === undefined) return 1
    if (x !== y) return x - y
  }
  return a.length - b.length
}

const SEGMENT = /\.([A-Za-z_]\w*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/g

function keysOf(path: string): readonly (string | number)[] {
  return [...path.matchAll(SEGMENT)].map(([, name, index, quoted]) => {
    if (index !== undefined) return Number(index)
    return quoted === undefined ? (name ?? "") : (JSON.parse(quoted) as string)
  })
}
