import { isJsonObject, type Json } from "../../kernel/json.ts"
import { STEP_RESULT_MAX_BYTES } from "../../kernel/limits.ts"
import { parsedJson } from "../../kernel/nesting.ts"
import { answerText, valuesAt } from "../answer.ts"
import type { Answer, Exchange } from "../exchange.ts"
import { ToolFailure } from "../kit.ts"
import { nextLink } from "../link-header.ts"
import type { HttpArguments, Pagination } from "./input.ts"

/** What may be told of a list that is cut short, beside its items. */
const ROOM_FOR_THE_REST_BYTES = 64 * 1024

export interface Pages {
  readonly last: Answer
  readonly items: readonly Json[]
  readonly pages: number
  readonly hasMore: boolean
  /** What the next page is asked for with; null when there is none, or it would begin in the middle of a page. */
  readonly next: string | number | null
}

/** A page: what it is asked for with, and where. Null: as the arguments say. */
type Position = string | number | null

/** Reads page after page, until there is none, or the limits are reached. `send` refuses answers that went wrong. */
export async function readPages(
  first: (args: HttpArguments) => Exchange,
  args: HttpArguments,
  how: Pagination,
  send: (request: Exchange) => Promise<Answer>,
  onPage: (pages: number) => void,
): Promise<Pages> {
  checkPagination(how)
  const items: Json[] = []
  const seen = new Set<Position>()
  let room = STEP_RESULT_MAX_BYTES - ROOM_FOR_THE_REST_BYTES
  let position: Position = startOf(how)
  for (let pages = 1; ; pages++) {
    if (seen.has(position)) throw new ToolFailure("the pages lead in a circle: one that was read comes again")
    seen.add(position)
    const request = pageRequest(first, args, how, position)
    const answer = await send(request)
    onPage(pages)
    const body = parsedJson(answerText(answer))
    if (body === undefined) throw new ToolFailure(`page ${pages} of ${answer.url.host} is not valid JSON`)
    const found = itemsIn(body, how)
    room -= Buffer.byteLength(JSON.stringify(found))
    // The first page is given in any case.
    if (room < 0 && pages > 1) return { last: answer, items, pages: pages - 1, hasMore: true, next: position }
    items.push(...found)
    const next = nextPosition(how, position, { body, found, answer, request })
    const over = items.length - how.max_items
    if (over > 0) {
      items.length = how.max_items
      return {
        last: answer,
        items,
        pages,
        hasMore: true,
        next: how.kind === "offset" ? Number(position) + found.length - over : null,
      }
    }
    if (next === null || over === 0 || pages === how.max_pages)
      return { last: answer, items, pages, hasMore: next !== null, next }
    position = next
  }
}

function checkPagination({ kind, next_path, param, size, start }: Pagination): void {
  if ((kind === "cursor" || kind === "next_url") && !next_path) throw new ToolFailure(`pagination by ${kind} needs next_path`)
  if (kind === "cursor" && !param) throw new ToolFailure("pagination by cursor needs param, which carries the cursor")
  if (kind === "offset" && size === undefined) throw new ToolFailure("pagination by offset needs size")
  if ((kind === "page" || kind === "offset") && !/^\d*$/.test(String(start ?? "")))
    throw new ToolFailure(`start must be a number for ${kind}`)
}

function startOf({ kind, start }: Pagination): Position {
  switch (kind) {
    case "page":
      return Number(start ?? 1)
    case "offset":
      return Number(start ?? 0)
    case "cursor":
      return start === undefined || start === "" ? null : start
    default:
      return null
  }
}

function pageRequest(
  first: (args: HttpArguments) => Exchange,
  args: HttpArguments,
  how: Pagination,
  position: Position,
): Exchange {
  if (how.kind === "link_header" || how.kind === "next_url") {
    const request = first(args)
    return position === null ? request : { ...request, url: new URL(String(position)) }
  }
  const size = how.size_param ?? (how.kind === "offset" ? "limit" : undefined)
  const param = how.param ?? (how.kind === "offset" ? "offset" : "page")
  const added = {
    ...(position !== null && { [param]: position }),
    ...(size !== undefined && how.size !== undefined && { [size]: how.size }),
  }
  if (how.in !== "body") return first({ ...args, query: { ...args.query, ...added } })
  const body = args.body ?? {}
  if (!isJsonObject(body)) throw new ToolFailure("pagination in the body needs a body that is a JSON object")
  return first({ ...args, body: { ...body, ...added } })
}

interface Page {
  readonly body: Json
  readonly found: readonly Json[]
  readonly answer: Answer
  readonly request: Exchange
}

function nextPosition(how: Pagination, position: Position, { body, found, answer, request }: Page): Position {
  const last = found.length === 0 || (how.size !== undefined && found.length < how.size)
  switch (how.kind) {
    case "link_header":
      return sameOrigin(nextLink(answer.headers, answer.url), request)
    case "next_url": {
      const [next] = valuesAt(body, pointerOf(how.next_path ?? ""))
      return typeof next === "string" && next !== "" ? sameOrigin(URL.parse(next, answer.url), request) : null
    }
    case "cursor": {
      const [next] = valuesAt(body, pointerOf(how.next_path ?? ""))
      return (typeof next === "string" && next !== "") || typeof next === "number" ? next : null
    }
    case "page":
      return last ? null : Number(position) + 1
    case "offset":
      return last ? null : Number(position) + found.length
    default:
      return null
  }
}

/** An answer does not lead the rest of the list to another host. */
function sameOrigin(next: URL | null, { url }: Exchange): string | null {
  if (next === null) return null
  if (next.origin !== url.origin) throw new ToolFailure(`${url.host} names a next page at ${next.host}, which was not asked for`)
  return next.href
}

function itemsIn(body: Json, { items_path }: Pagination): readonly Json[] {
  if (items_path !== undefined && items_path !== "") {
    const [items] = valuesAt(body, pointerOf(items_path))
    if (Array.isArray(items)) return items
    // A page with nothing may leave the list out.
    if (items === undefined || items === null) return []
    throw new ToolFailure(`there is no list at ${items_path} of the answer`)
  }
  if (Array.isArray(body)) return body
  const lists = isJsonObject(body) ? Object.values(body).filter(Array.isArray) : []
  const [only] = lists
  if (only === undefined || lists.length > 1) throw new ToolFailure("which list is meant? Say where it is in items_path")
  return only
}

function pointerOf(path: string): string {
  if (path.startsWith("/")) return path
  return path
    .split(".")
    .map(part => `/${part.replaceAll("~", "~0").replaceAll("/", "~1")}`)
    .join("")
}
