import { ToolFailure } from "../kit.ts"
import { shown, type Zoned } from "./moment.ts"

export const DURATION_UNITS = ["years", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds"] as const
export type DurationParts = { readonly [unit in (typeof DURATION_UNITS)[number]]?: number }

export const BUSINESS_DAYS_MAX = 100_000

/** ISO 8601 (`P1DT2H`, `-P1M`), or parts. Throws `ToolFailure`. */
export function durationOf(given: string | DurationParts): Temporal.Duration {
  try {
    return Temporal.Duration.from(typeof given === "string" ? given.trim() : { ...given })
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof TypeError)) throw error
    const what = shown(typeof given === "string" ? given : JSON.stringify(given))
    throw new ToolFailure(`${what} is no duration; send ISO 8601 such as PT90M, P1DT2H or -P1M, or parts such as {"days": 1}`)
  }
}

/** The calendar's units move the local time, the clock's units the moment: a day may have 23 hours, an hour is an hour. */
export function addDuration(moment: Zoned, duration: Temporal.Duration, overflow: "constrain" | "reject"): Zoned {
  try {
    return moment.add(duration, { overflow })
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    const why = overflow === "reject" ? "the day does not exist in that month, or the result" : "the result"
    throw new ToolFailure(`the duration cannot be added: ${why} is out of range`)
  }
}

/** Saturdays and Sundays do not count; the local time of day stays. From a weekend the first day forward is Monday. */
export function addBusinessDays(moment: Zoned, days: number): Zoned {
  if (days === 0) return moment
  const step = Math.sign(days)
  let at = moment
  // From a weekend on, whole weeks are counted from the working day before it.
  while (at.dayOfWeek > 5) at = addDays(at, -step)
  const rest = Math.abs(days) % 5
  at = addDuration(at, Temporal.Duration.from({ weeks: Math.trunc(days / 5) }), "constrain")
  for (let left = rest; left > 0; ) {
    at = addDays(at, step)
    if (at.dayOfWeek <= 5) left--
  }
  return at
}

function addDays(moment: Zoned, days: number): Zoned {
  return addDuration(moment, Temporal.Duration.from({ days }), "constrain")
}
