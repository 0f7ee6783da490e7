import { and, count, desc, eq, inArray, isNull, type SQL } from "drizzle-orm"
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
  /** The PAT that made this one, and with which it ends. */
  readonly createdByPatId: string | null
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
  async page(
    key: ProjectKey,
    ownerId: string | null,
    revoked: "with_revoked" | "good",
    { limit, offset }: Page,
  ): Promise<PageOf<PatRow>> {
    const { pats } = this.db.tables
    const where = and(
      this.#in(key),
      ownerId === null ? undefined : eq(pats.userId, ownerId),
      revoked === "good" ? isNull(pats.revokedAt) : undefined,
    )
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

  /**
   * Whether it is not revoked, and keeps it so until the transaction ends: the update that changes nothing is the lock, so
   * that a revocation at the same moment comes before or finds what was made.
   */
  async holdGood(tenantId: string, id: string, tx: Writer): Promise<boolean> {
    const { pats } = this.db.tables
    const rows = await tx
      .update(pats)
      .set({ id })
      .where(and(eq(pats.tenantId, tenantId), eq(pats.id, id), isNull(pats.revokedAt)))
      .returning({ id: pats.id })
    return rows.length > 0
  }

  /** With all that it made, and what these made. Returns their ids; a second revocation keeps the moment of the first. */
  async revoke(key: ProjectKey, id: string, now: number, tx: Writer): Promise<readonly string[]> {
    const { pats } = this.db.tables
    return this.#revokeWithMade(key.tenantId, and(this.#in(key), eq(pats.id, id)), now, tx)
  }

  /** All good ones of a person in a workspace, or in one project of it, with what they made. Returns their ids. */
  async revokeAllOf(
    tenantId: string,
    userId: string,
    projectId: string | null,
    now: number,
    tx: Writer,
  ): Promise<readonly string[]> {
    const { pats } = this.db.tables
    const theirs = and(
      eq(pats.tenantId, tenantId),
      eq(pats.userId, userId),
      projectId === null ? undefined : eq(pats.projectId, projectId),
    )
    return this.#revokeWithMade(tenantId, theirs, now, tx)
  }

  /** What a PAT made is in the same workspace, maybe in another project. */
  async #revokeWithMade(tenantId: string, first: SQL | undefined, now: number, tx: Writer): Promise<readonly string[]> {
    const { pats } = this.db.tables
    const revoked: string[] = []
    let which = first
    for (;;) {
      const rows = await tx
        .update(pats)
        .set({ revokedAt: now })
        .where(and(which, isNull(pats.revokedAt)))
        .returning({ id: pats.id })
      if (rows.length === 0) return revoked
      const ids = rows.map(row => row.id)
      revoked.push(...ids)
      which = and(eq(pats.tenantId, tenantId), inArray(pats.createdByPatId, ids))
    }
  }

  #in({ tenantId, projectId }: ProjectKey) {
    const { pats } = this.db.tables
    return and(eq(pats.tenantId, tenantId), eq(pats.projectId, projectId))
  }
}
