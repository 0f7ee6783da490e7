import { and, asc, desc, eq, getTableColumns, gt, gte, inArray, max, sql } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type RunRow = Tables["runs"]["$inferSelect"]
export type EventRow = Tables["runEvents"]["$inferSelect"]

export interface RunFilter {
  readonly tenantId: string
  readonly projectIds: readonly string[]
  readonly workflowId?: string
  /** Runs that this run started. */
  readonly parentRunId?: string
  readonly statuses?: readonly string[]
  /** Started at or after, ms. */
  readonly since?: number
}

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

/** Events read in one query, so that a page of large ones does not come whole before it is cut. */
const EVENTS_AT_ONCE = 64

export function createRunStore(db: Database): RunStore {
  const { runs, runEvents } = db.tables
  // Every look at a run begins with this one: prepared once it takes 10 µs, built at each call 74.
  const findOne = db.read
    .select()
    .from(runs)
    .where(
      and(
        eq(runs.id, sql.placeholder("runId")),
        eq(runs.tenantId, sql.placeholder("tenantId")),
        eq(runs.projectId, sql.placeholder("projectId")),
        eq(runs.workflowId, sql.placeholder("workflowId")),
      ),
    )
    .prepare()

  /** Numbers have no gaps, so the highest one is how many events there are. */
  const lastSeq = async (runId: string) => {
    const [last] = await db.read
      .select({ seq: max(runEvents.seq) })
      .from(runEvents)
      .where(eq(runEvents.runId, runId))
    return last?.seq ?? 0
  }

  return {
    async list(filter, page) {
      const where = and(
        eq(runs.tenantId, filter.tenantId),
        inArray(runs.projectId, [...filter.projectIds]),
        filter.workflowId === undefined ? undefined : eq(runs.workflowId, filter.workflowId),
        filter.parentRunId === undefined ? undefined : eq(runs.parentRunId, filter.parentRunId),
        filter.statuses === undefined ? undefined : inArray(runs.status, [...filter.statuses]),
        filter.since === undefined ? undefined : gte(runs.startedAt, filter.since),
      )
      const rows = db.read.select().from(runs).where(where).orderBy(desc(runs.startedAt), desc(runs.id))
      return { items: await rows.limit(page.limit).offset(page.offset), total: await db.read.$count(runs, where) }
    },

    async find({ tenantId, projectId }, workflowId, runId) {
      const [row] = await findOne.execute({ tenantId, projectId, workflowId, runId })
      return row ?? null
    },

    async findAnywhere(runId) {
      const [row] = await db.read.select().from(runs).where(eq(runs.id, runId))
      return row ?? null
    },

    async findByIdempotencyKey(projectId, key) {
      const [row] = await db.read
        .select()
        .from(runs)
        .where(and(eq(runs.projectId, projectId), eq(runs.idempotencyKey, key)))
      return row ?? null
    },

    async events(runId, afterSeq, limit, maxChars) {
      const items: EventRow[] = []
      let chars = 0
      while (items.length < limit && chars < maxChars) {
        const where = and(eq(runEvents.runId, runId), gt(runEvents.seq, items.at(-1)?.seq ?? afterSeq))
        const wanted = Math.min(EVENTS_AT_ONCE, limit - items.length)
        const sized = { ...getTableColumns(runEvents), chars: sql<number>`length(cast(${runEvents.data} as text))` }
        const rows = await db.read.select(sized).from(runEvents).where(where).orderBy(asc(runEvents.seq)).limit(wanted)
        for (const { chars: size, ...row } of rows) {
          if (items.length > 0 && chars + size > maxChars) return { items, total: await lastSeq(runId) }
          items.push(row)
          chars += size
        }
        if (rows.length < wanted) break
      }
      return { items, total: await lastSeq(runId) }
    },
  }
}
