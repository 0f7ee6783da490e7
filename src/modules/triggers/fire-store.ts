import { and, count, desc, eq, getTableColumns } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { AlsoStored } from "../../runtime/ports.ts"
import { type Database, MissingValue, StorageFull, UniqueViolation } from "../../storage/database.ts"
import { hotSelect } from "../../storage/hot-select.ts"
import type { FireOutcome } from "../../storage/schema/triggers.ts"
import type { Tables } from "../../storage/tables.ts"

export type FireRow = Tables["triggerFires"]["$inferSelect"]

export interface FireFilter {
  readonly triggerId: string
  readonly outcome: FireOutcome | null
}

/**
 * `stored`: it is on disk. `outdated`: the trigger is not as it was read. `exists`: one of the moments has a row already.
 * `full`: there is no room on the disk.
 */
export type Kept = "stored" | "outdated" | "exists" | "full"

export interface FireStore {
  list(filter: FireFilter, page: Page): Promise<PageOf<FireRow>>
  /** All of it or nothing. */
  keep(statements: readonly AlsoStored[]): Promise<Kept>
  /** The row of the last moment that has one. */
  newestOfSchedule(triggerId: string): Promise<FireRow | null>
  /** Moments from `from` to `to` that have a row. */
  momentsKept(triggerId: string, from: number, to: number): Promise<ReadonlySet<number>>
  /** Runs of the trigger that have not ended, among its newest `lookBack` fires with one; newest first. */
  underWay(triggerId: string, lookBack: number): Promise<readonly string[]>
  /** The fire that waits for the run under way. */
  queuedOf(triggerId: string): Promise<FireRow | null>
  /** Fires whose wait is over, longest waiting first. */
  readyInQueue(lookBack: number, limit: number): Promise<readonly FireRow[]>
}

const NOT_ENDED = "r.status NOT IN ('completed', 'failed', 'stopped')"
const NEWEST_RUNS = `SELECT run_id FROM trigger_fires WHERE trigger_id = t.trigger_id AND run_id IS NOT NULL
  AND outcome IN ('fired', 'caught_up') ORDER BY at DESC LIMIT ?`
const SELECT_UNDER_WAY = `SELECT f.run_id FROM (SELECT run_id, at FROM trigger_fires WHERE trigger_id = ? AND run_id IS NOT NULL
  AND outcome IN ('fired', 'caught_up') ORDER BY at DESC LIMIT ?) f JOIN runs r ON r.id = f.run_id WHERE ${NOT_ENDED} ORDER BY f.at DESC`
const SELECT_READY = `SELECT t.id FROM trigger_fires t WHERE t.queued_at IS NOT NULL AND NOT EXISTS (
  SELECT 1 FROM runs r WHERE r.id IN (${NEWEST_RUNS}) AND ${NOT_ENDED}) ORDER BY t.queued_at, t.id LIMIT ?`
const SELECT_KEPT = "SELECT scheduled_for FROM trigger_fires WHERE trigger_id = ? AND scheduled_for >= ? AND scheduled_for <= ?"

export function createFireStore(db: Database): FireStore {
  const { triggerFires } = db.tables
  const columns = getTableColumns(triggerFires)
  const findOne = hotSelect(db, columns, "id = ?")
  const findNewest = hotSelect(db, columns, "trigger_id = ? AND scheduled_for IS NOT NULL ORDER BY scheduled_for DESC LIMIT 1")
  const findQueued = hotSelect(db, columns, "trigger_id = ? AND queued_at IS NOT NULL")

  return {
    async list({ triggerId, outcome }, page) {
      const where = and(eq(triggerFires.triggerId, triggerId), outcome === null ? undefined : eq(triggerFires.outcome, outcome))
      const rows = db.read.select().from(triggerFires).where(where)
      const items = await rows.orderBy(desc(triggerFires.at), desc(triggerFires.id)).limit(page.limit).offset(page.offset)
      const [counted] = await db.read.select({ total: count() }).from(triggerFires).where(where)
      return { items, total: counted?.total ?? 0 }
    },

    async keep(statements) {
      try {
        await db.commit(statements)
        return "stored"
      } catch (error) {
        if (error instanceof MissingValue) return "outdated"
        if (error instanceof UniqueViolation) return "exists"
        if (error instanceof StorageFull) return "full"
        throw error
      }
    },

    async newestOfSchedule(triggerId) {
      const [row] = await findNewest([triggerId])
      return row ?? null
    },

    async momentsKept(triggerId, from, to) {
      const rows = await db.query({ sql: SELECT_KEPT, params: [triggerId, from, to] })
      return new Set(rows.map(row => Number(row.scheduled_for)))
    },

    async underWay(triggerId, lookBack) {
      const rows = await db.query({ sql: SELECT_UNDER_WAY, params: [triggerId, lookBack] })
      return rows.map(row => String(row.run_id))
    },

    async queuedOf(triggerId) {
      const [row] = await findQueued([triggerId])
      return row ?? null
    },

    async readyInQueue(lookBack, limit) {
      const ids = await db.query({ sql: SELECT_READY, params: [lookBack, limit] })
      const rows = await Promise.all(ids.map(async ({ id }) => await findOne([String(id)])))
      return rows.flat()
    },
  }
}
