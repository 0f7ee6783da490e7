import { type Static, Type } from "typebox"
import type { Json } from "../../kernel/json.ts"

const MAX_PAGES = 100
const MAX_ITEMS = 10_000

const SCALAR = Type.Union([Type.String(), Type.Number(), Type.Boolean()])
const VALUE = Type.Union([SCALAR, Type.Null(), Type.Array(SCALAR)])
const PLACE = "A place in the answer, as `data.items` or as a JSON pointer `/data/items`."

const PAGINATION = Type.Object(
  {
    kind: Type.Enum(["link_header", "next_url", "cursor", "page", "offset"], {
      description:
        "How the next page is found: by the Link header, by an address in the answer, by a cursor in the answer, by number, or by how many were given.",
    }),
    items_path: Type.Optional(Type.String({ description: `${PLACE} Where the list is. Default: the answer, or its only list.` })),
    next_path: Type.Optional(Type.String({ description: `${PLACE} Where the address or the cursor of the next page is.` })),
    param: Type.Optional(
      Type.String({
        minLength: 1,
        description: "What carries the cursor, the number or the offset: `page` and `offset` unless set.",
      }),
    ),
    in: Type.Optional(Type.Enum(["query", "body"], { description: "Where it goes; `body` for a body that is a JSON object." })),
    start: Type.Optional(
      Type.Union([Type.Integer({ minimum: 0 }), Type.String()], {
        description: "The first page's cursor, number or offset: `next` of an earlier result.",
      }),
    ),
    size: Type.Optional(Type.Integer({ minimum: 1, description: "Items on a page: a shorter page is the last." })),
    size_param: Type.Optional(
      Type.String({ minLength: 1, description: "What carries the size; `limit` for offset unless set." }),
    ),
    max_pages: Type.Integer({ minimum: 1, maximum: MAX_PAGES, default: 10 }),
    max_items: Type.Integer({ minimum: 1, maximum: MAX_ITEMS, default: 1_000 }),
  },
  { additionalProperties: false },
)

export const HTTP_INPUT = Type.Object(
  {
    method: Type.Enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], { default: "GET" }),
    url: Type.Optional(Type.String({ minLength: 1, description: "A whole address, in place of path." })),
    path: Type.Optional(Type.String({ description: "What follows base_url, e.g. `/users/{id}`." })),
    path_params: Type.Optional(
      Type.Record(Type.String(), SCALAR, {
        description: "Values for `{name}` in path or url, encoded so that each stays one segment.",
      }),
    ),
    query: Type.Optional(Type.Record(Type.String(), VALUE, { description: "Added to the query; a list once for each element." })),
    headers: Type.Optional(Type.Record(Type.String(), SCALAR)),
    body: Type.Optional(Type.Unsafe<Json>({ description: "Any JSON value, a text, a file in base64, or the fields of a form." })),
    body_type: Type.Enum(["auto", "json", "text", "base64", "form"], {
      default: "auto",
      description: "What body is; auto: a text is sent as it is, everything else as JSON.",
    }),
    response: Type.Enum(["auto", "json", "text", "base64"], {
      default: "auto",
      description: "How the answer is read; auto: as its content-type says.",
    }),
    follow_redirects: Type.Boolean({ default: true }),
    expect_status: Type.Optional(
      Type.Union([Type.Array(Type.Integer({ minimum: 100, maximum: 599 }), { minItems: 1 }), Type.Literal("any")], {
        description: "The statuses that are no failure: a list, or `any`. Default: all below 400.",
      }),
    ),
    pagination: Type.Optional(PAGINATION),
  },
  { additionalProperties: false },
)

export type HttpArguments = Static<typeof HTTP_INPUT>
export type Pagination = Static<typeof PAGINATION>

export const HTTP_OUTPUT = Type.Object({
  status: Type.Integer(),
  ok: Type.Boolean({ description: "Whether the status is below 400." }),
  url: Type.String({ description: "Where the answer came from, after redirects." }),
  headers: Type.Record(Type.String(), Type.String(), {
    description: "By names in lower case, without those that carry credentials.",
  }),
  body: Type.Optional(Type.Unsafe<Json>({ description: "JSON, text, or base64, as body_type says; null when there is none." })),
  body_type: Type.Optional(Type.Enum(["json", "text", "base64", "none"])),
  items: Type.Optional(
    Type.Array(Type.Unsafe<Json>({}), { description: "With pagination, in place of body: what all pages hold." }),
  ),
  item_count: Type.Optional(Type.Integer()),
  pages: Type.Optional(Type.Integer({ description: "How many were read." })),
  has_more: Type.Optional(Type.Boolean({ description: "There is more than the limits let through." })),
  next: Type.Optional(
    Type.Unsafe<string | number | null>({
      type: ["string", "number", "null"],
      description: "Where to go on: `start` of the next call, or its url.",
    }),
  ),
})
