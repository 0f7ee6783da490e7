import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { type AgentRow, type AgentStore, createAgentStore } from "../../../src/modules/agents/store.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const HERE = { tenantId: "acme", projectId: "p1" }
const ELSEWHERE = { tenantId: "acme", projectId: "p2" }
const ABROAD = { tenantId: "globex", projectId: "p1" }

function row(name: string, createdAt: number): AgentRow {
  const made = { createdBy: "u", createdAt, updatedAt: createdAt }
  const rest = { description: "", instructions: "", modelRef: "local.builtin.echo-1", definition: {}, status: "active" }
  return { id: Bun.randomUUIDv7(), ...HERE, name, ...rest, ...made }
}

for (const dialect of dialects) {
  describe(`agents in ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let store: AgentStore

    beforeEach(async () => {
      temporary = await dialect.open()
      store = createAgentStore(temporary.db)
    })
    afterEach(() => temporary.close())

    test("are listed oldest first, a page at a time", async () => {
      for (const [i, name] of ["c", "a", "b"].entries()) await store.insert(row(name, i))
      const page = await store.list(HERE, { limit: 2, offset: 1 })
      expect([page.total, page.items.map(agent => agent.name)]).toEqual([3, ["a", "b"]])
    })

    test("are those of one project only", async () => {
      const mine = row("mine", 1)
      await store.insert(mine)
      for (const place of [ELSEWHERE, ABROAD]) {
        expect(await store.find(place, mine.id)).toBeNull()
        expect(await store.update(place, mine.id, { name: "taken" })).toBeNull()
        expect(await store.remove(place, mine.id)).toBe(false)
        expect(await store.count(place)).toBe(0)
      }
      expect(await store.find(HERE, mine.id)).toEqual(mine)
    })

    test("change and go, and what is no id is nobody's", async () => {
      const agent = row("a", 1)
      await store.insert(agent)
      const definition = { tools: [{ instance_id: "i", tool_names: null }] }
      expect(await store.update(HERE, agent.id, { definition, updatedAt: 2 })).toEqual({ ...agent, definition, updatedAt: 2 })
      expect(await store.find(HERE, "' OR 1=1")).toBeNull()
      expect(await store.remove(HERE, agent.id)).toBe(true)
      expect(await store.remove(HERE, agent.id)).toBe(false)
    })
  })
}
