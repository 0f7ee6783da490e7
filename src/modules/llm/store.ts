import { and, asc, count, eq } from "drizzle-orm"
import { isUuid } from "../../kernel/ids.ts"
import type { Database, Writer } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type LlmKeyRow = Tables["llmProviderKeys"]["$inferSelect"]
export type LlmKeyFields = Partial<Omit<LlmKeyRow, "id" | "tenantId" | "vendor" | "createdBy" | "createdAt">>

/** Keys of model vendors. Every row is looked up with its workspace; what is no UUID is nobody's id. */
export interface LlmKeyStore {
  transaction<T>(body: (tx: Writer) => Promise<T>): Promise<T>
  find(tenantId: string, id: string, tx?: Writer): Promise<LlmKeyRow | null>
  /** Oldest first; a workspace has few. */
  list(tenantId: string): Promise<readonly LlmKeyRow[]>
  countIn(tenantId: string, tx: Writer): Promise<number>
  /** The id of the key that has the label at that vendor. */
  holderOf(label: Pick<LlmKeyRow, "tenantId" | "vendor" | "label">, tx: Writer): Promise<string | null>
  insert(row: LlmKeyRow, tx: Writer): Promise<void>
  update(tenantId: string, id: string, fields: LlmKeyFields, tx?: Writer): Promise<void>
  /** Whether there was one. */
  delete(tenantId: string, id: string, tx: Writer): Promise<boolean>
}

export function createLlmKeyStore(db: Database): LlmKeyStore {
  const { llmProviderKeys: keys } = db.tables
  const the = (tenantId: string, id: string) => and(eq(keys.tenantId, tenantId), eq(keys.id, id))

  return {
    transaction: body => db.write(body),

    async find(tenantId, id, tx) {
      if (!isUuid(id)) return null
      const [row] = await (tx ?? db.read).select().from(keys).where(the(tenantId, id))
      return row ?? null
    },

    async list(tenantId) {
      return await db.read.select().from(keys).where(eq(keys.tenantId, tenantId)).orderBy(asc(keys.createdAt), asc(keys.id))
    },

    async countIn(tenantId, tx) {
      const [row] = await tx.select({ n: count() }).from(keys).where(eq(keys.tenantId, tenantId))
      return row?.n ?? 0
    },

    async holderOf({ tenantId, vendor, label }, tx) {
      const where = and(eq(keys.tenantId, tenantId), eq(keys.vendor, vendor), eq(keys.label, label))
      const [row] = await tx.select({ id: keys.id }).from(keys).where(where)
      return row?.id ?? null
    },

    async insert(row, tx) {
      await tx.insert(keys).values(row)
    },

    async update(tenantId, id, fields, tx) {
      if (tx === undefined) return await db.write(own => this.update(tenantId, id, fields, own))
      await tx.update(keys).set(fields).where(the(tenantId, id))
    },

    async delete(tenantId, id, tx) {
      const gone = await tx.delete(keys).where(the(tenantId, id)).returning({ id: keys.id })
      return gone.length > 0
    },
  }
}
