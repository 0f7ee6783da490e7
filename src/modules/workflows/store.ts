import { and, desc, eq, getTableColumns, ne } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"
import type { Database } from "../../storage/database.ts"
import { hotSelect } from "../../storage/hot-select.ts"
import type { PinnedTools, RunSetup } from "../../storage/schema/workflows.ts"
import type { Tables } from "../../storage/tables.ts"

export type WorkflowRow = Tables["workflows"]["$inferSelect"]
export type VersionRow = Tables["workflowVersions"]["$inferSelect"]

/** Where a workflow lives; every look-up names it, so that an id of another project finds nothing. */
export interface Place {
  readonly tenantId: string
  readonly projectId: string
}

/** What a start has to know of a workflow, and of the version asked for; `version` is null when that is not there. */
export interface StartRow {
  readonly id: string
  readonly name: string
  readonly status: WorkflowRow["status"]
  readonly latestVersion: number | null
  readonly recording: boolean | null
  readonly version: number | null
  readonly runSetup: RunSetup | null
  readonly inputSchema: Json | null
}

export interface WorkflowStore {
  list(place: Place, page: Page): Promise<PageOf<WorkflowRow>>
  find(place: Place, id: string): Promise<WorkflowRow | null>
  /** `version` null: the newest. Null when there is no such workflow. */
  startRow(place: Place, id: string, version: number | null): Promise<StartRow | null>
  insert(row: WorkflowRow): Promise<void>
  /** Changes what is not archived. Saved defaults also go to the newest version (contract §5). False when nothing fits. */
  patch(place: Place, id: string, changes: WorkflowChanges): Promise<boolean>
  archive(place: Place, id: string, by: string, at: number): Promise<boolean>
  /** Freezes the draft that is there when the transaction runs; null when there is none or it is archived. */
  publish(place: Place, id: string, publication: Publication): Promise<VersionRow | null>
  versions(workflowId: string, page: Page): Promise<PageOf<VersionRow>>
  version(workflowId: string, version: number): Promise<VersionRow | null>
}

export interface WorkflowChanges {
  readonly name?: string
  readonly description?: string
  readonly graph?: JsonObject
  readonly runSetup?: RunSetup | null
  readonly inputSchema?: Json
  readonly recording?: boolean
  readonly updatedBy: string
  readonly updatedAt: number
}

export interface Publication {
  readonly changelog: string
  /** Undefined: the draft's own, or the one in its graph. */
  readonly inputSchema: Json | undefined
  /** The tools of its steps as they are now. */
  readonly tools: PinnedTools | null
  readonly by: string
  readonly at: number
  /** Throws when the draft may not be published. */
  readonly check: (graph: JsonObject) => void
}

export function createWorkflowStore(db: Database): WorkflowStore {
  const { workflows, workflowVersions } = db.tables
  const at = (place: Place, id: string) =>
    and(eq(workflows.tenantId, place.tenantId), eq(workflows.projectId, place.projectId), eq(workflows.id, id))
  const live = ne(workflows.status, "archived")
  const findOne = hotSelect(db, getTableColumns(workflows), "id = ? AND tenant_id = ? AND project_id = ?")
  // Every start begins here. Not the graph: it may be large, and its plan is kept.
  const { id, name, status, latestVersion, recording } = getTableColumns(workflows)
  const findHead = hotSelect(db, { id, name, status, latestVersion, recording }, "id = ? AND tenant_id = ? AND project_id = ?")
  const { version, runSetup, inputSchema } = getTableColumns(workflowVersions)
  const findStart = hotSelect(db, { version, runSetup, inputSchema }, "workflow_id = ? AND version = ?")
  const findVersion = hotSelect(db, getTableColumns(workflowVersions), "workflow_id = ? AND version = ?")

  return {
    async list(place, page) {
      const where = and(eq(workflows.tenantId, place.tenantId), eq(workflows.projectId, place.projectId), live)
      const rows = db.read.select().from(workflows).where(where).orderBy(desc(workflows.updatedAt), desc(workflows.id))
      return { items: await rows.limit(page.limit).offset(page.offset), total: await db.read.$count(workflows, where) }
    },

    async find({ tenantId, projectId }, id) {
      const [row] = await findOne([id, tenantId, projectId])
      return row ?? null
    },

    async startRow({ tenantId, projectId }, id, asked) {
      const [head] = await findHead([id, tenantId, projectId])
      if (!head) return null
      const wanted = asked ?? head.latestVersion
      const [found] = wanted === null ? [] : await findStart([id, wanted])
      return { ...head, ...(found ?? { version: null, runSetup: null, inputSchema: null }) }
    },

    async insert(row) {
      await db.write(async tx => {
        await tx.insert(workflows).values(row)
      })
    },

    async patch(place, id, changes) {
      return await db.write(async tx => {
        const [row] = await tx
          .select()
          .from(workflows)
          .where(and(at(place, id), live))
        if (!row) return false
        await tx.update(workflows).set(changes).where(eq(workflows.id, id))
        if (changes.runSetup !== undefined && row.latestVersion !== null) {
          const newest = and(eq(workflowVersions.workflowId, id), eq(workflowVersions.version, row.latestVersion))
          await tx.update(workflowVersions).set({ runSetup: changes.runSetup }).where(newest)
        }
        return true
      })
    },

    async archive(place, id, by, archivedAt) {
      return await db.write(async tx => {
        const changes = { status: "archived" as const, archivedAt, archivedBy: by, updatedAt: archivedAt, updatedBy: by }
        const changed = await tx
          .update(workflows)
          .set(changes)
          .where(and(at(place, id), live))
          .returning({ id: workflows.id })
        return changed.length > 0
      })
    },

    async publish(place, id, publication) {
      return await db.write(async tx => {
        const [draft] = await tx
          .select()
          .from(workflows)
          .where(and(at(place, id), live))
        if (!draft) return null
        publication.check(draft.graph)
        const row: VersionRow = {
          workflowId: id,
          version: (draft.latestVersion ?? 0) + 1,
          graph: draft.graph,
          inputSchema: publication.inputSchema ?? draft.graph.input_schema ?? draft.inputSchema,
          runSetup: draft.runSetup,
          tools: publication.tools,
          changelog: publication.changelog,
          publishedAt: publication.at,
          publishedBy: publication.by,
        }
        await tx.insert(workflowVersions).values(row)
        const changes = {
          latestVersion: row.version,
          status: "published" as const,
          updatedAt: publication.at,
          updatedBy: publication.by,
        }
        await tx.update(workflows).set(changes).where(eq(workflows.id, id))
        return row
      })
    },

    async versions(workflowId, page) {
      const where = eq(workflowVersions.workflowId, workflowId)
      const rows = db.read.select().from(workflowVersions).where(where).orderBy(desc(workflowVersions.version))
      return {
        items: await rows.limit(page.limit).offset(page.offset),
        total: await db.read.$count(workflowVersions, where),
      }
    },

    async version(workflowId, version) {
      const [row] = await findVersion([workflowId, version])
      return row ?? null
    },
  }
}
