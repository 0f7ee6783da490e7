import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { RunEvent } from "../../src/engine/events.ts"
import type { Json, JsonObject } from "../../src/kernel/json.ts"
import { VALUE_INLINE_MAX_BYTES } from "../../src/kernel/limits.ts"
import { createRunStore } from "../../src/modules/runs/store.ts"
import type { NewRun, RunHeader, StampedEvent } from "../../src/runtime/ports.ts"
import { createJournal } from "../../src/storage/journal.ts"
import { dialects, type TemporaryDatabase } from "../helpers/database.ts"
import { newRun, START } from "../runtime/host.ts"

const BIG = "é".repeat(VALUE_INLINE_MAX_BYTES / 2)
const SMALL = "x".repeat(VALUE_INLINE_MAX_BYTES - 100)

for (const dialect of dialects) {
  describe(`big values on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    beforeEach(async () => {
      temporary = await dialect.open()
    })
    afterEach(() => temporary.close())

    const completed = (result: Json): RunEvent => ({
      type: "step_completed",
      stepId: "a",
      data: { result, duration_ms: 1, attempt: 1 },
    })
    const stamped = (events: readonly RunEvent[]): readonly StampedEvent[] =>
      events.map((event, i) => ({ seq: i + 1, at: START, event }))
    async function write(run: NewRun, events: readonly RunEvent[]) {
      const header: RunHeader = {
        ...{ status: "running" as const, pauseReason: null, completedAt: null, failureCode: null, failedStepId: null },
        ...{ error: null, wakeAt: null, ownerBootId: null },
      }
      await createJournal(temporary.db).create(run, { events: stamped(events), tasks: [], header })
    }
    const load = (run: NewRun) => createJournal(temporary.db).load(run.facts.runId, null)
    const page = (run: NewRun, maxChars = 1e9) => createRunStore(temporary.db).events(run.facts.runId, 0, 100, maxChars)
    const kept = async (run: NewRun) =>
      (await temporary.db.query({ sql: "SELECT value FROM run_values WHERE run_id = ?", params: [run.facts.runId] })).length

    test("come back as they were, member by member in the same order, from the journal and in pages", async () => {
      const values: Json[] = [BIG, { text: BIG, deep: [{ a: null }] }, [BIG, 1], SMALL, null, "", { hash: "x", beside: {} }]
      const run = newRun({ input: { text: BIG, "": 1, __proto__x: { toString: "?" } } })
      const events = values.map(completed)
      await write(run, events)
      const loaded = await load(run)
      expect(JSON.stringify([loaded?.run, loaded?.events])).toBe(JSON.stringify([run, stamped(events)]))
      const { items } = await page(run)
      expect(JSON.stringify(items.map(i => i.data))).toBe(JSON.stringify(events.map(e => e.data)))
      expect(await kept(run)).toBe(4)
    })

    test("are stored once in each run, however often they occur", async () => {
      const value: JsonObject = { text: BIG }
      const run = newRun({ input: value })
      const other = newRun({ input: value })
      await write(run, [
        completed(value),
        completed(value),
        { type: "step_started", stepId: "b", data: { attempt: 1, input: value } },
      ])
      await write(other, [completed(SMALL)])
      expect([await kept(run), await kept(other)]).toEqual([1, 1])
      const [row] = await temporary.db.query({ sql: "SELECT input FROM runs WHERE id = ?", params: [run.facts.runId] })
      expect(JSON.stringify(row?.input).length).toBeLessThan(100)
    })

    test("stay with their event when they are small, or when only many of them are large together", async () => {
      const parts = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`m${i}`, "y".repeat(4_000)]))
      const event = { type: "step_started", stepId: "a", data: { attempt: 1, ...parts } } as unknown as RunEvent
      const run = newRun()
      await write(run, [completed(SMALL), event])
      expect(await kept(run)).toBe(0)
      expect((await load(run))?.events.map(e => e.event)).toEqual([completed(SMALL), event])
    })

    test("count in the size of a page", async () => {
      const run = newRun()
      await write(run, [completed(BIG), completed(`${BIG}2`), completed(`${BIG}3`)])
      expect((await page(run, BIG.length + 500)).items.map(e => e.seq)).toEqual([1])
      expect((await page(run, 2 * BIG.length + 500)).items.map(e => e.seq)).toEqual([1, 2])
    })
  })
}
