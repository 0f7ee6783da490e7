import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { eq } from "drizzle-orm"
import { UniqueViolation } from "../../src/storage/database.ts"
import { dialects, type TemporaryDatabase } from "../helpers/database.ts"

for (const dialect of dialects) {
  describe(`the database on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    beforeEach(async () => {
      temporary = await dialect.open()
    })
    afterEach(() => temporary.close())

    const fact = (key: string) => ({ sql: "INSERT INTO instance_facts (key, value) VALUES (?, ?)", params: [key, "v"] })
    const keys = async () =>
      (await temporary.db.query({ sql: "SELECT key FROM instance_facts ORDER BY key", params: [] })).map(r => r.key)

    test("a transaction that throws leaves nothing behind", async () => {
      const { db } = temporary
      const failed = db.write(async tx => {
        await tx.insert(db.tables.instanceFacts).values({ key: "a", value: "1" })
        throw new Error("no")
      })
      expect(failed).rejects.toThrow("no")
      await failed.catch(() => {})
      expect(await keys()).toEqual([])
    })

    test("transactions come one after another, each seeing the one before", async () => {
      const { db } = temporary
      const { instanceFacts } = db.tables
      await db.write(async tx => void (await tx.insert(instanceFacts).values({ key: "n", value: "0" })))
      const increment = () =>
        db.write(async tx => {
          const [row] = await tx.select().from(instanceFacts).where(eq(instanceFacts.key, "n"))
          await tx.update(instanceFacts).set({ value: String(Number(row?.value) + 1) })
        })
      if (dialect.name === "sqlite") await Promise.all(Array.from({ length: 50 }, increment))
      else for (let i = 0; i < 50; i++) await increment()
      expect((await db.read.select().from(instanceFacts))[0]?.value).toBe("50")
    })

    test("statements committed together by many callers cost a refused caller only its own part", async () => {
      const { db } = temporary
      await db.commit([fact("taken")])
      const results = await Promise.allSettled([
        db.commit([fact("a"), fact("b")]),
        db.commit([fact("c"), fact("taken")]),
        db.commit([fact("d")]),
      ])
      expect(results.map(r => r.status)).toEqual(["fulfilled", "rejected", "fulfilled"])
      expect((results[1] as PromiseRejectedResult).reason).toBeInstanceOf(UniqueViolation)
      expect(await keys()).toEqual(["a", "b", "d", "taken"])
    })

    test("a second row with the same key is a UniqueViolation through the builder, too", async () => {
      const { db } = temporary
      const insert = () => db.write(async tx => void (await tx.insert(db.tables.instanceFacts).values({ key: "k", value: "v" })))
      await insert()
      expect(await insert().catch(error => error)).toBeInstanceOf(UniqueViolation)
    })
  })
}
