import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import type { Egress } from "../../../src/adapters/egress/egress.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { egressTo } from "../call.ts"
import { type Arrived, type Request, requester, type Service, startService } from "./service.ts"

const ALL = Array.from({ length: 7 }, (_, i) => ({ id: i + 1 }))

let egress: Egress
let service: Service
let request: Request

beforeAll(() => {
  egress = egressTo("127.0.0.1")
  request = requester(egress)
})
afterAll(() => egress.close())
beforeEach(() => {
  service = startService()
})
afterEach(() => service.stop())

async function paged(pagination: JsonObject, args: JsonObject = {}): Promise<JsonObject> {
  const result = await request({ url: `${service.base}/items`, ...args, pagination })
  return result.ok ? result.value : { failed: result.message }
}
const ids = ({ items }: JsonObject) => (items as { id: number }[]).map(item => item.id)
const numberIn = ({ query }: Arrived, name: string, fallback: number) => Number(new Map(query).get(name) ?? fallback)

/** Pages of three by `page`, with a Link header and addresses. */
function pagesOfThree(request: Arrived): Response {
  const page = numberIn(request, "page", 1)
  const data = ALL.slice((page - 1) * 3, page * 3)
  const next = page < 3 ? `/items?page=${page + 1}&per=3` : null
  const link =
    next === null ? {} : { link: `<${service.base}/items?page=1>; rel="first", <${next}>; title="a, b"; rel="last next"` }
  return Response.json({ data, links: { next }, more: { cursor: next === null ? "" : String(page + 1) } }, { headers: link })
}

describe("all pages of a list", () => {
  test("by the Link header", async () => {
    service.answer = request => new Response(JSON.stringify(ALL.slice(0, 3)), { headers: pagesOfThree(request).headers })
    expect(await paged({ kind: "link_header" })).toMatchObject({ item_count: 9, pages: 3, has_more: false, next: null })
    expect(service.arrived.map(one => one.query)).toEqual([
      [],
      [
        ["page", "2"],
        ["per", "3"],
      ],
      [
        ["page", "3"],
        ["per", "3"],
      ],
    ])
  })

  test("by an address in the answer, found by a dotted path or a pointer", async () => {
    service.answer = pagesOfThree
    for (const next_path of ["links.next", "/links/next"]) {
      const result = await paged({ kind: "next_url", next_path, items_path: "data" }, { query: { q: "x" } })
      expect(ids(result)).toEqual([1, 2, 3, 4, 5, 6, 7])
      expect(result).toMatchObject({ pages: 3, has_more: false })
    }
  })

  test("by a cursor, in the query or in a JSON body", async () => {
    service.answer = pagesOfThree
    expect(ids(await paged({ kind: "cursor", next_path: "more.cursor", param: "page" }))).toHaveLength(7)

    service.answer = request => pagesOfThree({ ...request, query: [["page", String(JSON.parse(request.body).after ?? 1)]] })
    const search = { method: "POST", body: { q: "x" } }
    expect(ids(await paged({ kind: "cursor", next_path: "more.cursor", param: "after", in: "body" }, search))).toHaveLength(7)
    expect(service.arrived.slice(-3).map(one => JSON.parse(one.body))).toEqual([
      { q: "x" },
      { q: "x", after: "2" },
      { q: "x", after: "3" },
    ])
  })

  test("by number, to the first empty page, or to the first that is short of the size", async () => {
    service.answer = pagesOfThree
    expect(await paged({ kind: "page", items_path: "data" })).toMatchObject({ item_count: 7, pages: 4, has_more: false })
    expect(await paged({ kind: "page", items_path: "data", size: 3, size_param: "per" })).toMatchObject({
      item_count: 7,
      pages: 3,
    })
    expect(service.arrived.at(-1)?.query).toEqual([
      ["page", "3"],
      ["per", "3"],
    ])
  })

  test("by offset", async () => {
    service.answer = request => {
      const offset = numberIn(request, "offset", 0)
      return Response.json(ALL.slice(offset, offset + numberIn(request, "limit", 100)))
    }
    expect(ids(await paged({ kind: "offset", size: 3 }))).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(service.arrived.map(one => numberIn(one, "offset", -1))).toEqual([0, 3, 6])
  })
})

describe("a list that is longer than wanted", () => {
  test("ends at max_pages or max_items, and says where to go on", async () => {
    service.answer = pagesOfThree
    const byNumber = { kind: "page", items_path: "data" }
    expect(await paged({ ...byNumber, max_pages: 2 })).toMatchObject({ item_count: 6, has_more: true, next: 3 })
    expect(await paged({ ...byNumber, start: "3", max_pages: 1 })).toMatchObject({ items: [{ id: 7 }], has_more: true, next: 4 })
    expect(await paged({ ...byNumber, max_items: 4 })).toMatchObject({ item_count: 4, has_more: true, next: null })
    expect(await paged({ ...byNumber, max_items: 3 })).toMatchObject({ item_count: 3, has_more: true, next: 2 })
    expect(await paged({ kind: "link_header", items_path: "data", max_pages: 1 })).toMatchObject({
      next: `${service.base}/items?page=2&per=3`,
    })
    service.answer = () => Response.json(ALL)
    expect(await paged({ kind: "offset", size: 7, max_items: 5 })).toMatchObject({ item_count: 5, next: 5 })
  })

  test("ends before a step could not keep it", async () => {
    service.answer = request => Response.json([{ page: numberIn(request, "page", 1), text: "x".repeat(400_000) }])

    expect(await paged({ kind: "page" })).toMatchObject({ item_count: 2, pages: 2, has_more: true, next: 3 })
  })
})

describe("pages that lie", () => {
  test("in a circle, at another host, without a list or without JSON are a failure", async () => {
    service.answer = () => Response.json({ data: ALL, next: "same" })
    expect(await paged({ kind: "cursor", next_path: "next", param: "c" })).toEqual({ failed: expect.stringContaining("circle") })

    for (const next of ["https://evil.example/items", "//evil.example/", "http://127.0.0.1:1/", "file:///etc/passwd"]) {
      service.answer = () => Response.json({ data: ALL, next })
      expect(await paged({ kind: "next_url", next_path: "next" })).toEqual({ failed: expect.stringContaining("not asked for") })
    }

    service.answer = () => Response.json({ a: [], b: [] })
    expect(await paged({ kind: "page" })).toEqual({ failed: expect.stringContaining("items_path") })
    service.answer = () => Response.json({ data: "none" })
    expect(await paged({ kind: "page", items_path: "data" })).toEqual({ failed: "there is no list at data of the answer" })
    service.answer = () => new Response("<html>")
    expect(await paged({ kind: "page" })).toEqual({ failed: expect.stringContaining("not valid JSON") })
  })

  test("a page that fails fails the call, with what the service says", async () => {
    service.answer = request =>
      numberIn(request, "page", 1) < 2 ? pagesOfThree(request) : Response.json({ message: "too deep" }, { status: 400 })

    expect(await paged({ kind: "page", items_path: "data" })).toEqual({ failed: `${service.host} answered 400: too deep` })
  })

  test("what a kind needs must be there", async () => {
    for (const [pagination, needed] of [
      [{ kind: "cursor", param: "c" }, "next_path"],
      [{ kind: "cursor", next_path: "c" }, "param"],
      [{ kind: "next_url" }, "next_path"],
      [{ kind: "offset" }, "size"],
      [{ kind: "page", start: "two" }, "number"],
      [{ kind: "page", max_pages: 101 }, "max_pages"],
      [{ kind: "other" }, "kind"],
    ] as const) {
      expect(await paged(pagination)).toEqual({ failed: expect.stringContaining(needed) })
    }
    expect(service.arrived).toEqual([])
  })
})
