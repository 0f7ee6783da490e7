import { expect, test } from "bun:test"
import type { TriggerRow } from "../../src/modules/triggers/store.ts"
import { SEED } from "../engine/seed.ts"
import { openTemporarySqlite } from "../helpers/database.ts"
import { openTriggers } from "../modules/triggers/harness.ts"
import { cronTable, type TableSchedule } from "./cron-table.ts"

/** A schedule that comes more often would take minutes here; test/adapters/cron goes through all moments of those. */
const MOMENTS_MAX = 1_200
const MINUTE_MS = 60_000
const DAY_MS = 1_440 * MINUTE_MS
const GRACES = [0, 5, 60, 1_440, 10_080] as const
const POLICIES = ["fire_once_within_grace", "skip", "all"] as const
const CATCHUP_MAX = 3
const WINDOW_MINUTES = 2_880

interface Subject {
  readonly row: TriggerRow
  readonly policy: (typeof POLICIES)[number]
  readonly graceMinutes: number
  readonly moments: readonly number[]
  /** The first moment without a row. */
  next: number
  readonly expected: string[]
}

/** What the rules in docs/triggers.md say of the moments from `next` to `now`, in the plainest words. */
function expectOutcomes(subject: Subject, now: number): void {
  const { moments, policy, graceMinutes } = subject
  const overdue: number[] = []
  while (subject.next < moments.length && moments[subject.next]! <= now) overdue.push(moments[subject.next++]!)
  overdue.forEach((moment, i) => {
    const fromLast = overdue.length - i
    const late = now - moment
    const outcome =
      policy === "skip"
        ? late <= 10_000
          ? "fired"
          : "missed"
        : policy === "all"
          ? fromLast > CATCHUP_MAX || late > WINDOW_MINUTES * MINUTE_MS
            ? "missed"
            : late <= 10_000
              ? "fired"
              : "caught_up"
          : fromLast > 1
            ? late <= Math.max(10_000, graceMinutes * MINUTE_MS)
              ? "coalesced"
              : "missed"
            : late <= 10_000
              ? "fired"
              : late <= graceMinutes * MINUTE_MS
                ? "caught_up"
                : "missed"
    subject.expected.push(`${moment} ${outcome}`)
  })
}

function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

async function liveThrough(zone: string, schedules: readonly TableSchedule[], random: () => number) {
  const { db, close } = await openTemporarySqlite()
  const test = openTriggers(db)
  const pick = <T>(from: readonly T[]) => from[Math.floor(random() * from.length)]!
  const [{ from, to }] = schedules as [TableSchedule]
  const subjects: Subject[] = []
  for (const { cron, moments } of schedules) {
    const [policy, graceMinutes] = [pick(POLICIES), pick(GRACES)]
    const catchup = { catchup_policy: policy, catchup_max: CATCHUP_MAX, catchup_window_minutes: WINDOW_MINUTES }
    const row = await test.add({ cron, timezone: zone, ...catchup, grace_minutes: graceMinutes }, from - 1)
    subjects.push({ row, policy, graceMinutes, moments, next: 0, expected: [] })
  }

  let schedule = test.boot()
  let now = from
  const round = async (at: number) => {
    for (const subject of subjects) expectOutcomes(subject, at)
    while ((await schedule(at)) > 0);
  }
  while (now < to) {
    const [first] = await test.triggers.due(Number.MAX_SAFE_INTEGER, 1)
    now = Math.max(now, Math.min(first?.dueAt ?? to, to - 1)) + Math.floor(random() * 9_000)
    const fate = random()
    if (fate < 0.02) {
      now += Math.floor(random() * 30 * DAY_MS) // an outage, or a clock that was put forward
      if (fate < 0.01) schedule = test.boot()
    } else if (fate < 0.06) {
      now += Math.floor(random() * 2 * 60 * MINUTE_MS)
    } else if (fate < 0.08) {
      await round(Math.min(now, to - 1) - Math.floor(random() * 3 * DAY_MS)) // a clock that was put back
    }
    now = Math.min(now, to - 1)
    await round(now)
    if (now === to - 1) break
  }

  for (const { row, expected, moments, policy } of subjects) {
    const rows = (await test.rowsOf(row.id)).map(r => `${r.scheduledFor} ${r.outcome}`)
    expect({ zone, cron: row.config.cron, policy, rows }).toEqual({ zone, cron: row.config.cron, policy, rows: expected })
    expect(rows).toHaveLength(moments.length)
  }
  const runs = subjects.flatMap(s => s.expected).filter(line => / (fired|caught_up)$/.test(line)).length
  expect({ zone, runs: test.started.size, logged: test.logged }).toEqual({ zone, runs, logged: [] })
  await close()
  return { rows: subjects.reduce((n, s) => n + s.expected.length, 0), runs }
}

test(`each moment of three years has one row with the right outcome, through outages and changes of every clock (seed ${SEED})`, async () => {
  const table = await cronTable()
  const random = randomOf(SEED)
  let rows = 0
  for (const zone of new Set(table.map(t => t.zone))) {
    const schedules = table.filter(t => t.zone === zone && t.moments.length <= MOMENTS_MAX)
    rows += (await liveThrough(zone, schedules, random)).rows
  }
  expect(rows).toBeGreaterThan(30_000)
}, 300_000)
