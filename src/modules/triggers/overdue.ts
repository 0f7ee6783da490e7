import { CATCHUP_MAX } from "../../kernel/limits.ts"
import type { CatchUp, Overdue } from "./fire-plan.ts"
import type { Due, Timetable } from "./timetable.ts"

/** Moments looked at before others have their turn; some milliseconds. */
const STEPS_AT_ONCE = 1_000

/** What the policies have to know of the moments from `first` up to now: `first` is overdue itself. */
export async function overdueFrom(timetable: Timetable, first: Due, now: number, config: CatchUp): Promise<Overdue> {
  const latest = await latestFrom(timetable, first, now)
  const all = config.catchup_policy === "all"
  return { now, latest, newestFrom: all ? await newestFrom(timetable, first, now, config) : first.moment }
}

/** Looked for backwards, in spans twice as long each: after a month of outage only the last moments matter. */
async function latestFrom(timetable: Timetable, first: Due, now: number): Promise<number> {
  for (let spanMs = 1_000; now - spanMs > first.moment; spanMs *= 2) {
    const due = timetable.after(now - spanMs)
    if (due && due.dueAt <= now) return await lastFrom(timetable, due, now)
  }
  return await lastFrom(timetable, first, now)
}

async function lastFrom(timetable: Timetable, first: Due, now: number): Promise<number> {
  let last = first.moment
  await walk(timetable, first, now, moment => {
    last = moment
  })
  return last
}

async function newestFrom(timetable: Timetable, first: Due, now: number, config: CatchUp): Promise<number> {
  const windowFrom = now - config.catchup_window_minutes * 60_000 - 1
  const from = first.moment > windowFrom ? first : timetable.after(windowFrom)
  if (!from) return now
  const size = Math.min(config.catchup_max, CATCHUP_MAX)
  const newest: number[] = []
  let n = 0
  await walk(timetable, from, now, moment => {
    newest[n++ % size] = moment
  })
  return n === 0 ? now : newest[n <= size ? 0 : n % size]!
}

async function walk(timetable: Timetable, first: Due, now: number, visit: (moment: number) => void): Promise<void> {
  let due: Due | null = first
  for (let n = 1; due && due.dueAt <= now; n++) {
    visit(due.moment)
    due = timetable.after(due.moment)
    if (n % STEPS_AT_ONCE === 0) await new Promise(resolve => setImmediate(resolve))
  }
}
