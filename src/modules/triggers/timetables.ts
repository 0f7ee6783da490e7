import type { Cron, CronSchedule } from "../../adapters/cron/cron.ts"
import { type CronConfig, cronConfigOf } from "./config.ts"
import type { TriggerRow } from "./store.ts"
import { Timetable } from "./timetable.ts"

/** Parsed patterns kept; parsing takes some ten times as long as the next moment. */
const KEPT_MAX = 10_000

/** Timetables of triggers, whose patterns were checked when they were saved. */
export class Timetables {
  readonly #kept = new Map<string, CronSchedule>()

  constructor(private readonly cron: Cron) {}

  of(row: Pick<TriggerRow, "id" | "config">): Timetable {
    return this.ofConfig(row.id, cronConfigOf(row))
  }

  ofConfig(triggerId: string, { cron, timezone, jitter_s, end_at }: CronConfig): Timetable {
    const endAt = end_at === null ? null : Date.parse(end_at)
    return new Timetable(this.#schedule(cron, timezone), triggerId, jitter_s * 1000, endAt)
  }

  #schedule(cron: string, timezone: string): CronSchedule {
    const key = `${timezone}\n${cron}`
    const known = this.#kept.get(key)
    if (known) return known
    const parsed = this.cron.parse(cron, timezone)
    // A newer version of this program may know other patterns or zones than the one that saved it.
    if ("sentence" in parsed)
      throw new Error(`the schedule ${cron} in ${timezone} is not understood any more: ${parsed.sentence}`)
    const oldest = this.#kept.size >= KEPT_MAX ? this.#kept.keys().next().value : undefined
    if (oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(key, parsed)
    return parsed
  }
}
