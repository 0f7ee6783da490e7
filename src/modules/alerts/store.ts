import { and, desc, eq, isNotNull } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type AlertRow = Tables["alerts"]["$inferSelect"]
export type NewAlert = Omit<AlertRow, "clearedAt" | "standing">

export interface AlertStore {
  list(place: { tenantId: string; projectId: string }, standing: boolean | null, page: Page): Promise<PageOf<AlertRow>>
  /** False when one of the same kind stands for the subject already. */
  raise(alert: NewAlert): Promise<boolean>
  /** False when none stands. */
  clear(kind: string, subjectId: string, now: number): Promise<boolean>
  /** Subjects for which one of the kind stands. */
  standing(kind: string): Promise<readonly string[]>
}

export function createAlertStore(db: Database): AlertStore {
  const { alerts } = db.tables
  const nameOf = (kind: string, subjectId: string) => `${kind}:${subjectId}`

  return {
    async list({ tenantId, projectId }, standing, page) {
      const state = standing === null ? undefined : standing ? isNotNull(alerts.standing) : isNotNull(alerts.clearedAt)
      const where = and(eq(alerts.tenantId, tenantId), eq(alerts.projectId, projectId), state)
      const rows = db.read.select().from(alerts).where(where).orderBy(desc(alerts.raisedAt), desc(alerts.id))
      return { items: await rows.limit(page.limit).offset(page.offset), total: await db.read.$count(alerts, where) }
    },

    async raise(alert) {
      return await db.write(async tx => {
        const row = { ...alert, clearedAt: null, standing: nameOf(alert.kind, alert.subjectId) }
        const raised = await tx
          .insert(alerts)
          .values(row)
          .onConflictDoNothing({ target: alerts.standing })
          .returning({ id: alerts.id })
        return raised.length > 0
      })
    },

    async clear(kind, subjectId, now) {
      return await db.write(async tx => {
        const cleared = await tx
          .update(alerts)
          .set({ clearedAt: now, standing: null })
          .where(eq(alerts.standing, nameOf(kind, subjectId)))
          .returning({ id: alerts.id })
        return cleared.length > 0
      })
    },

    async standing(kind) {
      const where = and(eq(alerts.kind, kind), isNotNull(alerts.standing))
      const rows = await db.read.select({ subjectId: alerts.subjectId }).from(alerts).where(where)
      return rows.map(row => row.subjectId)
    },
  }
}
