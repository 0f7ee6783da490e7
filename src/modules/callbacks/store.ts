import { and, asc, eq, inArray, lt, lte, ne } from "drizzle-orm"
import { CALLBACK_ATTEMPTS_KEPT_MAX } from "../../kernel/limits.ts"
import type { Database, Writer } from "../../storage/database.ts"
import type { CallbackAttempt, CallbackStatus } from "../../storage/schema/callbacks.ts"
import type { Tables } from "../../storage/tables.ts"

export type CallbackRow = Tables["runCallbacks"]["$inferSelect"]

export interface ProjectKey {
  readonly tenantId: string
  readonly projectId: string
}

/** What of a run its callback tells. */
export type EndedRun = Pick<
  Tables["runs"]["$inferSelect"],
  | "id"
  | "workflowId"
  | "workflowName"
  | "version"
  | "triggerType"
  | "status"
  | "failureCode"
  | "error"
  | "failedStepId"
  | "startedAt"
  | "completedAt"
>

/** How it goes on after an attempt. */
export type NextOf = { readonly status: "pending"; readonly at: number } | { readonly status: "delivered" | "failed" }

/** Rows deleted in one transaction: everybody else waits for it. */
const SWEEP_AT_ONCE = 1_000

/** The outbox of run ends. The journal puts the rows in; here they are taken, tried and ended. */
export class CallbackStore {
  constructor(private readonly db: Database) {}

  transaction<T>(body: (tx: Writer) => Promise<T>): Promise<T> {
    return this.db.write(body)
  }

  /** Oldest moment first. */
  async due(now: number, limit: number): Promise<readonly CallbackRow[]> {
    const { runCallbacks: c } = this.db.tables
    return await this.db.read.select().from(c).where(lte(c.nextAttemptAt, now)).orderBy(asc(c.nextAttemptAt)).limit(limit)
  }

  /**
   * Takes those of `ids` that are still due, until `until`: whoever ends before it has recorded an attempt leaves them due
   * again then. `later` are put off without being taken. Returns what was taken.
   */
  async claim(ids: readonly string[], until: number, later: readonly string[], laterAt: number, now: number) {
    const { runCallbacks: c } = this.db.tables
    const stillDue = (which: readonly string[]) => and(inArray(c.id, [...which]), lte(c.nextAttemptAt, now))
    return await this.db.write(async tx => {
      if (later.length > 0) await tx.update(c).set({ nextAttemptAt: laterAt }).where(stillDue(later))
      if (ids.length === 0) return []
      return await tx.update(c).set({ nextAttemptAt: until }).where(stillDue(ids)).returning()
    })
  }

  /** An attempt, and what follows from it. A callback that was delivered stays so. */
  async record(id: string, attempt: CallbackAttempt, next: NextOf): Promise<void> {
    const { runCallbacks: c } = this.db.tables
    await this.db.write(async tx => {
      const [row] = await tx.select({ attempts: c.attempts }).from(c).where(eq(c.id, id))
      if (!row) return
      const attempts = [...row.attempts, attempt].slice(-CALLBACK_ATTEMPTS_KEPT_MAX)
      const over = next.status === "pending" ? null : attempt.at + attempt.durationMs
      const status: CallbackStatus = next.status
      await tx
        .update(c)
        .set({ status, attempts, endedAt: over, nextAttemptAt: next.status === "pending" ? next.at : null })
        .where(and(eq(c.id, id), ne(c.status, "delivered")))
    })
  }

  /** Gives back what was claimed and not tried. */
  async release(id: string, now: number): Promise<void> {
    const { runCallbacks: c } = this.db.tables
    await this.db.write(tx =>
      tx
        .update(c)
        .set({ nextAttemptAt: now })
        .where(and(eq(c.id, id), eq(c.status, "pending"))),
    )
  }

  /** Makes all of a run that were not delivered due now; how many. */
  async makeDue(key: ProjectKey, runId: string, now: number): Promise<number> {
    const { runCallbacks: c } = this.db.tables
    const rows = await this.db.write(tx =>
      tx
        .update(c)
        .set({ status: "pending", nextAttemptAt: now, endedAt: null })
        .where(and(this.#ofRun(key, runId), ne(c.status, "delivered")))
        .returning({ id: c.id }),
    )
    return rows.length
  }

  async ofRun(key: ProjectKey, runId: string): Promise<readonly CallbackRow[]> {
    const { runCallbacks: c } = this.db.tables
    return await this.db.read.select().from(c).where(this.#ofRun(key, runId)).orderBy(asc(c.createdAt), asc(c.id))
  }

  /** Null when the run is not of this workflow in this project. */
  async run(key: ProjectKey, workflowId: string, runId: string): Promise<EndedRun | null> {
    const { runs } = this.db.tables
    const { id, workflowName, version, triggerType, status, failureCode, error, failedStepId, startedAt, completedAt } = runs
    const columns = { id, workflowName, version, triggerType, status, failureCode, error, failedStepId, startedAt, completedAt }
    const [row] = await this.db.read
      .select({ ...columns, workflowId: runs.workflowId })
      .from(runs)
      .where(
        and(eq(id, runId), eq(runs.workflowId, workflowId), eq(runs.tenantId, key.tenantId), eq(runs.projectId, key.projectId)),
      )
    return row ?? null
  }

  /** Deletes what ended before; how many. */
  async sweep(before: number): Promise<number> {
    const { runCallbacks: c } = this.db.tables
    // What ended before was made before: so the index of the ages is enough.
    const old = and(lt(c.createdAt, before), lt(c.endedAt, before))
    for (let swept = 0; ; ) {
      const rows = await this.db.read.select({ id: c.id }).from(c).where(old).limit(SWEEP_AT_ONCE)
      if (rows.length === 0) return swept
      const ids = rows.map(row => row.id)
      await this.db.write(tx => tx.delete(c).where(and(inArray(c.id, ids), old)))
      swept += ids.length
    }
  }

  #ofRun({ tenantId, projectId }: ProjectKey, runId: string) {
    const { runCallbacks: c } = this.db.tables
    return and(eq(c.runId, runId), eq(c.tenantId, tenantId), eq(c.projectId, projectId))
  }
}
