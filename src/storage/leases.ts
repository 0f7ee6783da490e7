import { and, eq, lte, or } from "drizzle-orm"
import type { Leaders, Leases } from "../runtime/ports.ts"
import type { Database } from "./database.ts"

/** The rows of `boots` and `leaders`. A lease is held as long as its row is there, whatever the clock of its owner says. */
export function createLeases(db: Database): Leases & Leaders {
  const { boots, leaders } = db.tables
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
      await db.write(async tx => {
        await tx.delete(boots).where(lte(boots.leaseUntil, until))
        await tx.delete(leaders).where(lte(leaders.leaseUntil, until))
      })
    },
    async release(bootId) {
      await db.write(async tx => {
        await tx.delete(boots).where(eq(boots.id, bootId))
        await tx.delete(leaders).where(eq(leaders.bootId, bootId))
      })
    },
    async lead(name, bootId, now, until) {
      return await db.write(async tx => {
        await tx.insert(leaders).values({ name, bootId, leaseUntil: until }).onConflictDoNothing()
        const mine = or(eq(leaders.bootId, bootId), lte(leaders.leaseUntil, now))
        const held = await tx
          .update(leaders)
          .set({ bootId, leaseUntil: until })
          .where(and(eq(leaders.name, name), mine))
          .returning({ name: leaders.name })
        return held.length > 0
      })
    },
  }
}
