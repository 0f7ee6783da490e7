import { cut } from "../../kernel/cut.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { ToolFailure } from "../kit.ts"
import { parsePattern } from "./pattern.ts"

export type Zoned = Temporal.ZonedDateTime
export type Disambiguation = "compatible" | "earlier" | "later" | "reject"
export type UnixUnit = "auto" | "seconds" | "milliseconds"

/** How a moment is to be read. Without a zone: as its text says it, else UTC. */
export interface Reading {
  readonly timezone?: string
  readonly disambiguation?: Disambiguation
  readonly unit?: UnixUnit
  /** For texts that are not ISO 8601. */
  readonly pattern?: string
}

export const TIME_MAX_CHARS = 200
export const ZONE_MAX_CHARS = 80

/** Temporal would also take the zone out of a whole date; here a zone is a zone. */
const ZONE = /^([A-Za-z][A-Za-z0-9_+\-/]*|[+-]\d{2}(:?\d{2})?)$/

/** The name as the time zone database spells it. Throws `ToolFailure`. */
export function zoneOf(name: string): string {
  try {
    if (ZONE.test(name)) return Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(name).timeZoneId
  } catch {
    // told below
  }
  throw new ToolFailure(`${shown(name)} is no time zone; name one such as Europe/Berlin, UTC or +02:00`)
}

export function momentAt(ms: number, zone: string): Zoned {
  return Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone)
}

/** Throws `ToolFailure` for what is no time, or one that does not exist in its zone where `reject` is wanted. */
export function readMoment(given: string | number, reading: Reading = {}): Zoned {
  const zone = reading.timezone === undefined ? undefined : zoneOf(reading.timezone)
  try {
    return read(given, zone, reading)
  } catch (error) {
    if (error instanceof RangeError) throw new ToolFailure(`${shown(String(given))} cannot be read: ${reasonOf(reading)}`)
    throw error
  }
}

function read(given: string | number, zone: string | undefined, reading: Reading): Zoned {
  const disambiguation = reading.disambiguation ?? "compatible"
  if (typeof given === "string" && reading.pattern !== undefined) {
    const { local, offset } = parsePattern(given.trim(), reading.pattern)
    if (offset === null) return one(which => local.toZonedDateTime(zone ?? "UTC", { disambiguation: which }), disambiguation)
    return inZone(local.toZonedDateTime(offset), zone)
  }
  const unix = unixMs(given, reading.unit)
  if (unix !== null) return momentAt(unix, zone ?? "UTC")
  const text = mailDate(String(given).trim()) ?? String(given).trim()
  if (text.includes("[")) {
    const zoned = one(which => Temporal.ZonedDateTime.from(text, { disambiguation: which }), disambiguation).withCalendar(
      "iso8601",
    )
    zoneOf(zoned.timeZoneId)
    return inZone(zoned, zone)
  }
  const offset = /(?:T|\s)\S*?(Z|[+-]\d{2}(?::?\d{2})?)$/i.exec(text)?.[1]
  if (offset !== undefined) return Temporal.Instant.from(text).toZonedDateTimeISO(zone ?? (/z/i.test(offset) ? "UTC" : offset))
  const local = Temporal.PlainDateTime.from(text, { overflow: "reject" }).withCalendar("iso8601")
  return one(which => local.toZonedDateTime(zone ?? "UTC", { disambiguation: which }), disambiguation)
}

/** The moment of a local time; where `reject` is wanted, only if there is one and no other. */
function one(of: (which: Disambiguation) => Zoned, disambiguation: Disambiguation): Zoned {
  if (disambiguation !== "reject") return of(disambiguation)
  const moment = of("earlier")
  if (moment.equals(of("later"))) return moment
  const sentence =
    "does not exist or comes twice, because the clocks are changed there; name an offset, or another disambiguation"
  throw new ToolFailure(`this local time ${sentence}`)
}

function inZone(moment: Zoned, zone: string | undefined): Zoned {
  return zone === undefined ? moment : moment.withTimeZone(zone)
}

/** Seconds of so many are past the year 5000; milliseconds of fewer are before 1973. */
const SECONDS_MAX = 1e11

/** Of a number, and of text that is one; eight digits are a date unless a unit is named. Null: no Unix time. */
function unixMs(given: string | number, unit: UnixUnit | undefined): number | null {
  const isNumber = typeof given === "number" || (/^\s*[+-]?\d{1,17}(\.\d+)?\s*$/.test(given) && !/^\s*\d{8}\s*$/.test(given))
  if (!isNumber && unit === undefined) return null
  const value = isNumber || /^\s*\d{8}\s*$/.test(String(given)) ? Number(given) : Number.NaN
  if (!Number.isFinite(value)) throw new RangeError("it is no number")
  const seconds = unit === "seconds" || (unit !== "milliseconds" && Math.abs(value) < SECONDS_MAX)
  return Math.round(seconds ? value * 1000 : value)
}

const MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split(" ")
const MAIL_DATE = /^(?:[a-z]{3},?\s+)?(\d{1,2})\s+([a-z]{3})\s+(\d{4})\s+(\d{2}):(\d{2})(?::(\d{2}))?\s+(gmt|utc?|z|[+-]\d{4})$/i

/** The form of mail and HTTP, e.g. `Wed, 10 Jun 2026 08:00:00 GMT`, as ISO 8601; null for any other. */
function mailDate(text: string): string | null {
  const [, day = "", name = "", year, hour, minute, second = "00", zone = ""] = MAIL_DATE.exec(text) ?? []
  const month = MONTHS.indexOf(name.toLowerCase()) + 1
  if (month === 0) return null
  const offset = /^[+-]/.test(zone) ? `${zone.slice(0, 3)}:${zone.slice(3)}` : "Z"
  return `${year}-${String(month).padStart(2, "0")}-${day.padStart(2, "0")}T${hour}:${minute}:${second}${offset}`
}

/** ISO days, from 1. A formatter would take longer than all the rest. */
const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

/** A moment as every tool gives it. */
export function momentBody(moment: Zoned): JsonObject {
  return {
    iso: moment.toString({ timeZoneName: "never" }),
    utc: moment.toInstant().toString(),
    timezone: moment.timeZoneId,
    utc_offset: moment.offset,
    unix_seconds: Math.floor(moment.epochMilliseconds / 1000),
    unix_ms: moment.epochMilliseconds,
    date: moment.toPlainDate().toString(),
    time: moment.toPlainTime().toString(),
    weekday: moment.dayOfWeek,
    weekday_name: WEEKDAYS[moment.dayOfWeek - 1] ?? "",
    is_weekend: moment.dayOfWeek > 5,
    week: moment.weekOfYear ?? 0,
    week_year: moment.yearOfWeek ?? moment.year,
    day_of_year: moment.dayOfYear,
    days_in_month: moment.daysInMonth,
    is_leap_year: moment.inLeapYear,
  }
}

function reasonOf({ pattern }: Reading): string {
  if (pattern !== undefined) return `it does not fit the pattern ${shown(pattern)}`
  return "send ISO 8601 (2026-06-10T08:00:00Z, 2026-06-10T10:00, 2026-06-10), Unix seconds or milliseconds, or name its pattern"
}

export function shown(text: string): string {
  return JSON.stringify(cut(text, 80))
}
