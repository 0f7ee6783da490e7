import { and, eq, inArray, like, sql } from "drizzle-orm"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import type { Database, Writer } from "../../storage/database.ts"

/** Who is called with a connection's secrets: an instance by one of its profiles, or in the runs of one workflow. */
export interface ConnectionUse {
  readonly connectionId: string
  readonly instanceId: string
  readonly profileId: string | null
  readonly workflowId: string | null
  /** Whether a run would use it: not so a profile that is not the active one. */
  readonly active: boolean
}

export interface UseStore {
  uses(tenantId: string, connectionIds: readonly string[], tx?: Writer): Promise<readonly ConnectionUse[]>
}

export function createUseStore(db: Database): UseStore {
  const { mcpConfigProfiles: profiles, connectionOverrides: overrides } = db.tables
  const { id, instanceId, active, sourceSpec } = profiles

  return {
    async uses(tenantId, connectionIds, tx) {
      if (connectionIds.length === 0) return []
      const from = tx ?? db.read
      // JSON is text on the one database and is not on the other.
      const mentions = like(sql`CAST(${sourceSpec} AS TEXT)`, '%"connection_id"%')
      const where = and(eq(profiles.tenantId, tenantId), mentions)
      const wired = await from.select({ id, instanceId, active, sourceSpec }).from(profiles).where(where)
      const overriding = await from
        .select()
        .from(overrides)
        .where(and(eq(overrides.tenantId, tenantId), inArray(overrides.connectionId, [...connectionIds])))
      return [
        ...wired.flatMap(profile => {
          const named = connectionsOf(profile.sourceSpec).filter(connection => connectionIds.includes(connection))
          return named.map(connectionId => ({ ...useOf(connectionId, profile), profileId: profile.id, workflowId: null }))
        }),
        ...overriding.map(row => ({
          ...useOf(row.connectionId, { instanceId: row.instanceId, active: true }),
          ...{ profileId: null, workflowId: row.workflowId },
        })),
      ]
    },
  }
}

function useOf(connectionId: string, { instanceId, active }: { instanceId: string; active: boolean }) {
  return { connectionId, instanceId, active }
}

/** The connections that a profile takes values from, each once (contract G-25). */
function connectionsOf(sourceSpec: JsonObject): readonly string[] {
  const named = Object.values(sourceSpec).flatMap(source =>
    isJsonObject(source) && source.source === "connection" && typeof source.connection_id === "string"
      ? [source.connection_id]
      : [],
  )
  return [...new Set(named)]
}
