/** A pattern in a time zone that comes again and again. */
export interface CronSchedule {
  /** The first moment behind that one, ms; null when there is none. Always later than what was given, whatever the clocks do. */
  next(afterMs: number): number | null
  /** How people in the zone read that moment. */
  localOf(ms: number): LocalMoment
}

export interface LocalMoment {
  /** RFC 3339 with the zone's offset, to the second: `2026-03-29T03:00:00+02:00`. */
  readonly local: string
  /** `+02:00`. */
  readonly offset: string
  /** `gap`: it stands for a time that the clocks jumped over. `repeated`: the clocks show this time twice. */
  readonly dst: "gap" | "repeated" | null
}

/** What is wrong, and with which of the two. The sentence completes "config.cron: …". */
export interface CronProblem {
  readonly field: "cron" | "timezone"
  readonly sentence: string
}

/**
 * Patterns of five fields, or six with seconds first.
 *
 * A pattern with `*` for its hours, minutes or seconds goes by elapsed time: it comes whenever the clocks of the zone show a
 * time that fits, in both of two repeated hours, and not in one that is jumped over. Any other names fixed times: one that the
 * clocks jump over comes once, at the end of the gap; one that they show twice comes the first time.
 */
export interface Cron {
  parse(cron: string, timezone: string): CronSchedule | CronProblem
}
