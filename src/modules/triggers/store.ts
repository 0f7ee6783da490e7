import { and, asc, count, desc, eq, getTableColumns, isNull, lt } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database, Writer } from "../../storage/database.ts"
import { hotSelect } from "../../storage/hot-select.ts"
import type { Tables } from "../../storage/tables.ts"

export type TriggerRow = Tables["triggers"]["$inferSelect"]

/** Where a trigger lives; every look-up of the API names it, so that an id of another project or workflow finds nothing. */
export interface TriggerPlace {
  readonly tenantId: string
  readonly projectId: string
  readonly workflowId: string
}

export type TriggerChanges = Partial<Omit<TriggerRow, "id" | "tenantId" | "projectId" | "workflowId" | "type">>

export interface TriggerStore {
  list(place: TriggerPlace, page: Page): Promise<PageOf<TriggerRow>>
  find(place: TriggerPlace, id: string): Promise<TriggerRow | null>
  /** False when the workflow has `max` triggers already. */
  insert(row: TriggerRow, max: number): Promise<boolean>
  /** What the row as it is now asks for, in one transaction with reading it; null when it is not there. */
  change(place: TriggerPlace, id: string, changesOf: (row: TriggerRow) => TriggerChanges): Promise<TriggerRow | null>
  delete(place: TriggerPlace, id: string): Promise<boolean>
  /** For the program's own rounds, which have the id from a fire. */
  byId(id: string): Promise<TriggerRow | null>
  /** Schedules whose moment has come, most overdue first. */
  due(now: number, limit: number): Promise<readonly TriggerRow[]>
  /** Switched-on schedules that have no moment to come. */
  withoutMoment(limit: number): Promise<readonly TriggerRow[]>
  /** Gives one of them its moment, if it still has none. */
  setMoment(id: string, nextRunAt: number | null, dueAt: number | null): Promise<void>
  /** Those that wait for an event of the project. */
  waitingFor(place: Omit<TriggerPlace, "workflowId">, eventType: string): Promise<readonly TriggerRow[]>
}

export function createTriggerStore(db: Database): TriggerStore {
  const { triggers } = db.tables
  const columns = getTableColumns(triggers)
  const findDue = hotSelect(db, columns, "due_at IS NOT NULL AND due_at <= ? ORDER BY due_at, id LIMIT ?")
  const findById = hotSelect(db, columns, "id = ?")
  const of = (place: TriggerPlace) =>
    and(eq(triggers.tenantId, place.tenantId), eq(triggers.projectId, place.projectId), eq(triggers.workflowId, place.workflowId))
  const at = (place: TriggerPlace, id: string) => and(of(place), eq(triggers.id, id))
  const read = async (where: ReturnType<typeof at>, from: Pick<Writer, "select">) => {
    const [row] = await from.select().from(triggers).where(where)
    return row ?? null
  }

  return {
    async list(place, page) {
      const where = of(place)
      const rows = db.read.select().from(triggers).where(where).orderBy(desc(triggers.createdAt), desc(triggers.id))
      return { items: await rows.limit(page.limit).offset(page.offset), total: await db.read.$count(triggers, where) }
    },

    async find(place, id) {
      return await read(at(place, id), db.read)
    },

    async insert(row, max) {
      return await db.write(async tx => {
        const [there] = await tx.select({ n: count() }).from(triggers).where(of(row))
        if ((there?.n ?? 0) >= max) return false
        await tx.insert(triggers).values(row)
        return true
      })
    },

    async change(place, id, changesOf) {
      return await db.write(async tx => {
        const row = await read(at(place, id), tx)
        if (!row) return null
        const [changed] = await tx.update(triggers).set(changesOf(row)).where(at(place, id)).returning()
        return changed ?? null
      })
    },

    async delete(place, id) {
      return await db.write(async tx => {
        const deleted = await tx.delete(triggers).where(at(place, id)).returning({ id: triggers.id })
        return deleted.length > 0
      })
    },

    async byId(id) {
      const [row] = await findById([id])
      return row ?? null
    },

    async due(now, limit) {
      return await findDue([now, limit])
    },

    async withoutMoment(limit) {
      const where = and(eq(triggers.type, "cron"), eq(triggers.enabled, true), isNull(triggers.nextRunAt))
      return await db.read.select().from(triggers).where(where).orderBy(asc(triggers.id)).limit(limit)
    },

    async setMoment(id, nextRunAt, dueAt) {
      const where = and(eq(triggers.id, id), eq(triggers.enabled, true), isNull(triggers.nextRunAt))
      await db.write(async tx => {
        await tx.update(triggers).set({ nextRunAt, dueAt }).where(where)
      })
    },

    async waitingFor({ tenantId, projectId }, eventType) {
      const where = and(
        eq(triggers.tenantId, tenantId),
        eq(triggers.projectId, projectId),
        eq(triggers.eventType, eventType),
        eq(triggers.enabled, true),
      )
      return await db.read.select().from(triggers).where(where).orderBy(asc(triggers.createdAt), asc(triggers.id))
    },
  }
}

/** Rows of what is older than that, a slice at a time. */
export function createFireSweep(db: Database): (before: number, limit: number) => Promise<number> {
  const { triggerFires } = db.tables
  return async (before, limit) =>
    await db.write(async tx => {
      const where = and(lt(triggerFires.at, before), isNull(triggerFires.queuedAt))
      const rows = await tx.select({ id: triggerFires.id }).from(triggerFires).where(where).orderBy(triggerFires.at).limit(limit)
      for (const { id } of rows) await tx.delete(triggerFires).where(eq(triggerFires.id, id))
      return rows.length
    })
}
