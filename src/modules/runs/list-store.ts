import { desc, getTableColumns, inArray } from "drizzle-orm"
import { RUN_STATUSES } from "../../engine/state.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database, Row, SqlValue } from "../../storage/database.ts"
import { ALL_WORKFLOWS, dayOf, startOfDay } from "../../storage/run-counts.ts"
import type { Tables } from "../../storage/tables.ts"

/** A run without what only the engine needs of it: an input may be large. */
export type RunRow = Omit<Tables["runs"]["$inferSelect"], "input" | "inputHash" | "excludedStepIds">

export interface RunFilter {
  readonly tenantId: string
  readonly projectIds: readonly string[]
  readonly workflowId?: string
  /** Runs that this run started. */
  readonly parentRunId?: string
  readonly statuses?: readonly string[]
  /** Started at or after, ms. */
  readonly since?: number
}

export function runColumns(runs: Tables["runs"]) {
  const { input: _input, inputHash: _hash, excludedStepIds: _excluded, ...columns } = getTableColumns(runs)
  return columns
}

/** Behind so many runs a page is looked for on its day, instead of passing all that come before it. */
const OFFSET_DIRECT_MAX = 1_000

/** From, inclusive, and to, exclusive, ms. */
type Span = readonly [from: number, to: number]
const ALWAYS: Span = [0, Number.MAX_SAFE_INTEGER]

interface Key {
  readonly id: string
  readonly startedAt: number
}

/** How many runs of one status a project, or a workflow in it, has. */
interface Count {
  readonly projectId: string
  readonly status: string
  readonly n: number
}

/** One range of an index for each status. */
interface Scope {
  /** The columns that the index begins with; its next ones are the status and the order of the list. */
  readonly where: string
  readonly params: readonly SqlValue[]
  readonly statuses: readonly string[]
}

/**
 * Pages of runs, newest first, with the exact total. Neither gets slower with the number of runs: totals are added up from
 * `run_counts`, and a page is merged from the ends of a few ranges of an index, one for each project and status.
 */
export function createRunList(db: Database): (filter: RunFilter, page: Page) => Promise<PageOf<RunRow>> {
  return async (filter, page) => {
    if (filter.parentRunId !== undefined) return await childRuns(db, filter, filter.parentRunId, page)
    const ever = await countsOf(db, filter, 0)
    const scopes = scopesOf(filter, ever)
    const total = filter.since === undefined ? sumOf(ever) : await totalSince(db, filter, filter.since, scopes)
    if (page.offset >= total) return { items: [], total }
    return { items: await rowsOf(db, filter, await pageOfIds(db, filter, scopes, page)), total }
  }
}

/** A run starts few others: these are looked at one by one. */
async function childRuns(db: Database, filter: RunFilter, parentRunId: string, page: Page): Promise<PageOf<RunRow>> {
  const sql = "SELECT id, tenant_id, project_id, workflow_id, status, started_at FROM runs WHERE parent_run_id = ?"
  const children = (await db.query({ sql, params: [parentRunId] })).filter(
    row =>
      row.tenant_id === filter.tenantId &&
      filter.projectIds.includes(String(row.project_id)) &&
      (filter.workflowId === undefined || row.workflow_id === filter.workflowId) &&
      (filter.statuses === undefined || filter.statuses.includes(String(row.status))) &&
      (filter.since === undefined || Number(row.started_at) >= filter.since),
  )
  const keys = children.map(keyOf).sort(newestFirst)
  const ids = keys.slice(page.offset, page.offset + page.limit).map(k => k.id)
  return { items: await rowsOf(db, filter, ids), total: keys.length }
}

async function rowsOf(db: Database, filter: RunFilter, ids: readonly string[]): Promise<readonly RunRow[]> {
  const { runs } = db.tables
  // By id alone: given the place as well, SQLite takes the index of the place and looks at everything in it.
  const rows = db.read
    .select(runColumns(runs))
    .from(runs)
    .where(inArray(runs.id, [...ids]))
  const items = await rows.orderBy(desc(runs.startedAt), desc(runs.id))
  return items.filter(r => r.tenantId === filter.tenantId && filter.projectIds.includes(r.projectId))
}

/** Started on this day, in days since the epoch, or later. */
async function countsOf(db: Database, filter: RunFilter, fromDay: number): Promise<readonly Count[]> {
  const { tenantId, projectIds, workflowId } = filter
  const sql = `SELECT project_id, status, sum(n) AS n FROM run_counts
    WHERE tenant_id = ? AND project_id IN (${marks(projectIds)}) AND workflow_id = ? AND day >= ? GROUP BY project_id, status`
  const rows = await db.query({ sql, params: [tenantId, ...projectIds, workflowId ?? ALL_WORKFLOWS, fromDay] })
  return rows
    .map(row => ({ projectId: String(row.project_id), status: String(row.status), n: Number(row.n) }))
    .filter(count => count.n > 0 && (filter.statuses === undefined || filter.statuses.includes(count.status)))
}

function scopesOf({ tenantId, workflowId }: RunFilter, counts: readonly Count[]): readonly Scope[] {
  if (counts.length === 0) return []
  if (workflowId !== undefined) {
    return [{ where: "workflow_id = ?", params: [workflowId], statuses: [...new Set(counts.map(c => c.status))] }]
  }
  return [...Map.groupBy(counts, c => c.projectId)].map(([projectId, of]) => ({
    where: "tenant_id = ? AND project_id = ?",
    params: [tenantId, projectId],
    statuses: of.map(c => c.status),
  }))
}

/** Whole days from the counts, and what is left of the first one from the index. */
async function totalSince(db: Database, filter: RunFilter, since: number, scopes: readonly Scope[]): Promise<number> {
  const day = dayOf(since)
  if (since === startOfDay(day)) return sumOf(await countsOf(db, filter, day))
  return sumOf(await countsOf(db, filter, day + 1)) + (await countBetween(db, scopes, [since, startOfDay(day + 1)]))
}

function sumOf(counts: readonly { readonly n: number }[]): number {
  return counts.reduce((sum, { n }) => sum + n, 0)
}

const BETWEEN = "started_at >= ? AND started_at < ?"

async function countBetween(db: Database, scopes: readonly Scope[], span: Span): Promise<number> {
  const counts = scopes.map(async ({ where, params, statuses }) => {
    const sql = `SELECT count(*) AS n FROM runs WHERE ${where} AND status IN (${marks(statuses)}) AND ${BETWEEN}`
    const [row] = await db.query({ sql, params: [...params, ...statuses, ...span] })
    return { n: Number(row?.n) }
  })
  return sumOf(await Promise.all(counts))
}

async function pageOfIds(db: Database, filter: RunFilter, scopes: readonly Scope[], page: Page): Promise<readonly string[]> {
  const far = page.offset > OFFSET_DIRECT_MAX
  const { span, offset } = far ? await jump(db, filter, page.offset) : { span: ALWAYS, offset: page.offset }
  const within: Span = [filter.since ?? span[0], span[1]]
  if (scopes.length === 1) return (await newest(db, scopes[0]!, within, page.limit, offset)).map(k => k.id)
  const found = await Promise.all(scopes.map(scope => newest(db, scope, within, offset + page.limit, 0)))
  const keys = found.flat().sort(newestFirst)
  return keys.slice(offset, offset + page.limit).map(k => k.id)
}

/** Merged from the scope's ranges. */
async function newest(db: Database, scope: Scope, span: Span, limit: number, offset: number): Promise<readonly Key[]> {
  const order = "ORDER BY started_at DESC, id DESC LIMIT ?"
  const range = `SELECT id, started_at FROM runs WHERE ${scope.where} AND status = ? AND ${BETWEEN} ${order}`
  const ranges = scope.statuses.map((_, i) => `SELECT * FROM (${range}) AS s${i}`)
  const rows = await db.query({
    sql: `SELECT id, started_at FROM (${ranges.join(" UNION ALL ")}) AS s ${order} OFFSET ?`,
    params: [...scope.statuses.flatMap(status => [...scope.params, status, ...span, offset + limit]), limit, offset],
  })
  return rows.map(keyOf)
}

/** The end of the day on which a page that begins behind `offset` runs begins, and how many of that day's come before it. */
async function jump(db: Database, filter: RunFilter, offset: number): Promise<{ span: Span; offset: number }> {
  const { tenantId, projectIds, workflowId } = filter
  const statuses = filter.statuses ?? RUN_STATUSES
  const sql = `SELECT day, sum(n) AS n FROM run_counts WHERE tenant_id = ? AND project_id IN (${marks(projectIds)})
    AND workflow_id = ? AND status IN (${marks(statuses)}) GROUP BY day ORDER BY day DESC`
  let before = 0
  for (const row of await db.query({ sql, params: [tenantId, ...projectIds, workflowId ?? ALL_WORKFLOWS, ...statuses] })) {
    if (before + Number(row.n) > offset) return { span: [0, startOfDay(Number(row.day) + 1)], offset: offset - before }
    before += Number(row.n)
  }
  return { span: ALWAYS, offset }
}

function marks(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ")
}

function keyOf(row: Row): Key {
  return { id: String(row.id), startedAt: Number(row.started_at) }
}

function newestFirst(a: Key, b: Key): number {
  return b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1)
}
