import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createWorkflowStore, type WorkflowRow, type WorkflowStore } from "../../../src/modules/workflows/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const HERE = { tenantId: "t1", projectId: "p1" }
const ELSEWHERE = [
  { tenantId: "t1", projectId: "p2" },
  { tenantId: "t2", projectId: "p1" },
]
const GRAPH = { steps: [{ id: "a", type: "human_task" }] }
const NOW = 1_000

function row(more: Partial<WorkflowRow> = {}): WorkflowRow {
  return {
    ...HERE,
    id: Bun.randomUUIDv7(),
    name: "n",
    description: "",
    status: "draft",
    graph: GRAPH,
    runSetup: null,
    inputSchema: null,
    recording: null,
    latestVersion: null,
    createdBy: "u1",
    updatedBy: "u1",
    createdAt: NOW,
    updatedAt: NOW,
    archivedAt: null,
    archivedBy: null,
    ...more,
  }
}

for (const dialect of dialects) {
  describe(`the store of workflows on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let store: WorkflowStore
    beforeEach(async () => {
      temporary = await dialect.open()
      store = createWorkflowStore(temporary.db)
    })
    afterEach(() => temporary.close())

    const publication = (more: object = {}) => ({
      changelog: "",
      inputSchema: undefined,
      tools: null,
      by: "u2",
      at: NOW + 1,
      check: () => {},
      ...more,
    })

    test("gives back what it took, in its place only", async () => {
      const one = row({
        runSetup: { trigger_payload: { "?": "é" } },
        inputSchema: [{ name: "x" }],
        graph: { ...GRAPH, z: 1, a: [null] },
      })
      await store.insert(one)
      expect(await store.find(HERE, one.id)).toEqual(one)
      expect(JSON.stringify((await store.find(HERE, one.id))?.graph)).toBe(JSON.stringify(one.graph))
      for (const place of ELSEWHERE) {
        expect(await store.find(place, one.id)).toBeNull()
        expect(await store.list(place, { limit: 10, offset: 0 })).toEqual({ items: [], total: 0 })
        expect(await store.patch(place, one.id, { name: "stolen", updatedBy: "x", updatedAt: 0 })).toBe(false)
        expect(await store.archive(place, one.id, "x", 0)).toBe(false)
        expect(await store.publish(place, one.id, publication())).toBeNull()
      }
      expect(await store.find(HERE, one.id)).toEqual(one)
    })

    test("lists the last changed first, archived ones left out of page and total", async () => {
      const rows = [5, 9, 7, 8].map(updatedAt => row({ updatedAt }))
      for (const r of rows) await store.insert(r)
      await store.archive(HERE, rows[3]!.id, "u2", 10)
      const { items, total } = await store.list(HERE, { limit: 2, offset: 1 })
      expect([items.map(i => i.updatedAt), total]).toEqual([[7, 5], 3])
    })

    test("saved defaults reach the newest version only", async () => {
      const one = row()
      await store.insert(one)
      await store.publish(HERE, one.id, publication())
      await store.publish(HERE, one.id, publication())
      await store.patch(HERE, one.id, { runSetup: { trigger_payload: { n: 1 } }, updatedBy: "u3", updatedAt: NOW + 5 })
      expect((await store.version(one.id, 2))?.runSetup).toEqual({ trigger_payload: { n: 1 } })
      expect((await store.version(one.id, 1))?.runSetup).toBeNull()
      await store.patch(HERE, one.id, { runSetup: null, updatedBy: "u3", updatedAt: NOW + 6 })
      expect((await store.version(one.id, 2))?.runSetup).toBeNull()
    })

    test("publishes the draft that is there, one number after another", async () => {
      const one = row({ runSetup: { trigger_step_ids: ["a"] } })
      await store.insert(one)
      expect(await store.publish(HERE, one.id, publication({ changelog: "c" }))).toEqual({
        workflowId: one.id,
        version: 1,
        graph: GRAPH,
        inputSchema: null,
        runSetup: { trigger_step_ids: ["a"] },
        tools: null,
        changelog: "c",
        publishedAt: NOW + 1,
        publishedBy: "u2",
      })
      await store.publish(HERE, one.id, publication())
      const { items, total } = await store.versions(one.id, { limit: 1, offset: 0 })
      expect([items.map(v => v.version), total]).toEqual([[2], 2])
      expect(await store.find(HERE, one.id)).toMatchObject({ status: "published", latestVersion: 2, updatedBy: "u2" })
      expect(await store.version(one.id, 3)).toBeNull()
    })

    test("a draft that may not be published leaves no version", async () => {
      const one = row()
      await store.insert(one)
      const refusal = new Error("not this one")
      const check = () => {
        throw refusal
      }
      expect(await store.publish(HERE, one.id, publication({ check })).catch(e => e)).toBe(refusal)
      expect((await store.versions(one.id, { limit: 10, offset: 0 })).total).toBe(0)
      expect(await store.find(HERE, one.id)).toEqual(one)
    })

    test("an archived one takes no change, and is archived once", async () => {
      const one = row()
      await store.insert(one)
      expect(await store.archive(HERE, one.id, "u2", NOW + 1)).toBe(true)
      expect(await store.archive(HERE, one.id, "u3", NOW + 2)).toBe(false)
      expect(await store.patch(HERE, one.id, { name: "x", updatedBy: "u3", updatedAt: NOW + 2 })).toBe(false)
      expect(await store.publish(HERE, one.id, publication())).toBeNull()
      expect(await store.find(HERE, one.id)).toMatchObject({
        status: "archived",
        archivedBy: "u2",
        archivedAt: NOW + 1,
        name: "n",
      })
    })
  })
}
