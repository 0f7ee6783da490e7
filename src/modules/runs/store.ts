import { and, asc, eq, getTableColumns, gt, max, sql } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import { charsBeside, putBack, valueReader } from "../../storage/big-values.ts"
import type { Database } from "../../storage/database.ts"
import { hotSelect } from "../../storage/hot-select.ts"
import type { Tables } from "../../storage/tables.ts"
import { createRunList, type RunFilter, type RunRow, runColumns } from "./list-store.ts"

export type EventRow = Omit<Tables["runEvents"]["$inferSelect"], "beside">

/** Reads of runs. Writing is the journal's alone. */
export interface RunStore {
  list(filter: RunFilter, page: Page): Promise<PageOf<RunRow>>
  find(place: { tenantId: string; projectId: string }, workflowId: string, runId: string): Promise<RunRow | null>
  /** Looked up by id alone, to tell whether a caller's own id is taken. */
  findAnywhere(runId: string): Promise<RunRow | null>
  findByIdempotencyKey(projectId: string, key: string): Promise<RunRow | null>
  /** At most `limit` of them, and fewer when their data has more than `maxChars`; one at least. */
  events(runId: string, afterSeq: number, limit: number, maxChars: number): Promise<PageOf<EventRow>>
}

/** Rows of ended runs that are kept, some KB each: clients ask for the end of a run more than once. */
const ENDED_KEPT_MAX = 2_000
/** Events read in one query, so that a page of large ones does not come whole before it is cut. */
const EVENTS_AT_ONCE = 64

export function createRunStore(db: Database): RunStore {
  const { runs, runEvents } = db.tables
  const columns = runColumns(runs)
  // Every look at a run begins with this one.
  const findOne = hotSelect(db, columns, "id = ?")
  const findByKey = hotSelect(db, columns, "project_id = ? AND idempotency_key = ?")
  /** Nothing changes any more in the row of a run that ended; who deletes runs must forget them here. */
  const ended = new Map<string, RunRow>()

  function keepEnded(row: RunRow): void {
    const oldest = ended.size >= ENDED_KEPT_MAX ? ended.keys().next().value : undefined
    if (oldest !== undefined) ended.delete(oldest)
    ended.set(row.id, row)
  }

  /** Numbers have no gaps, so the highest one is how many events there are. */
  const lastSeq = async (runId: string) => {
    const [last] = await db.read
      .select({ seq: max(runEvents.seq) })
      .from(runEvents)
      .where(eq(runEvents.runId, runId))
    return last?.seq ?? 0
  }

  return {
    list: createRunList(db),

    async find({ tenantId, projectId }, workflowId, runId) {
      const known = ended.get(runId)
      const [row] = known ? [known] : await findOne([runId])
      if (!row || row.tenantId !== tenantId || row.projectId !== projectId || row.workflowId !== workflowId) return null
      if (!known && row.completedAt !== null) keepEnded(row)
      return row
    },

    async findAnywhere(runId) {
      const [row] = await findOne([runId])
      return row ?? null
    },

    async findByIdempotencyKey(projectId, key) {
      const [row] = await findByKey([projectId, key])
      return row ?? null
    },

    async events(runId, afterSeq, limit, maxChars) {
      const items: EventRow[] = []
      const read = valueReader(db, runId)
      let chars = 0
      while (items.length < limit && chars < maxChars) {
        const where = and(eq(runEvents.runId, runId), gt(runEvents.seq, items.at(-1)?.seq ?? afterSeq))
        const wanted = Math.min(EVENTS_AT_ONCE, limit - items.length)
        const sized = { ...getTableColumns(runEvents), chars: sql<number>`length(cast(${runEvents.data} as text))` }
        const rows = await db.read.select(sized).from(runEvents).where(where).orderBy(asc(runEvents.seq)).limit(wanted)
        for (const { chars: inRow, beside, ...row } of rows) {
          const size = inRow + charsBeside(beside)
          if (items.length > 0 && chars + size > maxChars) return { items, total: await lastSeq(runId) }
          items.push({ ...row, data: await putBack(row.data, beside, read) })
          chars += size
        }
        if (rows.length < wanted) break
      }
      return { items, total: await lastSeq(runId) }
    },
  }
}
