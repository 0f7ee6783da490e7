import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { isFinal, RUN_STATUSES, type RunStatus } from "../../../src/engine/state.ts"
import { createRunList, type RunFilter } from "../../../src/modules/runs/list-store.ts"
import type { Journal, NewRun, RunHeader } from "../../../src/runtime/ports.ts"
import type { Database } from "../../../src/storage/database.ts"
import { createJournal } from "../../../src/storage/journal.ts"
import { Random } from "../../engine/random.ts"
import { SEED } from "../../engine/seed.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { newRun } from "../../runtime/host.ts"

const DAY = 86_400_000
const MIDNIGHT = Date.UTC(2026, 5, 10)

interface Known {
  readonly run: NewRun
  status: RunStatus
  seq: number
}

for (const dialect of dialects) {
  describe(`lists of runs on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let journal: Journal
    beforeEach(async () => {
      temporary = await dialect.open()
      journal = createJournal(temporary.db)
    })
    afterEach(() => temporary.close())

    const event = { type: "run_started", data: { trigger_type: "api", version: 1 } } as const
    const header = (status: RunStatus): RunHeader => ({
      ...{ status, pauseReason: null, failureCode: null, failedStepId: null, error: null, wakeAt: null, ownerBootId: null },
      completedAt: isFinal(status) ? MIDNIGHT : null,
    })
    async function begin(run: NewRun, status: RunStatus): Promise<Known> {
      await journal.create(run, { events: [{ seq: 1, at: MIDNIGHT, event }], tasks: [], header: header(status) })
      return { run, status, seq: 1 }
    }
    async function change(known: Known, status: RunStatus): Promise<void> {
      const events = [{ seq: known.seq + 1, at: MIDNIGHT, event }]
      await journal.append(known.run, { events, tasks: [], header: header(status), was: known.status })
      known.status = status
      known.seq++
    }

    /** The plain way: look at everything. */
    function expected(all: readonly Known[], filter: RunFilter): readonly string[] {
      const fits = ({ status, run: { facts } }: Known) =>
        facts.tenantId === filter.tenantId &&
        filter.projectIds.includes(facts.projectId) &&
        (filter.workflowId === undefined || facts.workflowId === filter.workflowId) &&
        (filter.parentRunId === undefined || facts.parent?.runId === filter.parentRunId) &&
        (filter.statuses === undefined || filter.statuses.includes(status)) &&
        (filter.since === undefined || facts.startedAt >= filter.since)
      return all
        .filter(fits)
        .sort(({ run: { facts: a } }, { run: { facts: b } }) => b.startedAt - a.startedAt || (a.runId < b.runId ? 1 : -1))
        .map(k => k.run.facts.runId)
    }

    function randomFilter(random: Random, all: readonly Known[]): RunFilter {
      const startedAt = MIDNIGHT + (random.below(4) - 2) * DAY + random.pick([0, -1, 1, DAY / 2, random.below(DAY)])!
      return {
        tenantId: random.pick(["t1", "t1", "t2"])!,
        projectIds: random.pick([["p1"], ["p2"], ["p1", "p2"], ["p1", "p2", "p3", "p4"]])!,
        ...(random.chance(0.3) && { workflowId: random.pick(["t1p1w1", "t1p1w2", "t1p2w1", "none"])! }),
        ...(random.chance(0.5) && { statuses: [...RUN_STATUSES, "unknown"].filter(() => random.chance(0.4)) }),
        ...(random.chance(0.5) && { since: startedAt }),
        ...(random.chance(0.1) && { parentRunId: random.pick(all)!.run.facts.runId }),
      }
    }

    test(`after random starts and ends every filter gives the runs, in order, and their number (seed ${SEED})`, async () => {
      const random = new Random(SEED)
      const list = createRunList(temporary.db)
      const all: Known[] = []
      for (let round = 0; round < (dialect.name === "sqlite" ? 6 : 2); round++) {
        const starts = Array.from({ length: 40 }, () => {
          const [tenantId, projectId] = [random.pick(["t1", "t1", "t2"])!, random.pick(["p1", "p1", "p2", "p3"])!]
          const parent = random.chance(0.2) ? random.pick(all)?.run.facts.runId : undefined
          const run = newRun({
            ...{ tenantId, projectId, workflowId: `${tenantId}${projectId}w${1 + random.below(3)}` },
            startedAt: MIDNIGHT + (random.below(3) - 1) * DAY + random.pick([0, 1, -1, random.below(DAY)])!,
            ...(parent !== undefined && {
              parent: { runId: parent, workflowId: "w", stepId: "s", item: null, depth: 1, outputFrom: null },
            }),
          })
          return begin(run, random.pick(RUN_STATUSES)!)
        })
        // Together, so that what they change is added up; some are refused, and count for nothing.
        const again = Array.from({ length: 5 }, () => random.pick(all)).flatMap(k =>
          k ? [begin(k.run, "failed").catch(() => {})] : [],
        )
        const ends = new Set(Array.from({ length: 25 }, () => random.pick(all)))
        const changes = [...ends].flatMap(k => (k ? [change(k, random.pick(RUN_STATUSES)!)] : []))
        const lost = Array.from({ length: 5 }, () => random.pick(all)).flatMap(k =>
          k
            ? [
                change({ ...k, seq: 0 }, "failed").then(
                  () => expect.unreachable(),
                  () => {},
                ),
              ]
            : [],
        )
        await Promise.all([...again, ...changes, ...lost])
        all.push(...(await Promise.all(starts)))
        for (let i = 0; i < 30; i++) {
          const filter = randomFilter(random, all)
          const page = { limit: 1 + random.below(30), offset: random.chance(0.5) ? 0 : random.below(60) }
          const wanted = expected(all, filter)
          const { items, total } = await list(filter, page)
          expect({ filter, page, total, ids: items.map(r => r.id) }).toEqual({
            ...{ filter, page, total: wanted.length },
            ids: wanted.slice(page.offset, page.offset + page.limit),
          })
        }
      }
      const [row] = await temporary.db.query({ sql: "SELECT count(*) AS n FROM run_counts WHERE n < 0", params: [] })
      expect(Number(row?.n)).toBe(0)
    })

    if (dialect.name === "sqlite") {
      test("whatever is asked for, only ends of ranges of an index are read", async () => {
        await begin(newRun({ workflowId: "w" }), "completed")
        await begin(newRun({ workflowId: "w", projectId: "p2" }), "failed")
        const plans: string[] = []
        const query: Database["query"] = async statement => {
          const rows = await temporary.db.query({ ...statement, sql: `EXPLAIN QUERY PLAN ${statement.sql}` })
          plans.push(...rows.map(r => String(r.detail)).filter(detail => /\bruns?(_counts)?\b/.test(detail)))
          return await temporary.db.query(statement)
        }
        const list = createRunList({ tables: temporary.db.tables, read: temporary.db.read, query } as unknown as Database)
        const place = { tenantId: "t1", projectIds: ["p1", "p2"] }
        const filters = [{}, { workflowId: "w" }, { parentRunId: "r" }].flatMap(f => [
          f,
          { ...f, statuses: ["failed", "stopped"] },
        ])
        for (const filter of filters.flatMap(f => [f, { ...f, since: MIDNIGHT - DAY / 2 }]))
          await list({ ...place, ...filter }, { limit: 20, offset: 0 })
        expect([...new Set(plans.map(p => p.replace(/ AND started_at.*|\)$/, "")))].sort()).toEqual([
          "SEARCH run_counts USING PRIMARY KEY (tenant_id=? AND project_id=? AND workflow_id=?",
          "SEARCH runs USING COVERING INDEX runs_status (tenant_id=? AND project_id=? AND status=?",
          "SEARCH runs USING COVERING INDEX runs_workflow_status (workflow_id=? AND status=?",
          "SEARCH runs USING INDEX runs_parent (parent_run_id=?",
        ])
      })
    }

    test("a page far behind the first is the one that comes then", async () => {
      const list = createRunList(temporary.db)
      const runs = Array.from({ length: 1_300 }, (_, i) => newRun({ startedAt: MIDNIGHT + i * 200_000, workflowId: `w${i % 2}` }))
      await Promise.all(runs.map((run, i) => begin(run, i % 5 === 0 ? "failed" : "completed")))
      const newest = runs.map(r => r.facts.runId).reverse()
      for (const offset of [999, 1_000, 1_001, 1_200, 1_294, 1_300, 5_000]) {
        const { items, total } = await list({ tenantId: "t1", projectIds: ["p1", "p2"] }, { limit: 10, offset })
        expect([items.map(r => r.id), total]).toEqual([newest.slice(offset, offset + 10), 1_300])
      }
      const since = MIDNIGHT + 200 * 200_000
      const { items, total } = await list({ tenantId: "t1", projectIds: ["p1"], since }, { limit: 10, offset: 1_095 })
      expect([items.map(r => r.id), total]).toEqual([newest.slice(1_095, 1_100), 1_100])
    })
  })
}
