import { eq, lte } from "drizzle-orm"
import type { Leases } from "../runtime/ports.ts"
import type { Database } from "./database.ts"

/** The rows of `boots`. A lease is held as long as its row is there, whatever the clock of its owner says. */
export function createLeases(db: Database): Leases {
  const { boots } = db.tables
  return {
    async hold(bootId, now, until) {
      return await db.write(async tx => {
        const held = await tx.update(boots).set({ leaseUntil: until }).where(eq(boots.id, bootId)).returning({ id: boots.id })
        if (held.length > 0) return true
        await tx.insert(boots).values({ id: bootId, startedAt: now, leaseUntil: until })
        return false
      })
    },
    async end(until) {
      await db.write(async tx => void (await tx.delete(boots).where(lte(boots.leaseUntil, until))))
    },
    async release(bootId) {
      await db.write(async tx => void (await tx.delete(boots).where(eq(boots.id, bootId))))
    },
  }
}
