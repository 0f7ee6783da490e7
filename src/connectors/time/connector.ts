import { Type } from "typebox"
import type { Clock } from "../../kernel/clock.ts"
import type { Connector } from "../connector.ts"
import { createConnector, ToolFailure, tool } from "../kit.ts"
import { addBusinessDays, addDuration, BUSINESS_DAYS_MAX, DURATION_UNITS, type DurationParts, durationOf } from "./duration.ts"
import { momentAt, momentBody, readMoment, shown, TIME_MAX_CHARS, ZONE_MAX_CHARS, type Zoned, zoneOf } from "./moment.ts"
import { formatPattern, PATTERN_HELP, PATTERN_MAX_CHARS } from "./pattern.ts"

const strict = { additionalProperties: false }
const UNIT_MAX = 1_000_000_000_000

const zone = Type.Optional(
  Type.String({
    maxLength: ZONE_MAX_CHARS,
    description: "Time zone such as Europe/Berlin, UTC or +02:00. Default: the text's own, else UTC.",
  }),
)
const time = Type.Unsafe<string | number>({
  type: ["string", "number"],
  minLength: 1,
  maxLength: TIME_MAX_CHARS,
  description: "ISO 8601, the form of mail (Wed, 10 Jun 2026 08:00:00 GMT), or Unix seconds or milliseconds.",
})
const disambiguation = Type.Optional(
  Type.Enum(["compatible", "earlier", "later", "reject"], {
    default: "compatible",
    description: "Which moment a local time means that does not exist or comes twice, because the clocks are changed.",
  }),
)
const moment = {
  iso: Type.String({ description: "ISO 8601 with the offset of the zone." }),
  utc: Type.String(),
  timezone: Type.String(),
  utc_offset: Type.String(),
  unix_seconds: Type.Integer(),
  unix_ms: Type.Integer(),
  date: Type.String(),
  time: Type.String(),
  weekday: Type.Integer({ description: "1 is Monday, 7 is Sunday." }),
  weekday_name: Type.String(),
  is_weekend: Type.Boolean(),
  week: Type.Integer({ description: "Week of ISO 8601; it belongs to week_year." }),
  week_year: Type.Integer(),
  day_of_year: Type.Integer(),
  days_in_month: Type.Integer(),
  is_leap_year: Type.Boolean(),
}
// One schema with two types, not a union of two: the check of arguments turns text into numbers along properties only.
const duration = Type.Unsafe<string | DurationParts>({
  type: ["string", "object"],
  description: 'ISO 8601 such as PT90M, P1DT2H or -P1M, or parts of one sign such as {"days": 1, "hours": 2}.',
  maxLength: TIME_MAX_CHARS,
  properties: Object.fromEntries(DURATION_UNITS.map(unit => [unit, Type.Integer({ minimum: -UNIT_MAX, maximum: UNIT_MAX })])),
  ...strict,
})

const parse = tool({
  name: "time_parse",
  description:
    "Reads a time and gives it in all its forms, in the zone that is named. A text that can be read two ways is refused.",
  input: Type.Object(
    {
      time,
      timezone: zone,
      disambiguation,
      unit: Type.Optional(Type.Enum(["auto", "seconds", "milliseconds"], { description: "Of a Unix time. auto: by its size." })),
      pattern: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: PATTERN_MAX_CHARS,
          description: `What the text looks like, e.g. dd.MM.yyyy HH:mm (${PATTERN_HELP}).`,
        }),
      ),
    },
    strict,
  ),
  output: Type.Object(moment),
  hints: "reads",
  run: async ({ time: given, ...reading }) => momentBody(readMoment(given, reading)),
})

const add = tool({
  name: "time_add",
  description: "Adds a duration or business days to a time; negative ones go back. Days and longer keep the local time of day.",
  input: Type.Object(
    {
      time,
      timezone: zone,
      disambiguation,
      duration: Type.Optional(duration),
      business_days: Type.Optional(
        Type.Integer({
          minimum: -BUSINESS_DAYS_MAX,
          maximum: BUSINESS_DAYS_MAX,
          description: "Days from Monday to Friday, in place of duration.",
        }),
      ),
      overflow: Type.Optional(
        Type.Enum(["constrain", "reject"], {
          default: "constrain",
          description: "A month after January 31: the last day of February, or refused.",
        }),
      ),
    },
    strict,
  ),
  output: Type.Object(moment),
  hints: "reads",
  async run({ time: given, duration: length, business_days, overflow, ...reading }) {
    const from = readMoment(given, reading)
    if ((length === undefined) === (business_days === undefined)) throw new ToolFailure("send either duration or business_days")
    if (business_days !== undefined) return momentBody(addBusinessDays(from, business_days))
    return momentBody(addDuration(from, durationOf(length ?? "PT0S"), overflow ?? "constrain"))
  },
})

const FORMATS: { readonly [name: string]: (moment: Zoned) => string } = {
  iso: m => m.toString({ timeZoneName: "never" }),
  zoned: m => m.toString(),
  utc: m => m.toInstant().toString(),
  date: m => m.toPlainDate().toString(),
  time: m => m.toPlainTime().toString({ smallestUnit: "second" }),
  week: m => formatPattern(m, "YYYY-'W'ww", "en"),
  unix_seconds: m => String(Math.floor(m.epochMilliseconds / 1000)),
  unix_ms: m => String(m.epochMilliseconds),
  mail: m => `${formatPattern(m, "EEE, dd MMM yyyy HH:mm:ss ", "en")}${m.offset.slice(0, 6).replace(":", "")}`,
}
const STYLES = ["short", "medium", "long", "full"] as const

const format = tool({
  name: "time_format",
  description: "Writes a time: in a named format, by a pattern, or as people of a language write it.",
  input: Type.Object(
    {
      time,
      timezone: zone,
      disambiguation,
      format: Type.Optional(Type.Enum(Object.keys(FORMATS), { description: "Default: iso. mail is the form of mail and HTTP." })),
      pattern: Type.Optional(
        Type.String({ minLength: 1, maxLength: PATTERN_MAX_CHARS, description: `In place of format: ${PATTERN_HELP}.` }),
      ),
      date_style: Type.Optional(Type.Enum([...STYLES], { description: "In place of format: as the locale writes it." })),
      time_style: Type.Optional(Type.Enum([...STYLES])),
      locale: Type.Optional(
        Type.String({ minLength: 2, maxLength: 35, default: "en", description: "Language such as de or pt-BR." }),
      ),
    },
    strict,
  ),
  output: Type.Object({ text: Type.String(), ...moment }),
  hints: "reads",
  async run({ time: given, format: name, pattern, date_style, time_style, locale = "en", timezone, disambiguation: which }) {
    const at = readMoment(given, {
      ...(timezone !== undefined && { timezone }),
      ...(which !== undefined && { disambiguation: which }),
    })
    const styled = date_style !== undefined || time_style !== undefined
    if ([name !== undefined, pattern !== undefined, styled].filter(Boolean).length > 1)
      throw new ToolFailure("send one of format, pattern, and date_style with time_style")
    const language = localeOf(locale)
    const dateStyle = date_style === undefined ? {} : { dateStyle: date_style }
    const timeStyle = time_style === undefined ? {} : { timeStyle: time_style }
    const text = styled
      ? at.toLocaleString(language, { ...dateStyle, ...timeStyle })
      : pattern !== undefined
        ? formatPattern(at, pattern, language)
        : (FORMATS[name ?? "iso"]?.(at) ?? "")
    return { text, ...momentBody(at) }
  },
})

function localeOf(name: string): string {
  try {
    const [canonical] = Intl.getCanonicalLocales(name)
    if (canonical !== undefined) return canonical
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
  throw new ToolFailure(`${shown(name)} is no language tag; send one such as en, de or pt-BR`)
}

/** Times in any zone: the calendar and its rules are Temporal's. Only `time_now` looks at a clock. */
export function createTimeConnector({ clock }: { readonly clock: Clock }): Connector {
  const now = tool({
    name: "time_now",
    description: "The time now, in the zone that is named, else in UTC.",
    input: Type.Object({ timezone: zone }, strict),
    output: Type.Object(moment),
    hints: "reads",
    run: async ({ timezone }) => momentBody(momentAt(clock.now(), zoneOf(timezone ?? "UTC"))),
  })
  return createConnector({ slug: "time", tools: [now, parse, add, format] })
}
