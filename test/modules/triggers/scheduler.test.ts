import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { AppError } from "../../../src/kernel/errors.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { openTriggers, type TriggerHarness } from "./harness.ts"

const DAY = Date.UTC(2026, 5, 10)
const at = (h: number, m = 0, s = 0) => DAY + ((h * 60 + m) * 60 + s) * 1_000

for (const dialect of dialects) {
  describe(`the scheduler on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let harness: TriggerHarness
    let round: (now: number) => Promise<number>
    beforeEach(async () => {
      temporary = await dialect.open()
      harness = openTriggers(temporary.db)
      round = harness.boot()
    })
    afterEach(() => temporary.close())

    const hourly = (more: object = {}, now = at(7, 30)) => harness.add({ cron: "0 * * * *", ...more }, now)
    const runOf = async (id: string, n: number) => (await harness.rowsOf(id))[n]?.runId ?? ""

    test("fires a moment when it has come, once, and knows the next", async () => {
      const row = await hourly({ body: { a: 1, b: 1 }, trigger_payload: { b: 2 } })
      expect(await round(at(7, 59, 59))).toBe(0)
      expect(await round(at(8))).toBe(1)
      expect(await round(at(8))).toBe(0)
      expect(await harness.told(row.id)).toEqual(["08:00:00 fired"])
      expect(await harness.row(row.id)).toMatchObject({ nextRunAt: at(9), dueAt: at(9), lastFiredAt: at(8), fireCount: 1 })
      const [started] = [...harness.started.values()]
      expect(started?.params).toMatchObject({ trigger_type: "cron", trigger_payload: { a: 1, b: 2 } })
      expect(started?.starter).toMatchObject({ userId: "owner", scopes: null })
    })

    test("leaves out what came while an earlier run is under way, and says which run that was", async () => {
      const row = await hourly({ overlap: "skip" })
      await round(at(8))
      await round(at(9))
      await harness.end(await runOf(row.id, 0))
      await round(at(10))
      expect(await harness.told(row.id)).toEqual(["08:00:00 fired", "09:00:00 skipped", "10:00:00 fired"])
      const [first, second] = await harness.rowsOf(row.id)
      expect(second?.reason).toContain(String(first?.runId))
    })

    test("keeps one waiting, whose run starts once when the one before has ended and stands for all that came meanwhile", async () => {
      const row = await hourly({ overlap: "queue_one" })
      for (const hour of [8, 9, 10, 11]) await round(at(hour))
      expect(await harness.told(row.id)).toEqual([
        "08:00:00 fired",
        "09:00:00 queued",
        "10:00:00 coalesced",
        "11:00:00 coalesced",
      ])
      const waiting = await runOf(row.id, 1)
      expect([await runOf(row.id, 2), await runOf(row.id, 3)]).toEqual([waiting, waiting])
      expect(harness.started.has(waiting)).toBe(false)

      await harness.end(await runOf(row.id, 0))
      // Two schedulers at once, as after a pause of the process: one run all the same.
      await Promise.all([round(at(11, 5)), harness.boot()(at(11, 5))])

      expect(harness.started.has(waiting)).toBe(true)
      expect(harness.started.size).toBe(2)
      expect((await harness.told(row.id))[1]).toBe("09:00:00 fired")
      expect((await harness.row(row.id)).fireCount).toBe(2)
    })

    test("drops what waits when the trigger was switched off meanwhile", async () => {
      const row = await hourly({ overlap: "queue_one" })
      await round(at(8))
      await round(at(9))
      await harness.triggers.change(row, row.id, () => ({ enabled: false, nextRunAt: null, dueAt: null }))
      await harness.end(await runOf(row.id, 0))
      await round(at(9, 30))
      expect(await harness.told(row.id)).toEqual(["08:00:00 fired", "09:00:00 missed"])
      expect(harness.started.size).toBe(1)
    })

    test("stops what is under way for the next, where that is asked for", async () => {
      const row = await hourly({ overlap: "cancel_other" })
      await round(at(8))
      const first = await runOf(row.id, 0)
      await round(at(9))
      expect(harness.stopped).toEqual([first])
      expect(await harness.told(row.id)).toEqual(["08:00:00 fired", "09:00:00 fired"])
    })

    test("spreads the starts of a schedule with jitter, always the same way and never beyond the next moment", async () => {
      const rows = await Promise.all(Array.from({ length: 20 }, () => hourly({ jitter_s: 3600 })))
      const offsets = rows.map(row => (row.dueAt ?? 0) - at(8))
      expect(offsets.every(ms => ms >= 0 && ms < 3_600_000)).toBe(true)
      expect(new Set(offsets).size).toBeGreaterThan(15)
      const [row] = rows as [(typeof rows)[0]]
      await round((row.dueAt ?? 0) - 1)
      expect(await harness.told(row.id)).toEqual([])
      await round(row.dueAt ?? 0)
      expect(await harness.told(row.id)).toEqual(["08:00:00 fired"])
      expect(harness.timetables.of(row).of(at(8)).dueAt).toBe(row.dueAt ?? 0)
    })

    test("ends a schedule after so many runs, or behind its end, and says so", async () => {
      const counted = await hourly({ max_fires: 2 })
      const dated = await hourly({ end_at: "2026-06-10T09:30:00Z" })
      for (const hour of [8, 9, 10, 11]) await round(at(hour))
      for (const row of [counted, dated]) {
        expect(await harness.told(row.id)).toEqual(["08:00:00 fired", "09:00:00 fired"])
        expect(await harness.row(row.id)).toMatchObject({ enabled: false, nextRunAt: null, dueAt: null })
      }
      expect((await harness.row(counted.id)).note).toContain("max_fires")
      expect((await harness.row(dated.id)).note).toContain("end")
    })

    test("misses what is refused, and says why; an archived workflow ends the schedule", async () => {
      const row = await hourly()
      harness.world.refusal = new AppError("invalid", "the workflow has no published version", { code: "WORKFLOW_NOT_PUBLISHED" })
      await round(at(8))
      harness.world.mayStart = false
      await round(at(9))
      harness.world.mayStart = true
      harness.world.refusal = new AppError("conflict", "the workflow is archived", { code: "WORKFLOW_ARCHIVED" })
      await round(at(10))
      const reasons = (await harness.rowsOf(row.id)).map(r => r.reason)
      expect(await harness.told(row.id)).toEqual(["08:00:00 missed", "09:00:00 missed", "10:00:00 missed"])
      expect(reasons[0]).toBe("WORKFLOW_NOT_PUBLISHED: the workflow has no published version")
      expect(reasons[1]).toContain("project_contributor")
      expect(await harness.row(row.id)).toMatchObject({ enabled: false, nextRunAt: null })
      expect(await round(at(11))).toBe(0)
    })

    test("tries again what could not start for a while; when that took too long it is caught up", async () => {
      const row = await hourly()
      harness.world.refusal = new AppError("unavailable", "too many runs are under way")
      await round(at(8))
      expect(await harness.told(row.id)).toEqual([])
      expect((await harness.row(row.id)).nextRunAt).toBe(at(8))
      harness.world.refusal = null
      expect(await round(at(8, 0, 4))).toBe(0) // held back
      await round(at(8, 0, 30))
      expect(await harness.told(row.id)).toEqual(["08:00:00 caught_up"])
    })

    test("fires nothing once a pause, a change or a deletion was answered, however late that comes", async () => {
      const [paused, changed, deleted] = [await hourly(), await hourly(), await hourly()]
      let once = async () => {
        once = async () => {}
        await harness.triggers.change(paused, paused.id, () => ({ enabled: false, nextRunAt: null, dueAt: null }))
        await harness.triggers.change(changed, changed.id, () => ({ nextRunAt: at(20), dueAt: at(20) }))
        await harness.triggers.delete(deleted, deleted.id)
      }
      // Between the look at the row and the commit of the run.
      harness.world.before = () => once()
      await round(at(8))
      expect(harness.started.size).toBe(0)
      for (const row of [paused, changed, deleted]) expect(await harness.told(row.id)).toEqual([])
      expect((await harness.row(changed.id)).nextRunAt).toBe(at(20))
    })

    test("never fires a moment twice when the clock is put back, also when it was switched off and on meanwhile", async () => {
      const row = await hourly()
      await round(at(8))
      await round(at(9))
      await round(at(7, 45))
      // Switched on again by a clock that is behind: its next moment has a row already.
      await harness.triggers.change(row, row.id, () => ({ nextRunAt: at(8), dueAt: at(8) }))
      for (const hour of [8, 9, 10]) await round(at(hour, 0, 1))
      expect(await harness.told(row.id)).toEqual(["08:00:00 fired", "09:00:00 fired", "10:00:00 fired"])
      expect(harness.started.size).toBe(3)
    })

    test("goes on exactly where a boot was killed, at any commit", async () => {
      const config = { cron: "* * * * *", catchup_policy: "all", catchup_max: 5, catchup_window_minutes: 30 }
      const whole = await harness.add(config, at(8))
      await round(at(9))
      const expected = await harness.told(whole.id)
      expect(expected).toHaveLength(60)
      for (const dieAt of [0, 1, 2, 3, 4]) {
        const row = await harness.add(config, at(8))
        let commits = 0
        const dying: TriggerHarness["world"]["before"] = async () => {
          if (commits++ === dieAt) throw new Error("killed")
        }
        harness.world.before = dying
        await harness.boot()(at(9))
        harness.world.before = async () => {}
        await harness.boot()(at(9))
        expect(await harness.told(row.id)).toEqual(expected)
      }
    })

    test("does thousands of schedules in one round", async () => {
      const rows = await Promise.all(Array.from({ length: 1_200 }, () => hourly()))
      expect(await round(at(8))).toBe(1_200)
      expect(harness.started.size).toBe(rows.length)
    })
  })
}
