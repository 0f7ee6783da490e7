import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { AlertService } from "../../../src/modules/alerts/service.ts"
import { createAlertStore } from "../../../src/modules/alerts/store.ts"
import { uuidOf } from "../../../src/modules/runs/derived-id.ts"
import { createEventStore } from "../../../src/modules/triggers/event-store.ts"
import { createEventDispatch, createPlatformEvents } from "../../../src/modules/triggers/platform-events.ts"
import { createReconciler } from "../../../src/modules/triggers/reconciler.ts"
import { createFireSweep, type TriggerRow } from "../../../src/modules/triggers/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { openTriggers, PLACE, type TriggerHarness } from "./harness.ts"

const NOW = Date.UTC(2026, 5, 10, 8)
const HOUR = 3_600_000

for (const dialect of dialects) {
  describe(`on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let harness: TriggerHarness
    beforeEach(async () => {
      temporary = await dialect.open()
      harness = openTriggers(temporary.db)
    })
    afterEach(() => temporary.close())

    const ids = { uuid: () => Bun.randomUUIDv7(), secret: () => "" }
    const waiting = (config: JsonObject, more: Partial<TriggerRow> = {}) => harness.addEventTrigger(config, NOW, more)

    test("a platform event starts each trigger that waits for it once, whoever dies in between", async () => {
      const { db } = temporary
      const store = createEventStore(db)
      const events = createPlatformEvents({ store, clock: { now: () => NOW + 1 }, ids })
      const created = { event_type: "connection.created" }
      const [all, google] = [await waiting(created), await waiting({ ...created, provider_filter: "google_account" })]
      const other = await waiting({ event_type: "connection.revoked" })
      const off = await waiting(created, { enabled: false })
      const event = { tenantId: PLACE.tenantId, projectId: PLACE.projectId, type: "connection.created" } as const
      await db.write(tx => events.publish({ ...event, data: { connection_id: "c1", provider: "whatsapp" } }, tx))
      await expect(
        db.write(async tx => {
          await events.publish({ ...event, data: { connection_id: "never", provider: "whatsapp" } }, tx)
          throw new Error("rolled back")
        }),
      ).rejects.toThrow("rolled back")

      // Twice at once, and once more with an event that was not deleted after its run had started.
      const deps = { ...harness.deps, triggers: harness.triggers, events: store, uuidOf }
      await Promise.all([createEventDispatch(deps)(NOW + 2), createEventDispatch(deps)(NOW + 2)])
      const kept = { ...deps, events: { ...store, delete: async () => {} } }
      await db.write(tx => events.publish({ ...event, data: { connection_id: "c2", provider: "google_account" } }, tx))
      await createEventDispatch(kept)(NOW + 3)
      await createEventDispatch(deps)(NOW + 4)

      const firesOf = async (id: string) => (await harness.rowsOf(id)).map(f => `${f.source} ${f.outcome}`)
      expect(await firesOf(all.id)).toEqual(["event fired", "event fired"])
      expect(await firesOf(google.id)).toEqual(["event fired"])
      for (const row of [other, off]) expect(await firesOf(row.id)).toEqual([])
      expect(harness.started.size).toBe(3)
      const payloads = [...harness.started.values()].map(s => s.params.trigger_payload)
      expect(payloads).toContainEqual({ connection_id: "c1", provider: "whatsapp", event_type: "connection.created" })
      expect(await store.oldest(10)).toEqual([])
    })

    test("a schedule that is far behind raises one alert, which is cleared when it moves again", async () => {
      const alerts = new AlertService({ store: createAlertStore(temporary.db), ids })
      const row = await harness.add({ cron: "* * * * *" }, NOW)
      let late = -1
      const reconcile = createReconciler({
        ...{ triggers: harness.triggers, timetables: harness.timetables, alerts, log: harness.deps.log },
        setLate: n => {
          late = n
        },
      })
      expect(await reconcile(NOW + 2 * 60_000)).toBe(0)
      expect(await reconcile(NOW + 5 * 60_000)).toBe(1)
      expect(await reconcile(NOW + 6 * 60_000)).toBe(1)
      expect([late, await alerts.standing("trigger_late")]).toEqual([1, [row.id]])
      expect(harness.logged).toHaveLength(1)

      await harness.boot()(NOW + 6 * 60_000)
      expect(await reconcile(NOW + 6 * 60_000)).toBe(0)
      expect([late, await alerts.standing("trigger_late")]).toEqual([0, []])
    })

    test("a schedule that lost its moment gets one again, and somebody is told", async () => {
      const alerts = new AlertService({ store: createAlertStore(temporary.db), ids })
      const row = await harness.add({ cron: "0 * * * *" }, NOW)
      await harness.triggers.change(row, row.id, () => ({ nextRunAt: null, dueAt: null }))
      const { triggers, timetables, deps } = harness
      await createReconciler({ triggers, timetables, alerts, setLate: () => {}, log: deps.log })(NOW)
      expect(await harness.row(row.id)).toMatchObject({ nextRunAt: NOW + HOUR, dueAt: NOW + HOUR })
      expect(await alerts.standing("trigger_unscheduled")).toEqual([row.id])
    })

    test("old fires are deleted in slices, what waits is not", async () => {
      const row = await harness.add({ cron: "0 * * * *", overlap: "queue_one" }, NOW)
      for (const hour of [1, 2, 3]) await harness.boot()(NOW + hour * HOUR)
      const sweep = createFireSweep(temporary.db)
      expect(await harness.told(row.id)).toEqual(["09:00:00 fired", "10:00:00 queued", "11:00:00 coalesced"])
      expect(await sweep(NOW + 10 * HOUR, 1)).toBe(1)
      while ((await sweep(NOW + 10 * HOUR, 10)) > 0);
      expect((await harness.told(row.id)).filter(line => line.endsWith("queued"))).toEqual(["10:00:00 queued"])
    })
  })
}
