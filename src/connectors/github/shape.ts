import { type TProperties, Type } from "typebox"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { STEP_RESULT_MAX_BYTES } from "../../kernel/limits.ts"
import { ToolFailure } from "../kit.ts"
import { nextLink } from "../link-header.ts"
import type { RestAnswer } from "../rest.ts"
import { listOf, type Paging, type Shape, whole } from "../shape.ts"

const PAGES: TProperties = {
  has_more: Type.Boolean({ description: "There are further pages." }),
  next_page: Type.Union([Type.Integer(), Type.Null()], { description: "The value of `page` that gives the next one." }),
}

const pages: Paging = {
  properties: PAGES,
  read({ headers, url }) {
    const next = nextLink(headers, url)
    const page = next === null ? Number.NaN : Number(next.searchParams.get("page") ?? Number.NaN)
    return { has_more: next !== null, next_page: Number.isInteger(page) ? page : null }
  },
}

/** One page of a list: `{ [name]: […], has_more, next_page }`. */
export function page(name: string): Shape {
  return bounded(listOf(name, { paging: pages }))
}

/** One page of what a search found. */
export function found(): Shape {
  const items = listOf("items", { at: "/items", paging: pages })
  const properties = { total_count: Type.Integer(), incomplete_results: Type.Boolean() }
  return bounded({
    schema: Type.Object({ ...properties, ...items.schema.properties }),
    read: answer => ({ ...whole().read(answer), ...items.read(answer) }),
  })
}

/** A comparison, whose commits come in pages. */
export function comparison(): Shape {
  const { schema, read } = whole({ status: Type.String(), commits: Type.Array(Type.Object({})), ...PAGES })
  return bounded({ schema, read: answer => ({ ...read(answer), ...pages.read(answer) }) })
}

/**
 * GitHub repeats whole repositories and users, with a hundred addresses each, in everything that it lists. A result that
 * would not fit goes without these addresses; one that still does not is refused, as the rest of a cut list is no list.
 */
function bounded({ schema, read }: Shape): Shape {
  return {
    schema,
    read(answer: RestAnswer) {
      const result = read(answer)
      if (fits(result)) return result
      const leaner = withoutLinks(result) as JsonObject
      if (fits(leaner)) return leaner
      throw new ToolFailure("GitHub's answer is too large for a step's result: ask for fewer at a time with per_page")
    },
  }
}

/** Whether a step can keep it whole. */
export function fits(result: JsonObject): boolean {
  return Buffer.byteLength(JSON.stringify(result)) <= STEP_RESULT_MAX_BYTES
}

const KEPT = new Set(["html_url", "download_url", "clone_url"])

function withoutLinks(value: Json): Json {
  if (Array.isArray(value)) return value.map(withoutLinks)
  if (!isJsonObject(value)) return value
  const entries = Object.entries(value).filter(([key]) => key !== "_links" && (KEPT.has(key) || !/(^|_)url$/.test(key)))
  return Object.fromEntries(entries.map(([key, item]) => [key, withoutLinks(item)]))
}
