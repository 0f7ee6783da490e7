import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { RECORDED_EXCHANGES_MAX } from "../../../src/kernel/limits.ts"
import { createRecordingStore, type RecordingRow, type RecordingStore } from "../../../src/modules/recordings/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const row = (more: Partial<RecordingRow> = {}): Omit<RecordingRow, "seq"> => ({
  ...{ runId: "r1", tenantId: "t1", projectId: "p1", stepId: "a", item: null, round: 0, attempt: 1, kind: "tool" },
  ...{ requestHash: "h", request: { tool: "now" }, response: { ok: true, value: {} }, createdAt: 1_000 },
  ...more,
})

for (const dialect of dialects) {
  describe(`recordings on ${dialect.name}`, () => {
    let database: TemporaryDatabase
    let store: RecordingStore

    beforeEach(async () => {
      database = await dialect.open()
      store = createRecordingStore(database.db)
    })
    afterEach(() => database.close())

    test("number the exchanges of each run, however many are kept at once", async () => {
      await Promise.all([1, 2, 3].map(n => store.insert(row({ request: { n } }))))
      await store.insert(row({ runId: "r2" }))

      const { items, total } = await store.list("r1", { limit: 2, offset: 1 }, 1_000)
      expect({ seqs: items.map(i => i.seq), total }).toEqual({ seqs: [2, 3], total: 3 })
      expect(await store.get("r2", 1)).toMatchObject({ request: { tool: "now" }, response: { ok: true, value: {} } })
      expect((await store.entries("r1")).map(e => e.seq)).toEqual([1, 2, 3])
    })

    test("give fewer at a time when they are large, and one at least", async () => {
      for (const _ of [1, 2, 3]) await store.insert(row({ response: { ok: true, value: "x".repeat(600) } }))

      expect((await store.list("r1", { limit: 10, offset: 0 }, 1_000)).items).toHaveLength(1)
      expect((await store.list("r1", { limit: 10, offset: 0 }, 1_500)).items).toHaveLength(2)
    })

    test("take no more of one run than there is room for", async () => {
      await store.insert(row())
      await database.db.write(async tx => {
        await tx.update(database.db.tables.runRecordings).set({ seq: RECORDED_EXCHANGES_MAX })
      })

      expect(await store.insert(row())).toBe(false)
      expect(await store.insert(row({ runId: "r2" }))).toBe(true)
    })

    test("are deleted by run, and by age", async () => {
      for (const runId of ["r1", "r2", "r3"]) await store.insert(row({ runId, createdAt: runId === "r3" ? 5_000 : 1_000 }))

      await store.delete("r1")
      while (await store.deleteOld(2_000));

      const left = await Promise.all(["r1", "r2", "r3"].map(id => store.entries(id)))
      expect(left.map(l => l.length)).toEqual([0, 0, 1])
    })
  })
}
