import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type ArtifactRow, createArtifactStore } from "../../../src/modules/artifacts/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

for (const dialect of dialects) {
  describe(`artifacts in ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    beforeAll(async () => {
      temporary = await dialect.open()
    })
    afterAll(() => temporary.close())

    const here = { tenantId: "acme", projectId: "p1" }
    const there = { tenantId: "acme", projectId: "p2" }
    const row = (id: string, change: Partial<ArtifactRow> = {}): ArtifactRow => ({
      ...{ id, ...here, runId: null, stepId: null, name: null, mimeType: "image/png", sizeBytes: 5_000_000_000, sha256: "a" },
      createdAt: Number(id),
      ...change,
    })

    test("are found in their project alone, counted, told apart, and deleted by age", async () => {
      const store = createArtifactStore(temporary.db)
      const rows = [row("1"), row("2", { runId: "r", name: "n" }), row("3", { ...there }), row("4", { sha256: "b" })]
      for (const one of rows) await store.insert(one)

      expect(await store.get(there, "1")).toBeNull()
      expect((await store.list(here, null, { limit: 2, offset: 0 })).items.map(r => r.id)).toEqual(["4", "2"])
      expect((await store.list(here, null, { limit: 2, offset: 2 })).total).toBe(3)
      expect((await store.list(here, "r", { limit: 2, offset: 0 })).items.map(r => r.id)).toEqual(["2"])
      expect(await store.usage(here)).toEqual({ count: 3, sizeBytes: 15_000_000_000 })
      expect(await store.usage({ ...here, projectId: "none" })).toEqual({ count: 0, sizeBytes: 0 })
      expect(await store.findSame(row("9"))).toEqual(rows[0]!)
      expect(await store.findSame(row("9", { runId: "r" }))).toBeNull()
      expect(await store.findSame(row("9", { runId: "r", name: "n" }))).toEqual(rows[1]!)

      expect(await store.delete(there, "1")).toBeNull()
      expect(await store.delete(here, "1")).toBe("a")
      expect(await store.used(["a", "b", "c"])).toEqual(new Set(["a", "b"]))
      expect(new Set(await store.deleteOld(4))).toEqual(new Set(["a"]))
      expect(await store.deleteOld(4)).toEqual([])
      expect(await store.used(["a", "b"])).toEqual(new Set(["b"]))
    })
  })
}
