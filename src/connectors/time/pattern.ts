import { ToolFailure } from "../kit.ts"
import type { Zoned } from "./moment.ts"

export const PATTERN_MAX_CHARS = 100

/** What a letter group stands for. `reads`: how it is found in a text, for those that can be read back. */
interface Field {
  readonly write: (moment: Zoned, locale: string) => string
  readonly reads?: { readonly expression: string; readonly as: Part }
}

type Part = "year" | "month" | "day" | "hour" | "hour12" | "minute" | "second" | "millisecond" | "half" | "offset"

const padded = (value: number, digits: number) => String(value).padStart(digits, "0")
const hour12 = (moment: Zoned) => moment.hour % 12 || 12
const two = (as: Part, of: (moment: Zoned) => number): Field => ({
  write: moment => padded(of(moment), 2),
  reads: { expression: "(\\d{2})", as },
})
const one = (as: Part, of: (moment: Zoned) => number): Field => ({
  write: moment => String(of(moment)),
  reads: { expression: "(\\d{1,2})", as },
})
const named = (options: Intl.DateTimeFormatOptions): Field => ({
  write: (moment, locale) => moment.toLocaleString(locale, options),
})

/** Letters as Unicode's patterns have them (UTS 35). */
const FIELDS: { readonly [letters: string]: Field } = {
  yyyy: { write: m => (m.year < 0 ? "-" : "") + padded(Math.abs(m.year), 4), reads: { expression: "(\\d{4})", as: "year" } },
  MMMM: named({ month: "long" }),
  MMM: named({ month: "short" }),
  MM: two("month", m => m.month),
  M: one("month", m => m.month),
  dd: two("day", m => m.day),
  d: one("day", m => m.day),
  EEEE: named({ weekday: "long" }),
  EEE: named({ weekday: "short" }),
  HH: two("hour", m => m.hour),
  H: one("hour", m => m.hour),
  hh: two("hour12", hour12),
  h: one("hour12", hour12),
  a: { write: m => (m.hour < 12 ? "AM" : "PM"), reads: { expression: "([AaPp][Mm])", as: "half" } },
  mm: two("minute", m => m.minute),
  ss: two("second", m => m.second),
  SSS: { write: m => padded(m.millisecond, 3), reads: { expression: "(\\d{3})", as: "millisecond" } },
  XXX: {
    write: m => (m.offsetNanoseconds === 0 ? "Z" : m.offset),
    reads: { expression: "(Z|[+-]\\d{2}:\\d{2})", as: "offset" },
  },
  VV: { write: m => m.timeZoneId },
  YYYY: { write: m => padded(m.yearOfWeek ?? m.year, 4) },
  ww: { write: m => padded(m.weekOfYear ?? 0, 2) },
  w: { write: m => String(m.weekOfYear ?? 0) },
  DDD: { write: m => padded(m.dayOfYear, 3) },
}

export const PATTERN_HELP = `${Object.keys(FIELDS).join(" ")}; other letters in single quotes`

/** Quoted text, one run of the same letter, or anything else. */
const TOKEN = /'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']+|'/g

type Token = { readonly field: Field } | { readonly literal: string }

export function formatPattern(moment: Zoned, pattern: string, locale: string): string {
  return tokensOf(pattern)
    .map(token => ("field" in token ? token.field.write(moment, locale) : token.literal))
    .join("")
}

/** Throws RangeError for a text that does not fit. */
export function parsePattern(text: string, pattern: string): { local: Temporal.PlainDateTime; offset: string | null } {
  const parts: Part[] = []
  const expression = tokensOf(pattern).map(token => {
    if ("literal" in token) return RegExp.escape(token.literal)
    const { reads } = token.field
    if (!reads) throw new ToolFailure(`the pattern ${JSON.stringify(pattern)} has letters that can only be written, not read`)
    parts.push(reads.as)
    return reads.expression
  })
  const found = new RegExp(`^${expression.join("")}$`).exec(text)
  if (!found) throw new RangeError("the text does not fit the pattern")
  const values = new Map(parts.map((part, i) => [part, found[i + 1] ?? ""]))
  return { local: localOf(values), offset: offsetOf(values.get("offset")) }
}

function localOf(values: ReadonlyMap<Part, string>): Temporal.PlainDateTime {
  const number = (part: Part, fallback: number) => (values.has(part) ? Number(values.get(part)) : fallback)
  if (!values.has("year")) throw new ToolFailure("a pattern to read by needs a year (yyyy)")
  const time = { minute: number("minute", 0), second: number("second", 0), millisecond: number("millisecond", 0) }
  const fields = { year: number("year", 0), month: number("month", 1), day: number("day", 1), hour: hourOf(values), ...time }
  return Temporal.PlainDateTime.from(fields, { overflow: "reject" })
}

function hourOf(values: ReadonlyMap<Part, string>): number {
  const half = values.get("half")?.toLowerCase()
  const given = values.get("hour12")
  if (given === undefined) return Number(values.get("hour") ?? 0)
  const hour = Number(given)
  if (hour < 1 || hour > 12) throw new RangeError("an hour of the twelve is from 1 to 12")
  return (hour % 12) + (half === "pm" ? 12 : 0)
}

function offsetOf(text: string | undefined): string | null {
  if (text === undefined) return null
  return text === "Z" ? "UTC" : text
}

function tokensOf(pattern: string): readonly Token[] {
  return [...pattern.matchAll(TOKEN)].map(([text, quoted, letter]) => {
    if (quoted !== undefined) return { literal: quoted === "" ? "'" : quoted.replaceAll("''", "'") }
    if (letter === undefined && text !== "'") return { literal: text }
    const field = Object.hasOwn(FIELDS, text) ? FIELDS[text] : undefined
    if (!field)
      throw new ToolFailure(`${JSON.stringify(text.slice(0, 20))} means nothing in a pattern; known are ${PATTERN_HELP}`)
    return { field }
  })
}
