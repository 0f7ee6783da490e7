import { describe, expect, test } from "bun:test"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import { createTimeConnector } from "../../../src/connectors/time/connector.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext } from "../call.ts"

const clock = { now: () => Date.UTC(2026, 5, 10, 8, 0, 0, 250) }
const connector = createTimeConnector({ clock })
const check = createArgumentCheck()

/** As a step calls it: with its arguments checked first. */
async function ask(tool: string, args: JsonObject) {
  const checked = check(connector.tools.find(t => t.name === tool)!, args)
  if (!checked.ok) return checked
  return await connector.call(tool, checked.args, callContext())
}
async function value(tool: string, args: JsonObject): Promise<JsonObject> {
  const result = await ask(tool, args)
  if (!("value" in result)) throw new Error(result.ok ? "" : result.message)
  return result.value
}
async function message(tool: string, args: JsonObject): Promise<string> {
  const result = await ask(tool, args)
  return result.ok ? `it was not refused: ${JSON.stringify(result)}` : result.message
}
const iso = async (tool: string, args: JsonObject) => (await value(tool, args)).iso
const text = async (args: JsonObject) => (await value("time_format", args)).text

describe("time_now", () => {
  test("is the clock's time, in UTC or in the zone that is named", async () => {
    expect(await value("time_now", {})).toEqual({
      iso: "2026-06-10T08:00:00.25+00:00",
      utc: "2026-06-10T08:00:00.25Z",
      timezone: "UTC",
      utc_offset: "+00:00",
      unix_seconds: 1_781_078_400,
      unix_ms: 1_781_078_400_250,
      date: "2026-06-10",
      time: "08:00:00.25",
      weekday: 3,
      weekday_name: "Wednesday",
      is_weekend: false,
      week: 24,
      week_year: 2026,
      day_of_year: 161,
      days_in_month: 30,
      is_leap_year: false,
    })
    expect(await iso("time_now", { timezone: "Asia/Kathmandu" })).toBe("2026-06-10T13:45:00.25+05:45")
    expect((await value("time_now", { timezone: "europe/BERLIN" })).timezone).toBe("Europe/Berlin")
    expect(await iso("time_now", { timezone: "-03:30" })).toBe("2026-06-10T04:30:00.25-03:30")
  })

  test("refuses what is no zone, whatever it looks like", async () => {
    const wrong = [
      "",
      " ",
      "Mars/Base",
      "../../etc/passwd",
      "Europe/Berlin\0",
      "2020-01-01T00:00[UTC]",
      "+25:00",
      "local",
      "{{zone}}",
    ]
    for (const timezone of wrong)
      expect([timezone, await message("time_now", { timezone })]).toEqual([timezone, expect.stringContaining("is no time zone")])
    expect(await message("time_now", { timezone: "x".repeat(5_000) })).toContain("time_now cannot take these arguments")
    expect(await message("time_now", { zone: "UTC" })).toContain("time_now cannot take these arguments")
  })
})

describe("time_parse", () => {
  test("reads ISO 8601 in every usual form", async () => {
    const berlin = { timezone: "Europe/Berlin" }
    const cases: readonly (readonly [JsonObject, string])[] = [
      [{ time: "2026-06-10T08:00:00Z" }, "2026-06-10T08:00:00+00:00"],
      [{ time: " 2026-06-10t08:00z " }, "2026-06-10T08:00:00+00:00"],
      [{ time: "2026-06-10T08:00:00Z", ...berlin }, "2026-06-10T10:00:00+02:00"],
      [{ time: "2026-06-10T10:00:00+02:00" }, "2026-06-10T10:00:00+02:00"],
      [{ time: "2026-06-10 10:00:00.5+02", ...berlin }, "2026-06-10T10:00:00.5+02:00"],
      [{ time: "2026-06-10T10:00", ...berlin }, "2026-06-10T10:00:00+02:00"],
      [{ time: "2026-06-10", ...berlin }, "2026-06-10T00:00:00+02:00"],
      [{ time: "20260610" }, "2026-06-10T00:00:00+00:00"],
      [{ time: "20260610T100000Z" }, "2026-06-10T10:00:00+00:00"],
      [{ time: "2026-06-10T10:00:00+02:00[Europe/Berlin]" }, "2026-06-10T10:00:00+02:00"],
      [{ time: "2026-06-10T10:00[Asia/Tokyo]", ...berlin }, "2026-06-10T03:00:00+02:00"],
      [{ time: "2024-02-29" }, "2024-02-29T00:00:00+00:00"],
      [{ time: "0001-01-01T00:00:00Z" }, "0001-01-01T00:00:00+00:00"],
    ]
    for (const [args, wanted] of cases) expect([args, await iso("time_parse", args)]).toEqual([args, wanted])
  })

  test("reads the form of mail, and Unix time as number or text by its size or its unit", async () => {
    const cases: readonly (readonly [JsonObject, string])[] = [
      [{ time: "Wed, 10 Jun 2026 08:00:00 GMT" }, "2026-06-10T08:00:00+00:00"],
      [{ time: "10 jun 2026 08:00 -0330" }, "2026-06-10T08:00:00-03:30"],
      [{ time: 1_781_078_400 }, "2026-06-10T08:00:00+00:00"],
      [{ time: "1781078400" }, "2026-06-10T08:00:00+00:00"],
      [{ time: 1_781_078_400_250 }, "2026-06-10T08:00:00.25+00:00"],
      [{ time: 1_781_078_400.25 }, "2026-06-10T08:00:00.25+00:00"],
      [{ time: -1 }, "1969-12-31T23:59:59+00:00"],
      [{ time: 0 }, "1970-01-01T00:00:00+00:00"],
      [{ time: 1000, unit: "milliseconds" }, "1970-01-01T00:00:01+00:00"],
      [{ time: "20260610", unit: "seconds" }, "1970-08-23T11:56:50+00:00"],
    ]
    for (const [args, wanted] of cases) expect([args, await iso("time_parse", args)]).toEqual([args, wanted])
  })

  test("reads by a pattern where it is told one", async () => {
    const read = (time: string, pattern: string) => iso("time_parse", { time, pattern, timezone: "Europe/Berlin" })
    expect(await read("10.06.2026 08:05", "dd.MM.yyyy HH:mm")).toBe("2026-06-10T08:05:00+02:00")
    expect(await read("6/1/2026 12:30 am", "M/d/yyyy h:mm a")).toBe("2026-06-01T00:30:00+02:00")
    expect(await read("2026-06-10 at 08h +05:00", "yyyy-MM-dd 'at' HH'h' XXX")).toBe("2026-06-10T05:00:00+02:00")
    expect(await message("time_parse", { time: "31.02.2026", pattern: "dd.MM.yyyy" })).toContain("does not fit the pattern")
    expect(await message("time_parse", { time: "10.06.2026", pattern: "(.*)+$" })).toContain("does not fit the pattern")
    expect(await message("time_parse", { time: "10.06.", pattern: "dd.MM." })).toContain("needs a year")
    expect(await message("time_parse", { time: "June 2026", pattern: "MMMM yyyy" })).toContain("only be written")
    expect(await message("time_parse", { time: "1", pattern: "QQ" })).toContain('"QQ" means nothing in a pattern')
  })

  test("refuses what can be read two ways, or does not exist", async () => {
    const wrong = [
      "01/02/2026",
      "10.06.2026",
      "tomorrow",
      "2026-02-30",
      "2026-13-01",
      "2026-06-10T25:00",
      "2026-06-10T10:00+02:00[Asia/Tokyo]",
      "Wed, 31 Feb 2026 08:00:00 GMT",
      "999999-01-01",
      "NaN",
      "1e3000",
      "2026-06-10T10:00[u-ca=hebrew]",
      "\0",
      "'; DROP TABLE",
      "{{input.when}}",
    ]
    for (const time of wrong)
      expect([time, await message("time_parse", { time })]).toEqual([
        time,
        expect.stringContaining("cannot be read: send ISO 8601"),
      ])
    for (const time of [1e300, -1e18, 8.7e15])
      expect([time, await message("time_parse", { time })]).toEqual([time, expect.stringContaining("cannot be read")])
    for (const time of ["", "x".repeat(10_000), null, [], {}])
      expect(await message("time_parse", { time })).toContain("time_parse cannot take these arguments")
  })

  test("a local time that the clocks skip or repeat is what disambiguation says", async () => {
    const at = (time: string, disambiguation: string) => iso("time_parse", { time, disambiguation, timezone: "Europe/Berlin" })
    expect(await at("2026-03-29T02:30", "compatible")).toBe("2026-03-29T03:30:00+02:00")
    expect(await at("2026-03-29T02:30", "earlier")).toBe("2026-03-29T01:30:00+01:00")
    expect(await at("2026-03-29T02:30", "later")).toBe("2026-03-29T03:30:00+02:00")
    expect(await at("2026-10-25T02:30", "compatible")).toBe("2026-10-25T02:30:00+02:00")
    expect(await at("2026-10-25T02:30", "later")).toBe("2026-10-25T02:30:00+01:00")
    for (const time of ["2026-03-29T02:30", "2026-10-25T02:30"]) {
      const args = { time, disambiguation: "reject", timezone: "Europe/Berlin" }
      expect(await message("time_parse", args)).toContain("does not exist or comes twice")
    }
    expect(await at("2026-06-10T02:30", "reject")).toBe("2026-06-10T02:30:00+02:00")
  })
})

describe("time_add", () => {
  const add = (time: string, more: JsonObject) => iso("time_add", { time, timezone: "Europe/Berlin", ...more })

  test("adds ISO durations and parts; days keep the local time, hours are hours", async () => {
    expect(await add("2026-03-28T12:00", { duration: "P1D" })).toBe("2026-03-29T12:00:00+02:00")
    expect(await add("2026-03-28T12:00", { duration: "PT24H" })).toBe("2026-03-29T13:00:00+02:00")
    expect(await add("2026-03-28T12:00", { duration: { days: 1, hours: 2 } })).toBe("2026-03-29T14:00:00+02:00")
    expect(await add("2026-03-31T12:00", { duration: "-P1M" })).toBe("2026-02-28T12:00:00+01:00")
    expect(await add("2024-02-29", { duration: { years: 1 } })).toBe("2025-02-28T00:00:00+01:00")
    expect(await add("2026-01-31", { duration: { minutes: "-90" } })).toBe("2026-01-30T22:30:00+01:00")
  })

  test("adds business days over weekends, from weekends, and back", async () => {
    const days = async (time: string, business_days: number) => String(await add(time, { business_days })).slice(0, 10)
    expect(await days("2026-06-12T09:00", 1)).toBe("2026-06-15") // Friday
    expect(await days("2026-06-13T09:00", 1)).toBe("2026-06-15") // Saturday
    expect(await days("2026-06-14T09:00", 5)).toBe("2026-06-19") // Sunday
    expect(await days("2026-06-14T09:00", -1)).toBe("2026-06-12")
    expect(await days("2026-06-15T09:00", -1)).toBe("2026-06-12")
    expect(await days("2026-06-10T09:00", 10)).toBe("2026-06-24")
    expect(await days("2026-06-10T09:00", -12)).toBe("2026-05-25")
    expect(await days("2026-06-13T09:00", 0)).toBe("2026-06-13")
    let one = Temporal.PlainDate.from("2026-06-13")
    for (let n = 1; n <= 40; n++) {
      do one = one.add({ days: 1 })
      while (one.dayOfWeek > 5)
      expect([n, await days("2026-06-13T09:00", n)]).toEqual([n, one.toString()])
    }
  })

  test("refuses what is no duration, and what leads out of the calendar", async () => {
    for (const duration of ["1 day", "P", "P1.5D", "PT", "P1D-PT1H", { days: 1, hours: -1 }, "\0\0"])
      expect([duration, await message("time_add", { time: "2026-06-10", duration })]).toEqual([
        duration,
        expect.stringContaining("is no duration"),
      ])
    expect(await message("time_add", { time: "2026-06-10", duration: "P999999Y" })).toContain("out of range")
    expect(await message("time_add", { time: "+275700-01-01", business_days: 100_000 })).toContain("out of range")
    for (const [time, business_days] of [
      ["+275760-09-12", 3],
      ["-271821-04-21", -4],
    ] as const)
      expect([time, await message("time_add", { time, business_days })]).toEqual([time, expect.stringContaining("out of range")])
    expect(await message("time_add", { time: "2026-01-31", duration: "P1M", overflow: "reject" })).toContain("does not exist")
    expect(await message("time_add", { time: "2026-06-10" })).toBe("send either duration or business_days")
    expect(await message("time_add", { time: "2026-06-10", duration: "P1D", business_days: 1 })).toContain("either")
    for (const more of [{ duration: { day: 1 } }, { duration: { days: 1.5 } }, { business_days: 1e9 }])
      expect(await message("time_add", { time: "2026-06-10", ...more })).toContain("cannot take these arguments")
  })
})

describe("time_format", () => {
  const time = "2026-06-05T15:04:09.070Z"

  test("writes the named formats", async () => {
    const named = (format: string) => text({ time, timezone: "Europe/Berlin", format })
    expect(await text({ time })).toBe("2026-06-05T15:04:09.07+00:00")
    expect(await named("zoned")).toBe("2026-06-05T17:04:09.07+02:00[Europe/Berlin]")
    expect(await named("utc")).toBe("2026-06-05T15:04:09.07Z")
    expect(await named("date")).toBe("2026-06-05")
    expect(await named("time")).toBe("17:04:09")
    expect(await named("week")).toBe("2026-W23")
    expect(await named("unix_seconds")).toBe("1780671849")
    expect(await named("unix_ms")).toBe("1780671849070")
    expect(await named("mail")).toBe("Fri, 05 Jun 2026 17:04:09 +0200")
    expect(await text({ time: "2027-01-01", format: "week" })).toBe("2026-W53")
  })

  test("writes by a pattern, with names in the language that is asked for", async () => {
    const by = (pattern: string, locale = "en") => text({ time, timezone: "Europe/Berlin", pattern, locale })
    expect(await by("yyyy-MM-dd'T'HH:mm:ss.SSSXXX")).toBe("2026-06-05T17:04:09.070+02:00")
    expect(await by("d/M/yyyy h:mm a")).toBe("5/6/2026 5:04 PM")
    expect(await by("EEEE, d. MMMM yyyy", "de")).toBe("Freitag, 5. Juni 2026")
    expect(await by("'o''clock' H")).toBe("o'clock 17")
    expect(await by("'' VV DDD w")).toBe("' Europe/Berlin 156 23")
    expect(await message("time_format", { time, pattern: "constructor" })).toContain("means nothing")
  })

  test("writes as people of a language do", async () => {
    expect(await text({ time, date_style: "long", locale: "de" })).toBe("5. Juni 2026")
    expect(await text({ time, date_style: "short", time_style: "short", locale: "en-GB", timezone: "Europe/London" })).toContain(
      "16:04",
    )
    for (const locale of ["xx_YY_zz", "--", "e"])
      expect((await ask("time_format", { time, date_style: "long", locale })).ok).toBe(false)
    expect(await message("time_format", { time, format: "iso", pattern: "yyyy" })).toContain("send one of")
    expect(await message("time_format", { time, format: "constructor" })).toContain("cannot take these arguments")
  })
})
