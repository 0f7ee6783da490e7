import { and, count, desc, eq, getTableColumns, sql } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database, Writer } from "../../storage/database.ts"
import { hotSelect } from "../../storage/hot-select.ts"
import { InTurn } from "../../storage/in-turn.ts"
import type { Tables } from "../../storage/tables.ts"

export type SubscriptionRow = Tables["inboundSubscriptions"]["$inferSelect"]
export type SubscriptionChanges = Partial<
  Pick<
    SubscriptionRow,
    "name" | "enabled" | "extras" | "callbackUrl" | "ratePerMinute" | "automationPatId" | "previousSecretUntil" | "updatedAt"
  >
>

/** Where a subscription belongs: people look it up with its project, only its own address by its id alone. */
export interface ProjectKey {
  readonly tenantId: string
  readonly projectId: string
}

/** What was wrong with requests to one subscription. */
export interface Refusals {
  readonly count: number
  readonly lastAt: number
  readonly why: string
}

export interface SubscriptionStore {
  transaction<T>(body: (tx: Writer) => Promise<T>): Promise<T>
  /** By its address. Always from the database: what it says is what answers. */
  ofAddress(id: string): Promise<SubscriptionRow | null>
  find(key: ProjectKey, id: string, tx?: Writer): Promise<SubscriptionRow | null>
  /** Newest first. */
  page(key: ProjectKey, page: Page): Promise<PageOf<SubscriptionRow>>
  countIn(key: ProjectKey, tx: Writer): Promise<number>
  insert(row: SubscriptionRow, tx: Writer): Promise<void>
  /** Null when it is not there. */
  patch(key: ProjectKey, id: string, changes: SubscriptionChanges, tx: Writer): Promise<SubscriptionRow | null>
  delete(key: ProjectKey, id: string, tx: Writer): Promise<boolean>
  addRefusals(refused: ReadonlyMap<string, Refusals>): Promise<void>
}

export function createSubscriptionStore(db: Database): SubscriptionStore {
  const { inboundSubscriptions: subscriptions } = db.tables
  const findOne = hotSelect(db, getTableColumns(subscriptions), "id = ?")
  const addresses = new InTurn<SubscriptionRow | null>()
  const inProject = ({ tenantId, projectId }: ProjectKey) =>
    and(eq(subscriptions.tenantId, tenantId), eq(subscriptions.projectId, projectId))

  return {
    async transaction(body) {
      try {
        return await db.write(body)
      } finally {
        addresses.clear()
      }
    },

    ofAddress: id =>
      addresses.read(id, async () => {
        const [row] = await findOne([id])
        return row ?? null
      }),

    async find(key, id, tx) {
      const [row] = await (tx ?? db.read)
        .select()
        .from(subscriptions)
        .where(and(inProject(key), eq(subscriptions.id, id)))
      return row ?? null
    },

    async page(key, { limit, offset }) {
      const where = inProject(key)
      const rows = db.read
        .select()
        .from(subscriptions)
        .where(where)
        .orderBy(desc(subscriptions.createdAt), desc(subscriptions.id))
      return { items: await rows.limit(limit).offset(offset), total: await db.read.$count(subscriptions, where) }
    },

    async countIn(key, tx) {
      const [row] = await tx.select({ n: count() }).from(subscriptions).where(inProject(key))
      return row?.n ?? 0
    },

    async insert(row, tx) {
      await tx.insert(subscriptions).values(row)
    },

    async patch(key, id, changes, tx) {
      const [row] = await tx
        .update(subscriptions)
        .set(changes)
        .where(and(inProject(key), eq(subscriptions.id, id)))
        .returning()
      return row ?? null
    },

    async delete(key, id, tx) {
      const gone = await tx
        .delete(subscriptions)
        .where(and(inProject(key), eq(subscriptions.id, id)))
        .returning({ id: subscriptions.id })
      return gone.length > 0
    },

    async addRefusals(refused) {
      await db.write(async tx => {
        for (const [id, { count: n, lastAt, why }] of refused) {
          const changes = { refused: sql`${subscriptions.refused} + ${n}`, lastRefusedAt: lastAt, lastRefusal: why }
          await tx.update(subscriptions).set(changes).where(eq(subscriptions.id, id))
        }
      })
      addresses.clear()
    },
  }
}
