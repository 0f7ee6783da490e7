import { and, asc, eq, inArray } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type TaskRow = Tables["humanTasks"]["$inferSelect"]

/** Reads of human tasks. They are written with the run's events, by the journal. */
export interface TaskStore {
  pending(filter: { tenantId: string; projectIds: readonly string[]; runId?: string }, page: Page): Promise<PageOf<TaskRow>>
  find(place: { tenantId: string; projectId: string }, workflowId: string, runId: string, taskId: string): Promise<TaskRow | null>
}

export function createTaskStore(db: Database): TaskStore {
  const { humanTasks } = db.tables
  return {
    async pending(filter, page) {
      const where = and(
        eq(humanTasks.tenantId, filter.tenantId),
        inArray(humanTasks.projectId, [...filter.projectIds]),
        eq(humanTasks.status, "pending"),
        filter.runId === undefined ? undefined : eq(humanTasks.runId, filter.runId),
      )
      const rows = db.read.select().from(humanTasks).where(where).orderBy(asc(humanTasks.createdAt), asc(humanTasks.runId))
      return { items: await rows.limit(page.limit).offset(page.offset), total: await db.read.$count(humanTasks, where) }
    },

    async find(place, workflowId, runId, taskId) {
      const where = and(
        eq(humanTasks.runId, runId),
        eq(humanTasks.taskId, taskId),
        eq(humanTasks.workflowId, workflowId),
        eq(humanTasks.tenantId, place.tenantId),
        eq(humanTasks.projectId, place.projectId),
      )
      const [row] = await db.read.select().from(humanTasks).where(where)
      return row ?? null
    },
  }
}
