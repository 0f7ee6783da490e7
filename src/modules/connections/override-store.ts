import { and, asc, eq, inArray } from "drizzle-orm"
import type { Database, Writer } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type OverrideRow = Tables["connectionOverrides"]["$inferSelect"]

/** A project's workflow, whose overrides these are. */
export interface OverrideKey {
  readonly tenantId: string
  readonly projectId: string
  readonly workflowId: string
}

export interface OverrideStore {
  list(key: OverrideKey): Promise<readonly OverrideRow[]>
  /** Null: the instance uses its profile's connection. */
  connectionOf(key: OverrideKey, instanceId: string): Promise<string | null>
  /** All of the workflow's at once; `check` may refuse by throwing. */
  replace(key: OverrideKey, rows: readonly OverrideRow[], check: (tx: Writer) => Promise<void>): Promise<void>
  /** Those of the ids that are instances of the project. */
  instancesAmong(key: OverrideKey, ids: readonly string[], tx: Writer): Promise<ReadonlySet<string>>
  /** Those of the ids that are connections of the workspace. */
  connectionsAmong(key: OverrideKey, ids: readonly string[], tx: Writer): Promise<ReadonlySet<string>>
}

export function createOverrideStore(db: Database): OverrideStore {
  const { connectionOverrides: overrides, mcpInstances: instances, connections } = db.tables
  const of = ({ tenantId, projectId, workflowId }: OverrideKey) =>
    and(eq(overrides.tenantId, tenantId), eq(overrides.projectId, projectId), eq(overrides.workflowId, workflowId))

  return {
    async list(key) {
      return await db.read.select().from(overrides).where(of(key)).orderBy(asc(overrides.instanceId))
    },

    async connectionOf(key, instanceId) {
      const { connectionId } = overrides
      const where = and(of(key), eq(overrides.instanceId, instanceId))
      const [row] = await db.read.select({ connectionId }).from(overrides).where(where)
      return row?.connectionId ?? null
    },

    async replace(key, rows, check) {
      await db.write(async tx => {
        await check(tx)
        await tx.delete(overrides).where(of(key))
        for (const row of rows) await tx.insert(overrides).values(row)
      })
    },

    async instancesAmong({ tenantId, projectId }, ids, tx) {
      if (ids.length === 0) return new Set()
      const mine = and(eq(instances.tenantId, tenantId), eq(instances.projectId, projectId), inArray(instances.id, [...ids]))
      return new Set((await tx.select({ id: instances.id }).from(instances).where(mine)).map(row => row.id))
    },

    async connectionsAmong({ tenantId }, ids, tx) {
      if (ids.length === 0) return new Set()
      const mine = and(eq(connections.tenantId, tenantId), inArray(connections.id, [...ids]))
      return new Set((await tx.select({ id: connections.id }).from(connections).where(mine)).map(row => row.id))
    },
  }
}
