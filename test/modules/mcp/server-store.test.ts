import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createServerStore, type ServerRow, type ServerStore, type VersionRow } from "../../../src/modules/mcp/server-store.ts"
import { createMcpStore } from "../../../src/modules/mcp/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const acme = { tenantId: "acme" }
const globex = { tenantId: "globex" }
const PAGE = { limit: 10, offset: 0 }

const server = (change: Partial<ServerRow> = {}): ServerRow => ({
  ...{ id: Bun.randomUUIDv7(), tenantId: "acme", name: "Tools", service: "tools", description: "", mode: "third_party" },
  ...{ canonicalUrl: "https://tools.example/mcp", authMode: "none", status: "draft", statusReason: null, bridge: null },
  ...{ activeVersionId: null, lastValidation: null, lastValidatedAt: null, createdBy: "u", createdAt: 1, updatedAt: 1 },
  ...change,
})
const version = (row: ServerRow, change: Partial<VersionRow> = {}): VersionRow => ({
  ...{ id: Bun.randomUUIDv7(), serverId: row.id, tenantId: row.tenantId, version: "1.0.0", tools: [{ name: "a" }] },
  ...{ configSchema: { k: { type: "string" } }, createdBy: "u", createdAt: 1 },
  ...change,
})

for (const dialect of dialects) {
  describe(`registered servers on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let store: ServerStore
    beforeEach(async () => {
      temporary = await dialect.open()
      store = createServerStore(temporary.db)
    })
    afterEach(() => temporary.close())

    test("belong to one workspace, which has each address once and no more than its limit", async () => {
      const row = server()
      expect(await store.insert(row, 2)).toBe("inserted")
      expect(await store.insert(server(), 2)).toBe("taken")
      expect(await store.insert(server({ tenantId: "globex" }), 2)).toBe("inserted")
      const second = server({ canonicalUrl: "https://other.example/mcp" })
      expect(await store.insert(second, 2)).toBe("inserted")
      expect(await store.insert(server({ canonicalUrl: "https://third.example/mcp" }), 2)).toBe("full")
      expect(await store.find(globex, row.id)).toBeNull()
      expect(await store.find(acme, "stdio:x")).toBeNull()
      expect((await store.findByUrl(acme, row.canonicalUrl))?.server.id).toBe(row.id)
      expect(await store.update(acme, second.id, { canonicalUrl: row.canonicalUrl })).toBe(false)
      expect(await store.update(globex, row.id, { name: "Stolen" })).toBe(true)
      expect((await store.find(acme, row.id))?.server.name).toBe("Tools")
      expect((await store.list(acme, PAGE)).total).toBe(2)
    })

    test("have versions that never change, one of them active", async () => {
      const row = server({ bridge: { upstream_url: "https://up.example" } })
      await store.insert(row, 9)
      const one = version(row)
      expect(await store.publish(one, { activeVersionId: one.id, updatedAt: 2 })).toBe(true)
      expect(await store.publish(version(row), null)).toBe(false)
      expect(await store.publish(version(row, { version: "1.0.1", createdAt: 2 }), null)).toBe(true)
      const found = await store.find(acme, row.id)
      expect([found?.version?.version, found?.version?.tools, found?.server.bridge]).toEqual([
        "1.0.0",
        [{ name: "a" }],
        row.bridge,
      ])
      expect((await store.versions(acme, row.id, 9)).map(v => v.version)).toEqual(["1.0.1", "1.0.0"])
      const sizes = await store.versionSizes(acme, row.id)
      expect(sizes.map(v => v.version)).toEqual(["1.0.1", "1.0.0"])
      // Databases write JSON with and without spaces.
      for (const { chars } of sizes) expect([14, 15]).toContain(chars)
      expect(await store.versionSizes(globex, row.id)).toEqual([])
    })

    test("go with their versions, by their own workspace, while no instance uses them", async () => {
      const row = server()
      await store.insert(row, 9)
      const one = version(row)
      await store.publish(one, { activeVersionId: one.id })
      const owner = { tenantId: "acme", projectId: "p1", createdAt: 1, updatedAt: 1 }
      const instance = {
        ...owner,
        id: Bun.randomUUIDv7(),
        serverId: row.id,
        serverSlug: "tools",
        serverUrl: row.canonicalUrl,
        name: "i",
      }
      const profile = {
        ...owner,
        id: Bun.randomUUIDv7(),
        instanceId: instance.id,
        name: "default",
        active: true,
        config: {},
        sourceSpec: {},
      }
      const instances = createMcpStore(temporary.db)
      await instances.insertInstance({ ...instance, status: "active" }, profile, async () => {})
      expect(await store.instances(acme, row.id)).toEqual([{ id: instance.id, projectId: "p1" }])
      expect(await store.remove(globex, row.id)).toBe("missing")
      expect(await store.remove(acme, row.id)).toBe("in_use")
      await instances.deleteInstance(owner, instance.id, async () => {})
      expect(await store.remove(acme, row.id)).toBe("removed")
      expect(await store.find(acme, row.id)).toBeNull()
    })
  })
}
