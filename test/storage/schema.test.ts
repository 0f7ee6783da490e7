import { expect, test } from "bun:test"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { dialects, openTemporarySqlite } from "../helpers/database.ts"

const snapshot = join(import.meta.dir, "schema.sql")

test("the migrations make the schema that is written down beside this test", async () => {
  const { db, close } = await openTemporarySqlite()
  const rows = await db.query({
    sql: "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE '\\_\\_%' ESCAPE '\\' ORDER BY name",
    params: [],
  })
  await close()
  const schema = `${rows.map(r => `${String(r.sql)};`).join("\n\n")}\n`
  // A changed schema shows in the same diff as its migration: AGENTRUNTIME_TEST_WRITE=1 bun test test/storage/schema.test.ts
  if (process.env.AGENTRUNTIME_TEST_WRITE === "1") writeFileSync(snapshot, schema)
  expect(schema).toBe(readFileSync(snapshot, "utf8"))
})

for (const dialect of dialects) {
  test(`every declared table and column is there after the migrations on ${dialect.name}`, async () => {
    const { db, close } = await dialect.open()
    const tables = Object.values(db.tables)
    for (const table of tables) expect(await db.read.select().from(table)).toEqual([])
    expect(tables.length).toBeGreaterThan(10)
    await close()
  })
}
