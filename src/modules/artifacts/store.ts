import { and, count, desc, eq, inArray, isNull, lt, sum } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type ArtifactRow = Tables["artifacts"]["$inferSelect"]

export interface Place {
  readonly tenantId: string
  readonly projectId: string
}

/** What makes two of a project the same. */
export type Sameness = Place & Pick<ArtifactRow, "runId" | "stepId" | "name" | "mimeType" | "sha256">

export interface ArtifactStore {
  insert(row: ArtifactRow): Promise<void>
  get(place: Place, id: string): Promise<ArtifactRow | null>
  findSame(wanted: Sameness): Promise<ArtifactRow | null>
  /** Newest first. */
  list(place: Place, runId: string | null, page: Page): Promise<PageOf<ArtifactRow>>
  /** How many a project has, and their bytes. */
  usage(place: Place): Promise<{ readonly count: number; readonly sizeBytes: number }>
  /** Its content's hash; null when there is no such row. */
  delete(place: Place, id: string): Promise<string | null>
  /** Deletes some that were made before; the hashes of their contents, none when all are gone. */
  deleteOld(before: number): Promise<readonly string[]>
  /** Those of the hashes that some row names. */
  used(sha256s: readonly string[]): Promise<ReadonlySet<string>>
}

/** Rows deleted in one transaction. */
const SWEEP_AT_ONCE = 200

export function createArtifactStore(db: Database): ArtifactStore {
  const { artifacts: a } = db.tables
  const inPlace = ({ tenantId, projectId }: Place) => and(eq(a.tenantId, tenantId), eq(a.projectId, projectId))

  return {
    async insert(row) {
      await db.write(tx => tx.insert(a).values(row))
    },

    async get(place, id) {
      const where = and(inPlace(place), eq(a.id, id))
      const [row] = await db.read.select().from(a).where(where)
      return row ?? null
    },

    async findSame(wanted) {
      const { runId, stepId, name, mimeType, sha256 } = wanted
      const where = and(
        eq(a.sha256, sha256),
        inPlace(wanted),
        eq(a.mimeType, mimeType),
        runId === null ? isNull(a.runId) : eq(a.runId, runId),
        stepId === null ? isNull(a.stepId) : eq(a.stepId, stepId),
        name === null ? isNull(a.name) : eq(a.name, name),
      )
      const [row] = await db.read.select().from(a).where(where).limit(1)
      return row ?? null
    },

    async list(place, runId, { limit, offset }) {
      const where = and(inPlace(place), runId === null ? undefined : eq(a.runId, runId))
      const rows = db.read.select().from(a).where(where).orderBy(desc(a.createdAt), desc(a.id))
      return { items: await rows.limit(limit).offset(offset), total: await db.read.$count(a, where) }
    },

    async usage(place) {
      const [row] = await db.read
        .select({ count: count(), sizeBytes: sum(a.sizeBytes) })
        .from(a)
        .where(inPlace(place))
      return { count: row?.count ?? 0, sizeBytes: Number(row?.sizeBytes ?? 0) }
    },

    async delete(place, id) {
      const where = and(inPlace(place), eq(a.id, id))
      const [row] = await db.write(tx => tx.delete(a).where(where).returning({ sha256: a.sha256 }))
      return row?.sha256 ?? null
    },

    async deleteOld(before) {
      const old = await db.read.select({ id: a.id }).from(a).where(lt(a.createdAt, before)).limit(SWEEP_AT_ONCE)
      if (old.length === 0) return []
      const ids = old.map(row => row.id)
      const rows = await db.write(tx => tx.delete(a).where(inArray(a.id, ids)).returning({ sha256: a.sha256 }))
      return [...new Set(rows.map(row => row.sha256))]
    },

    async used(sha256s) {
      if (sha256s.length === 0) return new Set()
      const where = inArray(a.sha256, [...sha256s])
      const rows = await db.read.selectDistinct({ sha256: a.sha256 }).from(a).where(where)
      return new Set(rows.map(row => row.sha256))
    },
  }
}
