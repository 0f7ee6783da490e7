import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import { createEgressAttemptStore, type EgressAttemptRow, type EgressAttemptStore } from "../../../src/modules/egress/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const row = (id: string, at: number, more: Partial<EgressAttemptRow> = {}): EgressAttemptRow => ({
  ...{ id, at, tenantId: "acme", projectId: "p1", userId: null, runId: "r1", stepId: "s1" },
  ...{ what: "connector github", protocol: "https", host: "api.github.com", port: 443, allowed: true, reason: null },
  ...more,
})
const ALL = { allowed: null, host: null, since: null, projectId: null }
const PAGE = { limit: 20, offset: 0 }

for (const dialect of dialects)
  describe(`what left a sealed instance, on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let store: EgressAttemptStore
    beforeAll(async () => {
      temporary = await dialect.open()
      store = createEgressAttemptStore(temporary.db)
    })
    afterAll(() => temporary.close())
    beforeEach(async () => void (await store.sweep(Number.MAX_SAFE_INTEGER)))

    const ids = async (filter: object, page = PAGE) =>
      (await store.list("acme", { ...ALL, ...filter }, page)).items.map(item => item.id)

    test("is listed newest first, page by page, and to its own workspace only", async () => {
      await store.add([])
      await store.add([
        row("a", 1),
        row("b", 2),
        row("c", 2),
        row("d", 3, { tenantId: "globex" }),
        row("e", 4, { tenantId: null }),
      ])
      expect(await ids({})).toEqual(["c", "b", "a"])
      expect(await ids({}, { limit: 1, offset: 1 })).toEqual(["b"])
      expect((await store.list("acme", ALL, { limit: 1, offset: 0 })).total).toBe(3)
    })

    test("is found by what became of it, its host, its moment and its project", async () => {
      const refused = { allowed: false, reason: "it is sealed", host: "example.com" }
      await store.add([row("a", 1), row("b", 2, refused), row("c", 3, { projectId: "p2" })])
      expect(await ids({ allowed: false })).toEqual(["b"])
      expect(await ids({ allowed: true })).toEqual(["c", "a"])
      expect(await ids({ host: "example.com" })).toEqual(["b"])
      expect(await ids({ since: 2 })).toEqual(["c", "b"])
      expect(await ids({ projectId: "p2" })).toEqual(["c"])
      expect((await store.list("acme", { ...ALL, allowed: false }, PAGE)).items).toEqual([row("b", 2, refused)])
    })

    test("is deleted when it was kept long enough", async () => {
      await store.add([row("a", 1), row("b", 2), row("c", 3)])
      expect(await store.sweep(3)).toBe(2)
      expect(await ids({})).toEqual(["c"])
    })
  })
