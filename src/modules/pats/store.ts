import { and, count, desc, eq, isNull } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database, Writer } from "../../storage/database.ts"

/** Where a PAT belongs: it is never looked up by its id alone. */
export interface ProjectKey {
  readonly tenantId: string
  readonly projectId: string
}

export interface PatRow extends ProjectKey {
  readonly id: string
  readonly userId: string
  readonly displayName: string
  readonly tokenHash: string
  readonly tokenHint: string
  readonly scopes: string[]
  readonly createdAt: number
  readonly lastUsedAt: number | null
  readonly revealedAt: number | null
  readonly revokedAt: number | null
}

/** Operations take part in a transaction of the service, which also moves the vault's copy. */
export class PatStore {
  constructor(private readonly db: Database) {}

  transaction<T>(body: (tx: Writer) => Promise<T>): Promise<T> {
    return this.db.write(body)
  }

  /** Newest first; of one owner, or of the whole project. */
  async page(key: ProjectKey, ownerId: string | null, { limit, offset }: Page): Promise<PageOf<PatRow>> {
    const { pats } = this.db.tables
    const where = and(this.#in(key), ownerId === null ? undefined : eq(pats.userId, ownerId))
    const items = await this.db.read
      .select()
      .from(pats)
      .where(where)
      .orderBy(desc(pats.createdAt), desc(pats.id))
      .limit(limit)
      .offset(offset)
    const [counted] = await this.db.read.select({ total: count() }).from(pats).where(where)
    return { items, total: counted?.total ?? 0 }
  }

  async get(key: ProjectKey, id: string, tx?: Writer): Promise<PatRow | null> {
    const { pats } = this.db.tables
    const [row] = await (tx ?? this.db.read)
      .select()
      .from(pats)
      .where(and(this.#in(key), eq(pats.id, id)))
    return row ?? null
  }

  async insert(pat: PatRow, tx: Writer): Promise<void> {
    await tx.insert(this.db.tables.pats).values(pat)
  }

  async countGood(key: ProjectKey, userId: string, tx: Writer): Promise<number> {
    const { pats } = this.db.tables
    const [row] = await tx
      .select({ total: count() })
      .from(pats)
      .where(and(this.#in(key), eq(pats.userId, userId), isNull(pats.revokedAt)))
    return row?.total ?? 0
  }

  async findGood(key: ProjectKey, userId: string, displayName: string, tx: Writer): Promise<PatRow | null> {
    const { pats } = this.db.tables
    const [row] = await tx
      .select()
      .from(pats)
      .where(and(this.#in(key), eq(pats.userId, userId), eq(pats.displayName, displayName), isNull(pats.revokedAt)))
      .limit(1)
    return row ?? null
  }

  /** One update decides: of two who reveal at once, one gets true. */
  async markRevealed(key: ProjectKey, id: string, now: number, tx: Writer): Promise<boolean> {
    const { pats } = this.db.tables
    const rows = await tx
      .update(pats)
      .set({ revealedAt: now })
      .where(and(this.#in(key), eq(pats.id, id), isNull(pats.revealedAt)))
      .returning({ id: pats.id })
    return rows.length > 0
  }

  /** A second revocation keeps the moment of the first. */
  async revoke(key: ProjectKey, id: string, now: number, tx: Writer): Promise<void> {
    const { pats } = this.db.tables
    await tx
      .update(pats)
      .set({ revokedAt: now })
      .where(and(this.#in(key), eq(pats.id, id), isNull(pats.revokedAt)))
  }

  /** All good ones of a person in a workspace, or in one project of it. Returns their ids. */
  async revokeAllOf(
    tenantId: string,
    userId: string,
    projectId: string | null,
    now: number,
    tx: Writer,
  ): Promise<readonly string[]> {
    const { pats } = this.db.tables
    const where = and(
      eq(pats.tenantId, tenantId),
      eq(pats.userId, userId),
      projectId === null ? undefined : eq(pats.projectId, projectId),
      isNull(pats.revokedAt),
    )
    const rows = await tx.update(pats).set({ revokedAt: now }).where(where).returning({ id: pats.id })
    return rows.map(row => row.id)
  }

  #in({ tenantId, projectId }: ProjectKey) {
    const { pats } = this.db.tables
    return and(eq(pats.tenantId, tenantId), eq(pats.projectId, projectId))
  }
}
