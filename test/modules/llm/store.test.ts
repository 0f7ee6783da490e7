import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createLlmKeyStore, type LlmKeyRow, type LlmKeyStore } from "../../../src/modules/llm/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const row = (change: Partial<LlmKeyRow> = {}): LlmKeyRow => ({
  ...{ id: Bun.randomUUIDv7(), tenantId: "acme", vendor: "openai", label: "main", baseUrl: null, options: { project: "p" } },
  ...{
    last4: "6789",
    lastTest: null,
    models: null,
    revealedBy: null,
    revealedAt: null,
    createdBy: "u",
    createdAt: 1,
    updatedAt: 1,
  },
  ...change,
})

for (const dialect of dialects) {
  describe(`keys of model vendors on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let store: LlmKeyStore
    const insert = (...rows: LlmKeyRow[]) =>
      store.transaction(async tx => {
        for (const one of rows) await store.insert(one, tx)
      })
    beforeEach(async () => {
      temporary = await dialect.open()
      store = createLlmKeyStore(temporary.db)
    })
    afterEach(() => temporary.close())

    test("are a workspace's own, oldest first", async () => {
      const [second, first, foreign] = [row({ createdAt: 2, label: "b" }), row(), row({ tenantId: "globex" })]
      await insert(second, first, foreign)
      expect(await store.list("acme")).toEqual([first, second])
      expect(await store.find("acme", foreign.id)).toBeNull()
      expect(await store.find("acme", "no uuid")).toBeNull()
      expect(await store.transaction(tx => store.countIn("acme", tx))).toBe(2)
    })

    test("hold a label of a vendor once", async () => {
      const one = row()
      await insert(one)
      const holder = (tenantId: string, label: string) =>
        store.transaction(tx => store.holderOf({ tenantId, vendor: "openai", label }, tx))
      expect(await holder("acme", "main")).toBe(one.id)
      expect(await holder("acme", "other")).toBeNull()
      expect(await holder("globex", "main")).toBeNull()
      await expect(insert(row())).rejects.toThrow()
    })

    test("change and go in their own workspace only", async () => {
      const one = row()
      await insert(one)
      const models = [{ model: "m", context_window: null }]
      await store.update("globex", one.id, { label: "stolen" })
      await store.update("acme", one.id, { models, lastTest: { ok: true }, revealedBy: "u2", revealedAt: 3 })
      expect(await store.find("acme", one.id)).toEqual({
        ...one,
        models,
        lastTest: { ok: true },
        revealedBy: "u2",
        revealedAt: 3,
      })
      expect(await store.transaction(tx => store.delete("globex", one.id, tx))).toBe(false)
      expect(await store.transaction(tx => store.delete("acme", one.id, tx))).toBe(true)
      expect(await store.list("acme")).toEqual([])
    })
  })
}
