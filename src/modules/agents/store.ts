import { and, asc, eq } from "drizzle-orm"
import type { Scope } from "../../connectors/connector.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import { isUuid } from "../../kernel/ids.ts"
import type { Database } from "../../storage/database.ts"
import type { Tables } from "../../storage/tables.ts"

export type AgentRow = Tables["agents"]["$inferSelect"]
export type AgentChange = Partial<
  Pick<AgentRow, "name" | "description" | "instructions" | "modelRef" | "definition" | "status" | "updatedAt">
>

/** Agents of projects. Every row is looked up with its tenant and project; what is no UUID is nobody's id. */
export interface AgentStore {
  /** Oldest first. */
  list(scope: Scope, page: Page): Promise<PageOf<AgentRow>>
  find(scope: Scope, id: string): Promise<AgentRow | null>
  count(scope: Scope): Promise<number>
  insert(row: AgentRow): Promise<void>
  /** As it is then; null: it was not there. */
  update(scope: Scope, id: string, change: AgentChange): Promise<AgentRow | null>
  /** False: it was not there. */
  remove(scope: Scope, id: string): Promise<boolean>
}

export function createAgentStore(db: Database): AgentStore {
  const { agents } = db.tables
  const mine = ({ tenantId, projectId }: Scope) => and(eq(agents.tenantId, tenantId), eq(agents.projectId, projectId))
  const the = (scope: Scope, id: string) => and(mine(scope), eq(agents.id, id))

  return {
    async list(scope, page) {
      const rows = db.read.select().from(agents).where(mine(scope)).orderBy(asc(agents.createdAt), asc(agents.id))
      return { items: await rows.limit(page.limit).offset(page.offset), total: await this.count(scope) }
    },
    async find(scope, id) {
      if (!isUuid(id)) return null
      const [row] = await db.read.select().from(agents).where(the(scope, id))
      return row ?? null
    },
    count: async scope => await db.read.$count(agents, mine(scope)),
    insert: row => db.write(async tx => void (await tx.insert(agents).values(row))),
    update: (scope, id, change) =>
      db.write(async tx => {
        if (!isUuid(id)) return null
        const [row] = await tx.update(agents).set(change).where(the(scope, id)).returning()
        return row ?? null
      }),
    remove: (scope, id) =>
      db.write(async tx => {
        if (!isUuid(id)) return false
        const removed = await tx.delete(agents).where(the(scope, id)).returning({ id: agents.id })
        return removed.length > 0
      }),
  }
}
