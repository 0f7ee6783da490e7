import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { RunFilter } from "../../../src/modules/runs/list-store.ts"
import { createRunStore, type RunStore } from "../../../src/modules/runs/store.ts"
import { createTaskStore } from "../../../src/modules/tasks/store.ts"
import type { Journal, TaskChange } from "../../../src/runtime/ports.ts"
import { createJournal } from "../../../src/storage/journal.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { newRun, START } from "../../runtime/host.ts"

const HERE = { tenantId: "t1", projectId: "p1" }
const ELSEWHERE = [
  { tenantId: "t1", projectId: "p2" },
  { tenantId: "t2", projectId: "p1" },
]
const ALL = { limit: 100, offset: 0 }

for (const dialect of dialects) {
  describe(`the stores of runs and tasks on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let journal: Journal
    let store: RunStore
    beforeEach(async () => {
      temporary = await dialect.open()
      journal = createJournal(temporary.db)
      store = createRunStore(temporary.db)
    })
    afterEach(() => temporary.close())

    type More = { status?: "running" | "paused" | "completed"; startedAt?: number; workflowId?: string; key?: string } & Partial<
      typeof HERE
    >
    async function create({ status = "running", key, ...facts }: More = {}, tasks: readonly TaskChange[] = []) {
      const run = newRun({ ...HERE, ...facts }, key ?? null)
      const header = {
        status,
        pauseReason: null,
        completedAt: null,
        failureCode: null,
        failedStepId: null,
        error: null,
        wakeAt: null,
        ownerBootId: null,
      }
      const events = [1, 2, 3].map(seq => ({
        seq,
        at: START + seq,
        event: { type: "run_started", data: { trigger_type: "api", version: 1 } } as const,
      }))
      await journal.create(run, { events, tasks, header })
      return run.facts
    }
    const task = (taskId: string, createdAt = START): TaskChange => ({
      ...{
        type: "created",
        taskId,
        stepId: taskId,
        stepName: taskId,
        taskType: "approval",
        payload: { q: 1 },
        createdAt,
        expiresAt: null,
      },
    })

    test("a list is filtered by place, workflow, status and moment, newest first, with the filter's total", async () => {
      const a = await create({ startedAt: START, workflowId: "w1", status: "completed" })
      const b = await create({ startedAt: START + 2, workflowId: "w1" })
      const c = await create({ startedAt: START + 1, workflowId: "w2", status: "paused" })
      const other = await create({ projectId: "p2" })
      await create({ tenantId: "t2" })
      const ids = async (more: Partial<RunFilter> = {}, page = ALL) => {
        const { items, total } = await store.list({ tenantId: "t1", projectIds: ["p1"], ...more }, page)
        return [items.map(i => i.id), total]
      }
      expect(await ids()).toEqual([[b.runId, c.runId, a.runId], 3])
      expect(await ids({}, { limit: 1, offset: 1 })).toEqual([[c.runId], 3])
      expect(await ids({ workflowId: "w1" })).toEqual([[b.runId, a.runId], 2])
      expect(await ids({ statuses: ["completed", "paused"] })).toEqual([[c.runId, a.runId], 2])
      expect(await ids({ since: START + 1 })).toEqual([[b.runId, c.runId], 2])
      expect(await ids({ since: START + 1, statuses: ["running"], workflowId: "w1" })).toEqual([[b.runId], 1])
      expect((await ids({ projectIds: ["p1", "p2"] }))[1]).toBe(4)
      expect(await ids({ projectIds: ["p2"] })).toEqual([[other.runId], 1])
      expect(await ids({ tenantId: "t3" })).toEqual([[], 0])
    })

    test("a run is found in its place and workflow only, and by id for who asks whether it is taken", async () => {
      const run = await create({ workflowId: "w1", key: "k" })
      expect(await store.find(HERE, "w1", run.runId)).toMatchObject({ id: run.runId, workflowName: "nightly", startedAt: START })
      expect(await store.find(HERE, "w2", run.runId)).toBeNull()
      for (const place of ELSEWHERE) expect(await store.find(place, "w1", run.runId)).toBeNull()
      expect((await store.findAnywhere(run.runId))?.id).toBe(run.runId)
      expect(await store.findAnywhere(Bun.randomUUIDv7())).toBeNull()
      expect((await store.findByIdempotencyKey("p1", "k"))?.id).toBe(run.runId)
      expect(await store.findByIdempotencyKey("p2", "k")).toBeNull()
    })

    test("events come in order, after a number, with their total", async () => {
      const { runId } = await create()
      await create()
      const seqs = async (after: number, limit: number) => {
        const { items, total } = await store.events(runId, after, limit, 1_000_000)
        return [items.map(e => e.seq), total]
      }
      expect(await seqs(0, 10)).toEqual([[1, 2, 3], 3])
      expect(await seqs(1, 1)).toEqual([[2], 3])
      expect(await seqs(3, 10)).toEqual([[], 3])
      expect(await store.events(Bun.randomUUIDv7(), 0, 10, 1_000)).toEqual({ items: [], total: 0 })
    })

    test("a page of events ends before its data grows too large, but never before its first event", async () => {
      const { runId } = await create()
      const page = async (after: number, maxChars: number) =>
        (await store.events(runId, after, 10, maxChars)).items.map(e => e.seq)
      expect(await page(0, 1)).toEqual([1])
      expect(await page(1, 1)).toEqual([2])
      expect(await page(0, 100_000)).toEqual([1, 2, 3])
      expect((await store.events(runId, 0, 10, 1)).total).toBe(3)
    })

    test("pending tasks come oldest first, of the given projects or of one run; ended ones do not", async () => {
      const tasks = createTaskStore(temporary.db)
      const one = await create({ workflowId: "w1" }, [task("late", START + 9), task("early", START + 1)])
      const two = await create({}, [
        task("middle", START + 5),
        task("gone", START),
        { type: "ended", taskId: "gone", status: "expired", endedAt: START, endedBy: null },
      ])
      await create({ projectId: "p2" }, [task("elsewhere")])
      await create({ tenantId: "t2" }, [task("foreign")])
      const pending = async (more: object = {}, page = ALL) => {
        const { items, total } = await tasks.pending({ tenantId: "t1", projectIds: ["p1"], ...more }, page)
        return [items.map(t => t.taskId), total]
      }
      expect(await pending()).toEqual([["early", "middle", "late"], 3])
      expect(await pending({}, { limit: 1, offset: 1 })).toEqual([["middle"], 3])
      expect(await pending({ runId: two.runId })).toEqual([["middle"], 1])
      expect(await pending({ projectIds: ["p1", "p2"] })).toEqual([["elsewhere", "early", "middle", "late"], 4])
      expect(await tasks.find(HERE, "w1", one.runId, "early")).toMatchObject({
        taskId: "early",
        payload: { q: 1 },
        status: "pending",
      })
      expect(await tasks.find(HERE, two.workflowId, two.runId, "gone")).toMatchObject({ status: "expired" })
      expect(await tasks.find(HERE, "w1", one.runId, "middle")).toBeNull()
      expect(await tasks.find(HERE, "w2", one.runId, "early")).toBeNull()
      for (const place of ELSEWHERE) expect(await tasks.find(place, "w1", one.runId, "early")).toBeNull()
    })
  })
}
