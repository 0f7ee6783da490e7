import { and, desc, eq, gte, inArray, lt } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type EgressAttemptRow = Tables["egressAttempts"]["$inferSelect"]

/** Which attempts of a workspace; null: all. */
export interface AttemptFilter {
  readonly allowed: boolean | null
  readonly host: string | null
  /** Not before, ms. */
  readonly since: number | null
  readonly projectId: string | null
}

export interface EgressAttemptStore {
  add(rows: readonly EgressAttemptRow[]): Promise<void>
  /** Newest first. */
  list(tenantId: string, filter: AttemptFilter, page: Page): Promise<PageOf<EgressAttemptRow>>
  /** Deletes what is older; how many. */
  sweep(before: number): Promise<number>
}

/** Rows deleted in one transaction: everybody else waits for it. */
const SWEEP_AT_ONCE = 1_000

export function createEgressAttemptStore(db: Database): EgressAttemptStore {
  const { egressAttempts: a } = db.tables

  return {
    async add(rows) {
      if (rows.length > 0) await db.write(tx => tx.insert(a).values([...rows]))
    },

    async list(tenantId, { allowed, host, since, projectId }, page) {
      const where = and(
        eq(a.tenantId, tenantId),
        allowed === null ? undefined : eq(a.allowed, allowed),
        host === null ? undefined : eq(a.host, host),
        projectId === null ? undefined : eq(a.projectId, projectId),
        since === null ? undefined : gte(a.at, since),
      )
      const rows = db.read.select().from(a).where(where).orderBy(desc(a.at), desc(a.id))
      return { items: await rows.limit(page.limit).offset(page.offset), total: await db.read.$count(a, where) }
    },

    async sweep(before) {
      for (let swept = 0; ; ) {
        const rows = await db.read.select({ id: a.id }).from(a).where(lt(a.at, before)).limit(SWEEP_AT_ONCE)
        if (rows.length === 0) return swept
        const ids = rows.map(row => row.id)
        await db.write(tx => tx.delete(a).where(inArray(a.id, ids)))
        swept += ids.length
      }
    },
  }
}
