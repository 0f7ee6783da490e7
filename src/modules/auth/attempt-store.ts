import { and, eq, gt, inArray, lt, sql } from "drizzle-orm"
import type { Database, Writer } from "../../storage/database.ts"

export interface Limit {
  readonly key: string
  /** Attempts in one window. */
  readonly max: number
}

/** Counts of failed attempts; they survive a restart, so restarting is no way around them. */
export class AttemptStore {
  constructor(private readonly db: Database) {}

  /**
   * Counts one attempt under each key, in this order, before it is made, so that many at once cannot slip through
   * together. Where one limit is exceeded the later ones are not counted: who is held back by a narrow limit cannot use
   * up a wide one. An attempt that is plainly over a limit writes nothing. Returns when the exceeded window began; null
   * when none is exceeded.
   */
  async count(limits: readonly Limit[], now: number, windowMs: number): Promise<number | null> {
    const full = await this.#full(limits, now - windowMs)
    if (full !== null) return full
    return this.db.write(async tx => {
      for (const limit of limits) {
        const { failures, windowStartedAt } = await this.#add(limit.key, now, windowMs, tx)
        if (failures > limit.max) return windowStartedAt
      }
      return null
    })
  }

  /** The attempt was good: `fresh` starts anew, the others get this one back. */
  async forgive(fresh: string, others: readonly string[]): Promise<void> {
    const { loginLimits: l } = this.db.tables
    await this.db.write(async tx => {
      await tx.delete(l).where(eq(l.key, fresh))
      if (others.length === 0) return
      await tx
        .update(l)
        .set({ failures: sql`${l.failures} - 1` })
        .where(and(inArray(l.key, [...others]), gt(l.failures, 0)))
    })
  }

  async sweep(before: number, tx: Writer): Promise<void> {
    const { loginLimits: l } = this.db.tables
    await tx.delete(l).where(lt(l.windowStartedAt, before))
  }

  async #full(limits: readonly Limit[], since: number): Promise<number | null> {
    const { loginLimits: l } = this.db.tables
    const keys = limits.map(limit => limit.key)
    const rows = await this.db.read
      .select()
      .from(l)
      .where(and(inArray(l.key, keys), gt(l.windowStartedAt, since)))
    for (const { key, max } of limits) {
      const row = rows.find(r => r.key === key)
      if (row && row.failures >= max) return row.windowStartedAt
    }
    return null
  }

  async #add(key: string, now: number, windowMs: number, tx: Writer): Promise<{ failures: number; windowStartedAt: number }> {
    const { loginLimits: l } = this.db.tables
    const over = sql`${l.windowStartedAt} <= ${now - windowMs}`
    const [row] = await tx
      .insert(l)
      .values({ key, failures: 1, windowStartedAt: now })
      .onConflictDoUpdate({
        target: l.key,
        set: {
          failures: sql`case when ${over} then 1 else ${l.failures} + 1 end`,
          windowStartedAt: sql`case when ${over} then ${now} else ${l.windowStartedAt} end`,
        },
      })
      .returning()
    return row ?? { failures: 1, windowStartedAt: now }
  }
}
