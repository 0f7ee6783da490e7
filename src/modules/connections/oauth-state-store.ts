import { and, count, eq, gt, isNull, lte } from "drizzle-orm"
import type { Database, Writer } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type OAuthStateRow = Tables["oauthStates"]["$inferSelect"]

/** Who may end a sign-in: whoever began it, in the same workspace. */
export interface Beginner {
  readonly tenantId: string
  readonly userId: string
}

export interface OAuthStateStore {
  transaction<T>(body: (tx: Writer) => Promise<T>): Promise<T>
  insert(row: OAuthStateRow, tx: Writer): Promise<void>
  countOpen(beginner: Beginner, now: number, tx: Writer): Promise<number>
  /** Null when it is unknown, used, too old, of another flow, or somebody else's. */
  find(id: string, now: number): Promise<OAuthStateRow | null>
  /** Uses it up; null as above. */
  take(id: string, flow: string, beginner: Beginner, now: number, tx: Writer): Promise<OAuthStateRow | null>
  over(now: number, limit: number, tx: Writer): Promise<readonly OAuthStateRow[]>
  delete(id: string, tx: Writer): Promise<void>
}

export function createOAuthStateStore(db: Database): OAuthStateStore {
  const { oauthStates: states } = db.tables
  const isOpen = (now: number) => and(isNull(states.usedAt), gt(states.expiresAt, now))
  const of = ({ tenantId, userId }: Beginner) => and(eq(states.tenantId, tenantId), eq(states.userId, userId))

  return {
    transaction: body => db.write(body),

    async insert(row, tx) {
      await tx.insert(states).values(row)
    },

    async countOpen(beginner, now, tx) {
      const [row] = await tx
        .select({ n: count() })
        .from(states)
        .where(and(of(beginner), isOpen(now)))
      return row?.n ?? 0
    },

    async find(id, now) {
      const [row] = await db.read
        .select()
        .from(states)
        .where(and(eq(states.id, id), isOpen(now)))
      return row ?? null
    },

    async take(id, flow, beginner, now, tx) {
      const [row] = await tx
        .update(states)
        .set({ usedAt: now })
        .where(and(eq(states.id, id), eq(states.flow, flow), of(beginner), isOpen(now)))
        .returning()
      return row ?? null
    },

    async over(now, limit, tx) {
      return await tx.select().from(states).where(lte(states.expiresAt, now)).limit(limit)
    },

    async delete(id, tx) {
      await tx.delete(states).where(eq(states.id, id))
    },
  }
}
