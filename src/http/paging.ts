import { t } from "elysia"
import { PAGE_DEFAULT, PAGE_MAX } from "../kernel/limits.ts"

/** Query of every list (contract G-3). Titles name the parameter in an error. */
export const pageQuery = {
  limit: t.Optional(t.Integer({ title: "limit", minimum: 1, maximum: PAGE_MAX, default: PAGE_DEFAULT })),
  offset: t.Optional(t.Integer({ title: "offset", minimum: 0, maximum: 1_000_000_000, default: 0 })),
}

export interface Page {
  readonly limit: number
  readonly offset: number
}

export function pageOf(query: { limit?: number; offset?: number }): Page {
  return { limit: query.limit ?? PAGE_DEFAULT, offset: query.offset ?? 0 }
}

/** One page of rows and how many there are in all. */
export interface PageOf<T> {
  readonly items: readonly T[]
  readonly total: number
}
