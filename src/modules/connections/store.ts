import { and, asc, count, desc, eq, inArray, isNotNull, isNull, lte, notInArray } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import { isUuid } from "../../kernel/ids.ts"
import type { Database, Writer } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type ConnectionRow = Tables["connections"]["$inferSelect"]
export type CredentialRow = Tables["connectionCredentials"]["$inferSelect"]
export type ConnectionFields = Partial<
  Pick<ConnectionRow, "displayName" | "service" | "status" | "statusReason" | "account" | "metadata" | "expiresAt" | "updatedAt">
>

export interface ConnectionFilter {
  readonly provider?: string
  readonly service?: string
}

/** Saved connections. Every row is looked up with its workspace; what is no UUID is nobody's id. */
export interface ConnectionStore {
  transaction<T>(body: (tx: Writer) => Promise<T>): Promise<T>
  find(tenantId: string, id: string, tx?: Writer): Promise<ConnectionRow | null>
  /** Newest first. */
  page(tenantId: string, filter: ConnectionFilter, page: Page): Promise<PageOf<ConnectionRow>>
  countIn(tenantId: string, tx: Writer): Promise<number>
  insert(row: ConnectionRow, tx: Writer): Promise<void>
  update(tenantId: string, id: string, fields: ConnectionFields, tx: Writer): Promise<void>
  /** With what is kept of its secrets, which the vault has to forget besides. */
  delete(tenantId: string, id: string, tx: Writer): Promise<void>
  /** Of connections that were found before; by key. */
  credentials(ids: readonly string[], tx?: Writer): Promise<readonly CredentialRow[]>
  putCredential(row: CredentialRow, tx: Writer): Promise<void>
  dropCredential(connectionId: string, key: string, tx: Writer): Promise<void>
  /** Active ones of all workspaces whose access token runs out by then, the first to do so first. */
  expiring(by: number, except: readonly string[], limit: number): Promise<readonly ConnectionRow[]>
  /** Where an event of the workspace is heard: its projects, but for archived ones. */
  projectIds(tenantId: string, tx: Writer): Promise<readonly string[]>
}

export function createConnectionStore(db: Database): ConnectionStore {
  const { connections, connectionCredentials: credentials, projects } = db.tables
  const the = (tenantId: string, id: string) => and(eq(connections.tenantId, tenantId), eq(connections.id, id))

  return {
    transaction: body => db.write(body),

    async find(tenantId, id, tx) {
      if (!isUuid(id)) return null
      const [row] = await (tx ?? db.read).select().from(connections).where(the(tenantId, id))
      return row ?? null
    },

    async page(tenantId, { provider, service }, { limit, offset }) {
      const where = and(
        eq(connections.tenantId, tenantId),
        provider === undefined ? undefined : eq(connections.provider, provider),
        service === undefined ? undefined : eq(connections.service, service),
      )
      const rows = db.read.select().from(connections).where(where).orderBy(desc(connections.createdAt), desc(connections.id))
      return { items: await rows.limit(limit).offset(offset), total: await db.read.$count(connections, where) }
    },

    async countIn(tenantId, tx) {
      const [row] = await tx.select({ n: count() }).from(connections).where(eq(connections.tenantId, tenantId))
      return row?.n ?? 0
    },

    async insert(row, tx) {
      await tx.insert(connections).values(row)
    },

    async update(tenantId, id, fields, tx) {
      if (Object.keys(fields).length === 0) return
      await tx.update(connections).set(fields).where(the(tenantId, id))
    },

    async delete(tenantId, id, tx) {
      await tx.delete(credentials).where(eq(credentials.connectionId, id))
      await tx.delete(connections).where(the(tenantId, id))
    },

    async credentials(ids, tx) {
      if (ids.length === 0) return []
      const rows = (tx ?? db.read).select().from(credentials)
      return await rows.where(inArray(credentials.connectionId, [...ids])).orderBy(asc(credentials.key))
    },

    async putCredential(row, tx) {
      const { last4, updatedAt } = row
      const target = [credentials.connectionId, credentials.key]
      await tx.insert(credentials).values(row).onConflictDoUpdate({ target, set: { last4, updatedAt } })
    },

    async dropCredential(connectionId, key, tx) {
      await tx.delete(credentials).where(and(eq(credentials.connectionId, connectionId), eq(credentials.key, key)))
    },

    async expiring(by, except, limit) {
      const where = and(
        eq(connections.status, "active"),
        isNotNull(connections.expiresAt),
        lte(connections.expiresAt, by),
        except.length === 0 ? undefined : notInArray(connections.id, [...except]),
      )
      return await db.read.select().from(connections).where(where).orderBy(asc(connections.expiresAt)).limit(limit)
    },

    async projectIds(tenantId, tx) {
      const where = and(eq(projects.tenantId, tenantId), isNull(projects.archivedAt))
      return (await tx.select({ id: projects.id }).from(projects).where(where)).map(row => row.id)
    },
  }
}
