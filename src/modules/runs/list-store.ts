import { and, desc, eq, getTableColumns, gte, inArray } from "drizzle-orm"
import { RUN_STATUSES } from "../../engine/state.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import type { Database, SqlValue } from "../../storage/database.ts"
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

/**
 * Pages of runs, newest first, with the exact total. Neither gets slower with the number of runs: totals are added up from
 * `run_counts`, and a page is merged from the ends of a few ranges of an index, one for each project and status.
 */
export function createRunList(db: Database): (filter: RunFilter, page: Page) => Promise<PageOf<RunRow>> {
  const { runs } = db.tables

  return async (filter, page) => {
    if (filter.parentRunId !== undefined) return await childRuns(db, filter, filter.parentRunId, page)
    const total = await countRuns(db, filter)
    if (page.offset >= total) return { items: [], total }
    const ids = await pageOfIds(db, filter, page)
    const here = and(inArray(runs.id, [...ids]), inPlace(db, filter))
    const items = await db.read.select(runColumns(runs)).from(runs).where(here).orderBy(desc(runs.startedAt), desc(runs.id))
    return { items, total }
  }
}

/** A run starts few others: these are looked at one by one. */
async function childRuns(db: Database, filter: RunFilter, parentRunId: string, page: Page): Promise<PageOf<RunRow>> {
  const { runs } = db.tables
  const children = db.read.select({ id: runs.id }).from(runs).where(eq(runs.parentRunId, parentRunId))
  const where = and(
    inArray(runs.id, children),
    inPlace(db, filter),
    filter.workflowId === undefined ? undefined : eq(runs.workflowId, filter.workflowId),
    filter.statuses === undefined ? undefined : inArray(runs.status, [...filter.statuses]),
    filter.since === undefined ? undefined : gte(runs.startedAt, filter.since),
  )
  const rows = db.read.select(runColumns(runs)).from(runs).where(where).orderBy(desc(runs.startedAt), desc(runs.id))
  return { items: await rows.limit(page.limit).offset(page.offset), total: await db.read.$count(runs, where) }
}

function inPlace({ tables: { runs } }: Database, { tenantId, projectIds }: RunFilter) {
  return and(eq(runs.tenantId, tenantId), inArray(runs.projectId, [...projectIds]))
}

/**
 * Whole days from the counts, and what is left of the first one from the index. That of workflows names no project, so a
 * workflow that has no runs here is none of ours.
 */
async function countRuns(db: Database, filter: RunFilter): Promise<number> {
  const { since } = filter
  if (statusesOf(filter).length === 0) return 0
  const ever = await sumOf(db, filter, 0)
  if (since === undefined || ever === 0) return ever
  const day = dayOf(since)
  if (since === startOfDay(day)) return await sumOf(db, filter, day)
  return (await sumOf(db, filter, day + 1)) + (await countBetween(db, filter, [since, startOfDay(day + 1)]))
}

async function sumOf(db: Database, filter: RunFilter, fromDay: number): Promise<number> {
  const statuses = statusesOf(filter)
  const sql = `SELECT coalesce(sum(n), 0) AS n FROM run_counts ${COUNTED} AND status IN (${marks(statuses)})`
  const rows = await forEachProject(filter, place => db.query({ sql, params: [...place, fromDay, ...statuses] }))
  return rows.reduce((sum, row) => sum + Number(row.n), 0)
}

/** Of a tenant, project, workflow, from a day on. */
const COUNTED = "WHERE tenant_id = ? AND project_id = ? AND workflow_id = ? AND day >= ?"

async function countBetween(db: Database, filter: RunFilter, span: Span): Promise<number> {
  const statuses = statusesOf(filter)
  let count = 0
  for (const { where, params } of scopesOf(filter)) {
    const sql = `SELECT count(*) AS n FROM runs WHERE ${where} AND ${BETWEEN} AND status IN (${marks(statuses)})`
    const [row] = await db.query({ sql, params: [...params, ...span, ...statuses] })
    count += Number(row?.n)
  }
  return count
}

const BETWEEN = "started_at >= ? AND started_at < ?"

async function pageOfIds(db: Database, filter: RunFilter, page: Page): Promise<readonly string[]> {
  const far = page.offset > OFFSET_DIRECT_MAX
  const { span, offset } = far ? await jump(db, filter, page.offset) : { span: ALWAYS, offset: page.offset }
  const scopes = scopesOf(filter)
  const within: Span = [filter.since ?? span[0], span[1]]
  if (scopes.length === 1) return (await newest(db, scopes[0]!, filter, within, page.limit, offset)).map(k => k.id)
  const found = await Promise.all(scopes.map(scope => newest(db, scope, filter, within, offset + page.limit, 0)))
  const keys = found.flat().sort(newestFirst)
  return keys.slice(offset, offset + page.limit).map(k => k.id)
}

/** Of one range of the index for each status, merged. */
async function newest(
  db: Database,
  scope: Scope,
  filter: RunFilter,
  span: Span,
  limit: number,
  offset: number,
): Promise<readonly Key[]> {
  const statuses = statusesOf(filter)
  const order = "ORDER BY started_at DESC, id DESC LIMIT ?"
  const range = `SELECT id, started_at FROM runs WHERE ${scope.where} AND status = ? AND ${BETWEEN} ${order}`
  const ranges = statuses.map((_, i) => `SELECT * FROM (${range}) AS s${i}`)
  const rows = await db.query({
    sql: `SELECT id, started_at FROM (${ranges.join(" UNION ALL ")}) AS s ${order} OFFSET ?`,
    params: [...statuses.flatMap(status => [...scope.params, status, ...span, offset + limit]), limit, offset],
  })
  return rows.map(row => ({ id: String(row.id), startedAt: Number(row.started_at) }))
}

/** The end of the day on which a page that begins behind `offset` runs begins, and how many of that day's come before it. */
async function jump(db: Database, filter: RunFilter, offset: number): Promise<{ span: Span; offset: number }> {
  const statuses = statusesOf(filter)
  const sql = `SELECT day, sum(n) AS n FROM run_counts ${COUNTED} AND status IN (${marks(statuses)}) GROUP BY day`
  const rows = await forEachProject(filter, place => db.query({ sql, params: [...place, 0, ...statuses] }))
  const days = new Map<number, number>()
  for (const row of rows) days.set(Number(row.day), (days.get(Number(row.day)) ?? 0) + Number(row.n))
  let before = 0
  for (const [day, n] of [...days].sort(([a], [b]) => b - a)) {
    if (before + n > offset) return { span: [0, startOfDay(day + 1)], offset: offset - before }
    before += n
  }
  return { span: ALWAYS, offset }
}

async function forEachProject<T>(
  { tenantId, projectIds, workflowId }: RunFilter,
  of: (place: readonly SqlValue[]) => Promise<readonly T[]>,
): Promise<readonly T[]> {
  return (await Promise.all(projectIds.map(id => of([tenantId, id, workflowId ?? ALL_WORKFLOWS])))).flat()
}

/** The leading columns of an index; its next ones are the status and the order of the list. */
interface Scope {
  readonly where: string
  readonly params: readonly SqlValue[]
}

function scopesOf({ tenantId, projectIds, workflowId }: RunFilter): readonly Scope[] {
  if (workflowId !== undefined) return [{ where: "workflow_id = ?", params: [workflowId] }]
  return projectIds.map(id => ({ where: "tenant_id = ? AND project_id = ?", params: [tenantId, id] }))
}

function statusesOf({ statuses }: RunFilter): readonly string[] {
  return statuses === undefined ? RUN_STATUSES : RUN_STATUSES.filter(s => statuses.includes(s))
}

function marks(values: readonly unknown[]): string {
  return values.map(() => "?").join(", ")
}

function newestFirst(a: Key, b: Key): number {
  return b.startedAt - a.startedAt || (a.id < b.id ? 1 : -1)
}
