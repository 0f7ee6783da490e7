import type { Json } from "../../kernel/json.ts"
import { base64Of, floatOf, integerOf, parseDocument } from "../database/values.ts"

/** A type as far as its text has to be read: most are text in JSON, too. */
export type PgType =
  | { readonly kind: "boolean" | "integer" | "float" | "bytes" | "json" | "timestamp" | "void" | "text" }
  | { readonly kind: "array"; readonly element: PgType; readonly delimiter: string }

const TEXT: PgType = { kind: "text" }

const KINDS: Readonly<Record<number, PgType["kind"]>> = {
  ...{ 16: "boolean", 17: "bytes", 20: "integer", 21: "integer", 23: "integer", 26: "integer" },
  ...{ 114: "json", 3802: "json", 700: "float", 701: "float", 1114: "timestamp", 1184: "timestamp", 2278: "void" },
}

/** Arrays of the types that come with every server: the array's number, then its element's. */
const ARRAYS: readonly (readonly [array: number, element: number])[] = [
  ...([
    [1000, 16],
    [1001, 17],
    [1002, 18],
    [1003, 19],
    [1016, 20],
    [1005, 21],
    [1007, 23],
    [1008, 24],
    [1009, 25],
  ] as const),
  ...([
    [1028, 26],
    [199, 114],
    [143, 142],
    [1017, 600],
    [651, 650],
    [1021, 700],
    [1022, 701],
    [791, 790],
  ] as const),
  ...([
    [1040, 829],
    [1041, 869],
    [1014, 1042],
    [1015, 1043],
    [1182, 1082],
    [1183, 1083],
    [1115, 1114],
  ] as const),
  ...([
    [1185, 1184],
    [1187, 1186],
    [1270, 1266],
    [1561, 1560],
    [1563, 1562],
    [1231, 1700],
    [2951, 2950],
  ] as const),
  ...([
    [3807, 3802],
    [3905, 3904],
    [3907, 3906],
    [3909, 3908],
    [3911, 3910],
    [3913, 3912],
    [3927, 3926],
  ] as const),
]

export const BUILT_IN: ReadonlyMap<number, PgType> = new Map<number, PgType>([
  ...Object.entries(KINDS).map(([type, kind]) => [Number(type), { kind } as PgType] as const),
  ...ARRAYS.map(([array, element]) => [array, { kind: "array", element: scalar(element), delimiter: "," } as const] as const),
])

/** Types from here on are somebody's own: the catalog has to be asked. */
export const FIRST_OWN_TYPE = 16_384

/** Also for the parameters: what a type is called in the text of a value. */
export const BYTEA = 17
export const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802])

function scalar(type: number): PgType {
  const kind = KINDS[type]
  return kind === undefined ? TEXT : ({ kind } as PgType)
}

/** A row of pg_type that says what an array or a domain is made of. */
export interface OwnType {
  readonly type: number
  readonly element: number
  readonly base: number
  readonly delimiter: string
}

/** The type of that number, with the user's own ones as the catalog told them. */
export function typeOf(type: number, own: ReadonlyMap<number, OwnType>, depth = 0): PgType {
  const built = BUILT_IN.get(type)
  if (built) return built
  const found = own.get(type)
  if (!found || depth > 8) return TEXT
  if (found.base !== 0) return typeOf(found.base, own, depth + 1)
  if (found.element === 0) return TEXT
  return { kind: "array", element: typeOf(found.element, own, depth + 1), delimiter: found.delimiter }
}

/** The server's text of a value as JSON that loses nothing. */
export function decode(text: string | null, type: PgType): Json {
  if (text === null) return null
  switch (type.kind) {
    case "boolean":
      return text === "t"
    case "integer":
      return integerOf(text)
    case "float":
      return floatOf(Number(text))
    case "bytes":
      return text.startsWith("\\x") ? base64Of(Buffer.from(text.slice(2), "hex")) : text
    case "json":
      return parseDocument(text)
    case "timestamp":
      return isoOf(text)
    case "void":
      return null
    case "text":
      return text
    case "array":
      return arrayOf(text, type.element, type.delimiter)
  }
}

/** `2024-01-02 03:04:05.6+00` in ISO's spelling; infinity and years before Christ stay as PostgreSQL writes them. */
function isoOf(text: string): string {
  const [, date, time, zone] = /^(\d{4,}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d+)?)([+-]\d\d(?::\d\d){0,2})?$/.exec(text) ?? []
  if (date === undefined) return text
  const offset = zone === undefined ? "" : zone === "+00" ? "Z" : zone.length === 3 ? `${zone}:00` : zone
  return `${date}T${time}${offset}`
}

/** `{1,NULL,{"a b"}}`; one with bounds of its own (`[0:1]={…}`) stays text, as a list would lose them. */
function arrayOf(text: string, element: PgType, delimiter: string): Json {
  if (!text.startsWith("{")) return text
  let at = 0
  const item = (): Json => {
    if (text[at] === "{") return list()
    if (text[at] === '"') return decode(quoted(), element)
    const start = at
    while (at < text.length && text[at] !== delimiter && text[at] !== "}") at += text[at] === "\\" ? 2 : 1
    const raw = text.slice(start, at)
    return raw === "NULL" ? null : decode(raw.replaceAll(/\\(.)/gs, "$1"), element)
  }
  const quoted = (): string => {
    let value = ""
    for (at++; at < text.length && text[at] !== '"'; at++) value += text[at] === "\\" ? text[++at] : text[at]
    at++
    return value
  }
  const list = (): Json => {
    const items: Json[] = []
    at++
    while (at < text.length && text[at] !== "}") {
      items.push(item())
      if (text[at] === delimiter) at++
    }
    at++
    return items
  }
  return list()
}
