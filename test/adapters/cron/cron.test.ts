import { describe, expect, test } from "bun:test"
import type { CronSchedule } from "../../../src/adapters/cron/cron.ts"
import { createCron } from "../../../src/adapters/cron/croner.ts"
import { cronTable } from "../../sim/cron-table.ts"

const cron = createCron()

function parse(pattern: string, zone = "UTC"): CronSchedule {
  const parsed = cron.parse(pattern, zone)
  if ("sentence" in parsed) throw new Error(parsed.sentence)
  return parsed
}

function refusal(pattern: string, zone = "UTC") {
  const parsed = cron.parse(pattern, zone)
  return "sentence" in parsed ? parsed : null
}

function momentsBetween(schedule: CronSchedule, from: number, to: number): number[] {
  const moments: number[] = []
  for (let at = schedule.next(from - 1); at !== null && at < to; at = schedule.next(at)) moments.push(at)
  return moments
}

const localTimes = (pattern: string, zone: string, from: string, to: string) => {
  const schedule = parse(pattern, zone)
  return momentsBetween(schedule, Date.parse(from), Date.parse(to)).map(at => schedule.localOf(at).local)
}

describe("a schedule compared with every minute of three years", () => {
  test("comes exactly at the moments of the table, in every zone and through every change of the clocks", async () => {
    for (const { cron: pattern, zone, moments, from, to } of await cronTable()) {
      const found = momentsBetween(parse(pattern, zone), from, to)

      const i = moments.findIndex((at, n) => at !== found[n])
      const first = i < 0 ? null : [moments[i]!, found[i]].map(at => (at === undefined ? null : new Date(at).toISOString()))
      expect({ pattern, zone, first, count: found.length }).toEqual({ pattern, zone, first: null, count: moments.length })
    }
  }, 60_000)

  test("asked from anywhere for the next moment, finds the one of the table", async () => {
    for (const { cron: pattern, zone, moments, changes } of await cronTable()) {
      for (const change of changes) {
        for (const minutes of [-1500, -130, -61, -60, -31, -1, 0, 1, 29, 30, 31, 60, 90, 1439, 4320]) {
          const after = change + minutes * 60_000 + 500
          const expected = moments.find(at => at > after)
          if (expected !== undefined)
            expect({ pattern, zone, after, next: parse(pattern, zone).next(after) }).toEqual({
              pattern,
              zone,
              after,
              next: expected,
            })
        }
      }
    }
  }, 60_000)
})

describe("when the clocks are put forward", () => {
  test("a fixed time in the gap comes once, at its end", () => {
    const found = localTimes("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z")
    expect(found).toEqual(["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"])
  })

  test("several fixed times in the gap, and one at its end, are one", () => {
    const found = localTimes("0,20,40 2,3 * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T12:00:00Z")
    expect(found).toEqual(["2026-03-29T03:00:00+02:00", "2026-03-29T03:20:00+02:00", "2026-03-29T03:40:00+02:00"])
  })

  test("what goes by elapsed time comes every quarter of an hour, and nothing twice", () => {
    const found = momentsBetween(parse("*/15 * * * *", "Europe/Berlin"), Date.UTC(2026, 2, 28, 22), Date.UTC(2026, 2, 29, 4))
    expect(found.map((at, i) => at - found[0]! - i * 900_000).every(d => d === 0)).toBe(true)
    expect(found).toHaveLength(24)
  })

  test("a fixed time of a day that a zone left out comes when the next one begins", () => {
    const found = localTimes("0 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00Z", "2011-12-31T12:00:00Z")
    expect(found).toEqual(["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"])
  })
})

describe("when the clocks are put back", () => {
  test("a fixed time comes the first time it is shown", () => {
    const found = localTimes("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-26T00:00:00Z")
    expect(found).toEqual(["2026-10-25T02:30:00+02:00"])
  })

  test("what goes by elapsed time comes in both of the two hours, once each", () => {
    const hourly = ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00", "2026-10-25T03:00:00+01:00"]
    expect(localTimes("0 * * * *", "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T02:30:00Z")).toEqual(hourly)
  })

  test("every second is every second", () => {
    const schedule = parse("* * * * * *", "Australia/Lord_Howe")
    const change = Date.UTC(2025, 3, 5, 15)
    const found = momentsBetween(schedule, change - 3_600_000, change + 3_600_000)
    expect(found).toEqual(Array.from({ length: 7200 }, (_, i) => change - 3_600_000 + i * 1000))
  })

  test("what the clocks show twice is marked, both times", () => {
    const schedule = parse("0 * * * *", "Europe/Berlin")
    const marks = momentsBetween(schedule, Date.UTC(2026, 9, 24, 23), Date.UTC(2026, 9, 25, 3)).map(
      at => schedule.localOf(at).dst,
    )
    expect(marks).toEqual([null, "repeated", "repeated", null])
    expect(parse("30 2 * * *", "Europe/Berlin").localOf(Date.UTC(2026, 2, 29, 1)).dst).toBe("gap")
    expect(parse("0 3 * * *", "Europe/Berlin").localOf(Date.UTC(2026, 2, 29, 1)).dst).toBeNull()
  })
})

describe("a pattern", () => {
  test.each([
    ["0 9 * JAN MON", "2026-01-05T09:00:00.000Z"],
    ["0 0 L * *", "2026-01-31T00:00:00.000Z"],
    ["0 0 * * 5#3", "2026-01-16T00:00:00.000Z"],
    ["@Daily", "2026-01-02T00:00:00.000Z"],
    ["  0   9 * * 7 ", "2026-01-04T09:00:00.000Z"],
    ["30 0 9 * * *", "2026-01-01T09:00:30.000Z"],
    ["0 0 29 2 *", "2028-02-29T00:00:00.000Z"],
  ])("%s is understood", (pattern, first) => {
    expect(new Date(parse(pattern).next(Date.UTC(2026, 0, 1)) ?? 0).toISOString()).toBe(first)
  })

  test.each([
    "",
    " ",
    "* * *",
    "* * * *",
    "* * * * * * *",
    "* * * * * * * *",
    "61 * * * *",
    "0 24 * * *",
    "0 0 0 * *",
    "0 0 30 2 *",
    "0 0 31 4,6,9,11 *",
    "@reboot",
    "@never",
    "2026-01-01T00:00:00",
    "*/0 * * * *",
    "5-1 * * * *",
    "-5 * * * *",
    "1.5 * * * *",
    "__proto__ * * * *",
    `${"1,".repeat(200)}1 * * * *`,
  ])("%j is refused", pattern => {
    expect(refusal(pattern)).toEqual({ field: "cron", sentence: expect.any(String) })
    expect(refusal(pattern)?.sentence.length).toBeLessThan(250)
  })

  test.each(["Mars/Base", "", "+02:00", "UTC+1", "x".repeat(200), "../etc/passwd", "constructor"])(
    "is refused in the zone %j",
    zone => {
      expect(refusal("0 9 * * *", zone)).toEqual({ field: "timezone", sentence: expect.any(String) })
    },
  )
})

test("a round of the scheduler is not held up by the search for the next moment", () => {
  const schedule = parse("*/15 * * * *", "Europe/Berlin")
  let at = Date.UTC(2026, 0, 1)
  const from = performance.now()
  for (let i = 0; i < 20_000; i++) at = schedule.next(at) ?? 0
  expect((performance.now() - from) / 20_000).toBeLessThan(0.1)
})
