import { and, asc, count, desc, eq, gt, inArray, lt } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import { RECORDED_EXCHANGES_MAX } from "../../kernel/limits.ts"
import { type Database, MissingValue } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type RecordingRow = Tables["runRecordings"]["$inferSelect"]
/** What a replay looks through; the rest is read when it is needed. */
export type RecordingEntry = Omit<RecordingRow, "request" | "response" | "tenantId" | "projectId" | "createdAt">

export interface RecordingStore {
  /** Behind those of the run that are there. False when that would be more than `RECORDED_EXCHANGES_MAX`. */
  insert(row: Omit<RecordingRow, "seq">): Promise<boolean>
  /** In the order of the answers; fewer than `limit` when they have more than `maxChars`, one at least. */
  list(runId: string, page: Page, maxChars: number): Promise<PageOf<RecordingRow>>
  entries(runId: string): Promise<readonly RecordingEntry[]>
  get(runId: string, seq: number): Promise<RecordingRow | null>
  delete(runId: string): Promise<void>
  /** Deletes some that were made before; false when all are gone. */
  deleteOld(before: number): Promise<boolean>
  /** The newest recorded runs of a workflow that have ended; not looked for beyond the newest `lookBack` of its runs. */
  recordedRuns(workflowId: string, limit: number, lookBack: number): Promise<readonly string[]>
}

const ROWS_AT_ONCE = 16
/** Rows deleted in one transaction. */
const DELETED_AT_ONCE = 200
const RUNS_AT_ONCE = 200

// The number follows from what is there when the statement runs, in a transaction with others of the same run.
const INSERT = `INSERT INTO run_recordings (run_id, seq, tenant_id, project_id, step_id, item, round, attempt, kind, request_hash, request,
  response, created_at) VALUES (?, (SELECT CASE WHEN coalesce(max(seq), 0) < ${RECORDED_EXCHANGES_MAX} THEN coalesce(max(seq), 0) + 1 END
  FROM run_recordings WHERE run_id = ?), ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

export function createRecordingStore(db: Database): RecordingStore {
  const { runRecordings: r, runs, runEvents } = db.tables

  return {
    async insert(row) {
      const { runId, tenantId, projectId, stepId, item, round, attempt, kind, requestHash, createdAt } = row
      const [request, response] = [JSON.stringify(row.request), JSON.stringify(row.response)]
      const head = [runId, runId, tenantId, projectId, stepId, item, round, attempt, kind, requestHash]
      try {
        await db.commit([{ sql: INSERT, params: [...head, request, response, createdAt] }])
        return true
      } catch (error) {
        if (error instanceof MissingValue) return false
        throw error
      }
    },

    async list(runId, { limit, offset }, maxChars) {
      const items: RecordingRow[] = []
      let chars = 0
      while (items.length < limit && chars < maxChars) {
        const wanted = Math.min(ROWS_AT_ONCE, limit - items.length)
        const rows = db.read.select().from(r).where(eq(r.runId, runId)).orderBy(asc(r.seq))
        const slice = await rows.limit(wanted).offset(offset + items.length)
        for (const row of slice) {
          chars += JSON.stringify(row.request).length + JSON.stringify(row.response).length
          if (items.length > 0 && chars > maxChars) break
          items.push(row)
        }
        if (slice.length < wanted) break
      }
      return { items, total: await db.read.$count(r, eq(r.runId, runId)) }
    },

    async entries(runId) {
      const { seq, stepId, item, round, attempt, kind, requestHash } = r
      const columns = { runId: r.runId, seq, stepId, item, round, attempt, kind, requestHash }
      return await db.read.select(columns).from(r).where(eq(r.runId, runId)).orderBy(asc(seq))
    },

    async get(runId, seq) {
      const [row] = await db.read
        .select()
        .from(r)
        .where(and(eq(r.runId, runId), eq(r.seq, seq)))
      return row ?? null
    },

    async delete(runId) {
      for (;;) {
        const rows = await db.read.select({ seq: r.seq }).from(r).where(eq(r.runId, runId)).limit(DELETED_AT_ONCE)
        if (rows.length === 0) return
        const seqs = rows.map(row => row.seq)
        await db.write(tx => tx.delete(r).where(and(eq(r.runId, runId), inArray(r.seq, seqs))))
      }
    },

    async deleteOld(before) {
      const [old] = await db.read
        .select({ runId: r.runId, n: count() })
        .from(r)
        .where(lt(r.createdAt, before))
        .groupBy(r.runId)
        .limit(1)
      if (!old) return false
      await db.write(tx => tx.delete(r).where(and(eq(r.runId, old.runId), lt(r.createdAt, before))))
      return true
    },

    async recordedRuns(workflowId, limit, lookBack) {
      const found: string[] = []
      const ended = and(eq(runs.workflowId, workflowId), gt(runs.completedAt, 0))
      for (let offset = 0; offset < lookBack && found.length < limit; offset += RUNS_AT_ONCE) {
        const rows = await db.read
          .select({ id: runs.id, data: runEvents.data })
          .from(runs)
          .innerJoin(runEvents, and(eq(runEvents.runId, runs.id), eq(runEvents.seq, 1)))
          .where(ended)
          .orderBy(desc(runs.startedAt), desc(runs.id))
          .limit(RUNS_AT_ONCE)
          .offset(offset)
        found.push(...rows.filter(row => row.data.recording === true).map(row => row.id))
        if (rows.length < RUNS_AT_ONCE) break
      }
      return found.slice(0, limit)
    },
  }
}
