import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { RunEvent } from "../../src/engine/events.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import {
  type Append,
  type Journal,
  JournalFull,
  RunExists,
  type RunHeader,
  RunLost,
  type StampedEvent,
  StartOutdated,
} from "../../src/runtime/ports.ts"
import { type Database, StorageFull } from "../../src/storage/database.ts"
import { createJournal } from "../../src/storage/journal.ts"
import { createLeases } from "../../src/storage/leases.ts"
import { dialects, type TemporaryDatabase } from "../helpers/database.ts"
import { newRun, START } from "../runtime/host.ts"

const RUNNING: RunHeader = {
  status: "running",
  pauseReason: null,
  completedAt: null,
  failureCode: null,
  failedStepId: null,
  error: null,
  wakeAt: null,
  ownerBootId: "boot-1",
}
const STARTED: RunEvent = { type: "run_started", data: { trigger_type: "api", version: 1 } }
const at = (seq: number, event: RunEvent = STARTED): StampedEvent => ({ seq, at: START + seq, event })
const append = (events: readonly StampedEvent[], header: Partial<RunHeader> | null = {}, tasks: Append["tasks"] = []) => ({
  events,
  tasks,
  header: header && { ...RUNNING, ...header },
  was: "running" as const,
})
const first = (header: Partial<RunHeader> = {}) => ({ events: [at(1)], tasks: [], header: { ...RUNNING, ...header } })

for (const dialect of dialects) {
  describe(`the journal on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let journal: Journal
    beforeEach(async () => {
      temporary = await dialect.open()
      journal = createJournal(temporary.db)
    })
    afterEach(() => temporary.close())

    const rows = (sql: string, ...params: string[]) => temporary.db.query({ sql, params })

    test("gives back what it took, whatever is in it", async () => {
      const input: JsonObject = {
        text: "?'\"\\ \n é ☃ 🙂",
        list: [1, -0.5, 1e21, null, true, []],
        deep: { a: { b: {} } },
        "": "",
      }
      const run = newRun({ input, excludedStepIds: ["x", "y"], triggerType: "manual" }, "key")
      const step: RunEvent = { type: "step_completed", stepId: "a-b", data: { result: input, duration_ms: 0, attempt: 1 } }
      await journal.create(run, { ...first(), events: [at(1), at(2, step)] })
      expect(await journal.load(run.facts.runId, null)).toEqual({
        ...{ run, ownerBootId: "boot-1", snapshot: null },
        events: [at(1), at(2, step)],
      })
      expect(JSON.stringify((await journal.load(run.facts.runId, null))?.run.facts.input)).toBe(JSON.stringify(input))
    })

    test("knows no run that was never created", async () => {
      expect(await journal.load(Bun.randomUUIDv7(), null)).toBeNull()
    })

    test("appends events in order, and changes the row with them", async () => {
      const run = newRun()
      const { runId } = run.facts
      await journal.create(run, first())
      await journal.append(run, append([at(2), at(3)], null))
      const ended = {
        status: "failed",
        completedAt: START,
        failureCode: "MCP_TOOL_FAILED",
        failedStepId: "a",
        error: "no",
        ownerBootId: null,
      } as const
      await journal.append(run, append([at(4)], ended))
      expect((await journal.load(runId, null))?.events.map(e => e.seq)).toEqual([1, 2, 3, 4])
      const [row] = await rows("SELECT * FROM runs WHERE id = ?", runId)
      expect(row).toMatchObject({
        status: "failed",
        failure_code: "MCP_TOOL_FAILED",
        failed_step_id: "a",
        error: "no",
        owner_boot_id: null,
      })
      expect(Number(row?.completed_at)).toBe(START)
    })

    test("writes tasks with the events that make and end them", async () => {
      const run = newRun()
      const { runId } = run.facts
      const made = {
        type: "created",
        taskId: "ask",
        stepId: "ask",
        stepName: "Ask",
        taskType: "approval",
        payload: { q: "?" },
        createdAt: START,
        expiresAt: null,
      } as const
      await journal.create(run, { ...first(), tasks: [made] })
      await journal.append(
        run,
        append([at(2)], null, [{ type: "ended", taskId: "ask", status: "completed", endedAt: START + 5, endedBy: "u2" }]),
      )
      const [task] = await rows("SELECT * FROM human_tasks WHERE run_id = ?", runId)
      expect(task).toMatchObject({
        task_id: "ask",
        status: "completed",
        ended_by: "u2",
        workflow_name: "nightly",
        tenant_id: "t1",
        project_id: "p1",
      })
      expect(Number(task?.ended_at)).toBe(START + 5)
    })

    test("refuses a second run of one id, or of one idempotency key in a project, and keeps nothing of it", async () => {
      const run = newRun({}, "key")
      await journal.create(run, first())
      const twin = newRun({ runId: run.facts.runId })
      const sameKey = newRun({}, "key")
      for (const other of [twin, sameKey]) expect(await journal.create(other, first()).catch(e => e)).toBeInstanceOf(RunExists)
      expect(await journal.load(sameKey.facts.runId, null)).toBeNull()
      expect((await journal.load(run.facts.runId, null))?.run).toEqual(run)
      await journal.create(newRun({ projectId: "p2" }, "key"), first())
      await journal.create(newRun(), first())
      await journal.create(newRun(), first())
    })

    test("stores with a start what comes with it, or neither", async () => {
      const note = (id: string) => ({
        sql: "INSERT INTO instance_facts (key, value) VALUES (?, (SELECT id FROM runs WHERE id = ?))",
        params: ["note", id],
      })
      const [run, other, third] = [newRun(), newRun(), newRun()]
      await journal.create(run, first())
      const create = (which: typeof run, id: string) => journal.create(which, first(), [note(id)]).catch(e => e)

      expect(await create(other, "nobody")).toBeInstanceOf(StartOutdated)
      expect(await create(other, run.facts.runId)).toBeUndefined()
      expect(await create(third, run.facts.runId)).toBeInstanceOf(RunExists)

      expect(await journal.load(third.facts.runId, null)).toBeNull()
      expect(await rows("SELECT value FROM instance_facts WHERE key = 'note'")).toEqual([{ value: run.facts.runId }])
    })

    test("refuses of many starts at once only those whose statements are refused", async () => {
      const guarded = (id: string) => ({
        sql: "INSERT INTO instance_facts (key, value) VALUES (?, (SELECT id FROM runs WHERE id = ?))",
        params: [id, id],
      })
      const known = newRun()
      await journal.create(known, first())
      const runs = Array.from({ length: 10 }, () => newRun())
      const results = await Promise.all(
        runs.map((run, i) => {
          const also = i % 3 === 0 ? [guarded(`nobody ${i}`)] : []
          return journal.create(run, first(), also).catch(e => e)
        }),
      )
      expect(results.map(r => r instanceof StartOutdated)).toEqual(runs.map((_, i) => i % 3 === 0))
    })

    test("puts the end of a run that is to be told into the outbox, with the end", async () => {
      const told = { ...newRun(), callbackUrl: "https://example.com/ended" }
      const quiet = newRun()
      const atOnce = { ...newRun(), callbackUrl: "https://example.com/at-once" }
      const outbox = () => rows("SELECT run_id, url, status, next_attempt_at FROM run_callbacks ORDER BY url")
      for (const run of [told, quiet]) await journal.create(run, first())
      expect((await journal.load(told.facts.runId, null))?.run).toEqual(told)
      expect(await outbox()).toEqual([])

      const ended = { status: "completed", completedAt: START + 9, ownerBootId: null } as const
      for (const run of [told, quiet]) await journal.append(run, append([at(2)], ended))
      await journal.create(atOnce, first(ended))

      const row = (run: typeof told) => ({
        run_id: run.facts.runId,
        url: run.callbackUrl,
        status: "pending",
        next_attempt_at: START + 9,
      })
      expect((await outbox()).map(r => ({ ...r, next_attempt_at: Number(r.next_attempt_at) }))).toEqual([row(atOnce), row(told)])
    })

    test("one boot leads until its time is over or it gives up", async () => {
      const leaders = createLeases(temporary.db)
      const lead = (boot: string, now: number) => leaders.lead("loops", boot, now, now + 10)
      expect([await lead("a", 0), await lead("b", 5), await lead("a", 9), await lead("b", 18)]).toEqual([
        true,
        false,
        true,
        false,
      ])
      expect([await lead("b", 19), await lead("a", 20)]).toEqual([true, false])
      await leaders.release("b")
      expect(await lead("a", 21)).toBe(true)
      expect(await leaders.lead("other", "b", 21, 31)).toBe(true)
    })

    test("refuses to append where somebody else appended, all or nothing", async () => {
      const run = newRun()
      await journal.create(run, first())
      await journal.append(run, append([at(2)], null))
      const task = {
        type: "created",
        taskId: "t",
        stepId: "t",
        stepName: "T",
        taskType: "approval",
        payload: null,
        createdAt: START,
        expiresAt: null,
      } as const
      const late = journal.append(run, append([at(2), at(3)], { status: "stopped" }, [task]))
      expect(await late.catch(e => e)).toBeInstanceOf(RunLost)
      expect((await journal.load(run.facts.runId, null))?.events.map(e => e.seq)).toEqual([1, 2])
      expect(await rows("SELECT status FROM runs")).toEqual([{ status: "running" }])
      expect(await rows("SELECT task_id FROM human_tasks")).toEqual([])
    })

    test("of two who append at once one wins; runs beside them are not disturbed", async () => {
      const run = newRun()
      const others = Array.from({ length: 20 }, () => newRun())
      await Promise.all([run, ...others].map(r => journal.create(r, first())))
      const results = await Promise.allSettled([
        journal.append(run, append([at(2)], { error: "one" })),
        ...others.map(r => journal.append(r, append([at(2)], null))),
        journal.append(run, append([at(2)], { error: "two" })),
      ])
      expect(results.map(r => r.status)).toEqual([...Array.from({ length: 21 }, () => "fulfilled" as const), "rejected"])
      expect((results.at(-1) as PromiseRejectedResult).reason).toBeInstanceOf(RunLost)
      expect(await rows("SELECT error FROM runs WHERE id = ?", run.facts.runId)).toEqual([{ error: "one" }])
    })

    test("takes over what boots without a lease were moving, and nothing else", async () => {
      const [a, b, mine, resting] = [newRun({ startedAt: START + 2 }), newRun({ startedAt: START + 1 }), newRun(), newRun()]
      await journal.create(a, first({ ownerBootId: "boot-1" }))
      await journal.create(b, first({ ownerBootId: "boot-0" }))
      await journal.create(mine, first({ ownerBootId: "boot-2" }))
      await journal.create(resting, first({ ownerBootId: null, status: "paused" }))
      expect(await journal.takeOver("boot-2")).toEqual([b.facts.runId, a.facts.runId])
      expect(await journal.takeOver("boot-2")).toEqual([])
      const owned = await rows("SELECT id FROM runs WHERE owner_boot_id = ?", "boot-2")
      expect(owned.map(r => r.id).sort()).toEqual([a, b, mine].map(r => r.facts.runId).sort())
      expect((await journal.owned("boot-2")).toSorted()).toEqual([a, b, mine].map(r => r.facts.runId).sort())
      const leases = createLeases(temporary.db)
      expect([await leases.hold("boot-2", START, START + 10), await leases.hold("boot-2", START, START + 20)]).toEqual([
        false,
        true,
      ])
      await leases.end(START + 19)
      expect(await journal.takeOver("boot-3")).toEqual([])
      await leases.end(START + 20)
      expect(await journal.takeOver("boot-3")).toHaveLength(3)
    })

    test("takes over a child that ended and whose parent may not know, until it is released", async () => {
      const child = newRun()
      await journal.create(child, first({ ownerBootId: "boot-1" }))
      await journal.append(child, append([at(2)], { status: "completed", completedAt: START, ownerBootId: "boot-1" }))
      expect(await journal.takeOver("boot-2")).toEqual([child.facts.runId])
      await journal.release(child.facts.runId)
      expect([await journal.takeOver("boot-3"), await journal.owned("boot-2")]).toEqual([[], []])
    })

    test("goes on from a snapshot in the format that is asked for, and from the beginning without", async () => {
      const run = newRun()
      const { runId } = run.facts
      await journal.create(run, { ...first(), events: [at(1), at(2), at(3)] })
      expect(await journal.load(runId, 7)).toMatchObject({ snapshot: null, events: [at(1), at(2), at(3)] })
      await journal.keepSnapshot(runId, { seq: 1, format: 7, state: "older" })
      await journal.keepSnapshot(runId, { seq: 2, format: 7, state: "{ damaged" })
      expect(await journal.load(runId, 7)).toMatchObject({
        snapshot: { seq: 2, format: 7, state: "{ damaged" },
        events: [at(3)],
      })
      for (const format of [6, 8, null])
        expect(await journal.load(runId, format)).toMatchObject({ snapshot: null, events: [at(1), at(2), at(3)] })
    })

    test("finds what is due, earliest first, up to a number", async () => {
      const wakes = [5, 1, 3, null, 9]
      const runs = wakes.map(() => newRun())
      for (const [i, wake] of wakes.entries())
        await journal.create(runs[i]!, first({ wakeAt: wake === null ? null : START + wake }))
      const due = async (ms: number, limit = 10) =>
        (await journal.due(START + ms, limit)).map(id => wakes[runs.findIndex(r => r.facts.runId === id)])
      expect(await due(0)).toEqual([])
      expect(await due(1)).toEqual([1])
      expect(await due(5)).toEqual([1, 3, 5])
      expect(await due(100, 2)).toEqual([1, 3])
      expect(await due(100)).toEqual([1, 3, 5, 9])
    })

    test("says when the disk is full, and lets other faults through as they are", async () => {
      const refusing = (error: Error) => createJournal({ ...base(), commit: () => Promise.reject(error) } as unknown as Database)
      const base = () => ({
        query: temporary.db.query.bind(temporary.db),
        tables: temporary.db.tables,
        dialect: temporary.db.dialect,
      })
      const run = newRun()
      expect(
        await refusing(new StorageFull("full"))
          .create(run, first())
          .catch(e => e),
      ).toBeInstanceOf(JournalFull)
      expect(
        await refusing(new StorageFull("full"))
          .append(run, append([at(2)]))
          .catch(e => e),
      ).toBeInstanceOf(JournalFull)
      const other = new Error("the wire broke")
      expect(
        await refusing(other)
          .append(run, append([at(2)]))
          .catch(e => e),
      ).toBe(other)
    })
  })
}
