import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import type { JsonObject } from "../../src/kernel/json.ts"
import { STEP_NOTE_MAX_CHARS } from "../../src/kernel/limits.ts"
import { AttemptOver, type Journal, JournalFull, RunLost } from "../../src/runtime/ports.ts"
import { createJournal } from "../../src/storage/journal.ts"
import { each, step } from "../engine/machine.ts"
import { dialects, type TemporaryDatabase } from "../helpers/database.ts"
import { type Attempt, boot, done, eventually, failed, START, settled } from "./host.ts"

const by = "u1"
const stop = { type: "Stop", mode: "immediate", drainMs: 0, by } as const
const note = (data: JsonObject) => ({ type: "agent_turn_tool_round", data }) as const
const dataOf = ({ job }: Attempt) => job.notes.map(n => n.data)

for (const dialect of dialects) {
  describe(`a step on its way, on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let journal: Journal
    let plans: Map<string, JsonObject>
    let time: { now: number }
    beforeEach(async () => {
      temporary = await dialect.open()
      journal = createJournal(temporary.db)
      plans = new Map()
      time = { now: START }
    })
    afterEach(() => temporary.close())

    const host = (on: Journal = journal, more = {}) => boot(on, plans, time, more)
    const stored = async (runId: string) => (await journal.load(runId, null))!.events
    const notesIn = async (runId: string) =>
      (await stored(runId)).flatMap(({ event }) => (event.type === "agent_turn_tool_round" ? [event.data] : []))
    const status = async (runId: string) =>
      (await temporary.db.query({ sql: "SELECT status FROM runs WHERE id = ?", params: [runId] }))[0]?.status
    const tasks = async (runId: string) =>
      await temporary.db.query({
        sql: "SELECT task_id, task_type, status FROM human_tasks WHERE run_id = ? ORDER BY task_id",
        params: [runId],
      })

    /** A journal that tells when it is asked to append, and does so when the test says. */
    function gated() {
      const asked: { happen: () => void; refuse: (error: Error) => void }[] = []
      const append: Journal["append"] = (run, more) =>
        new Promise((resolve, refuse) =>
          asked.push({ happen: () => void journal.append(run, more).then(resolve, refuse), refuse }),
        )
      return { asked, journal: { ...journal, append } }
    }

    describe("recording", () => {
      test("resolves when the event is on disk, and not before", async () => {
        const gate = gated()
        const h = host(gate.journal)
        const runId = await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        let recorded = false
        const recording = job.record(note({ round: 1 })).then(() => {
          recorded = true
        })
        await eventually(() => gate.asked.length === 1)
        await settled()
        expect([recorded, await notesIn(runId)]).toEqual([false, []])
        gate.asked[0]!.happen()
        await recording
        expect(await notesIn(runId)).toEqual([{ round: 1, attempt: 1 }])
      })

      test("of several things at once shares a commit, and keeps their order", async () => {
        const gate = gated()
        const h = host(gate.journal)
        const runId = await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        const all = [1, 2, 3].map(n => job.record(note({ n })))
        await eventually(() => gate.asked.length === 1)
        gate.asked[0]!.happen()
        await eventually(() => gate.asked.length === 2)
        gate.asked[1]!.happen()
        await Promise.all(all)
        expect(gate.asked.length).toBe(2)
        expect((await notesIn(runId)).map(n => n.n)).toEqual([1, 2, 3])
      })

      test("keeps what was said, whatever is written into it afterwards", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        const messages = ["one"]
        const recording = job.record(note({ messages }))
        messages.push("two")
        await recording
        expect(await notesIn(runId)).toEqual([{ messages: ["one"], attempt: 1 }])
      })

      test("of something large is stored beside its row and comes back whole, after a crash, too", async () => {
        const first = host()
        const runId = await first.start({ a: [] })
        const big = "x".repeat(200_000)
        await (await first.attemptOf("a")).job.record(note({ round: 1, result: { text: big } }))
        const sql = "SELECT data, beside FROM run_events WHERE run_id = ? AND type = 'agent_turn_tool_round'"
        const [row] = await temporary.db.query({ sql, params: [runId] })
        expect(JSON.stringify(row).length).toBeLessThan(400)
        const second = host()
        await second.runs.recover()
        expect(dataOf(await second.attemptOf("a"))).toEqual([{ round: 1, result: { text: big } }])
      })

      test("says nothing of its own attempt and item", async () => {
        const h = host()
        await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        for (const data of [{ attempt: 1 }, { index: 0 }]) await expect(job.record(note(data))).rejects.toThrow("itself")
      })

      test("too much fails the step with a sentence, and rejects", async () => {
        const h = host()
        const runId = await h.start({ a: step([], { retry_count: 2 }) })
        const { job, signal } = await h.attemptOf("a")
        await expect(job.record(note({ text: "x".repeat(STEP_NOTE_MAX_CHARS) }))).rejects.toBeInstanceOf(AttemptOver)
        expect([signal.aborted, await status(runId)]).toEqual([true, "failed"])
        expect((await h.runs.inspect(runId))?.failureCode).toBe("AGENT_TURN_FAILED")
      })

      test("waits for room on a full disk", async () => {
        const gate = gated()
        const h = host(gate.journal)
        const runId = await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        const recording = job.record(note({ n: 1 }))
        ;(await eventually(() => gate.asked[0])).refuse(new JournalFull("full"))
        ;(await eventually(() => gate.asked[1])).happen()
        await recording
        expect(await notesIn(runId)).toEqual([{ n: 1, attempt: 1 }])
      })
    })

    describe("recording rejects", () => {
      const isOver = (recording: Promise<void>) => expect(recording).rejects.toBeInstanceOf(AttemptOver)

      test("once the run was stopped, also by a stop in the same commit", async () => {
        const gate = gated()
        const h = host(gate.journal)
        const runId = await h.start({ a: [] })
        const { job, signal } = await h.attemptOf("a")
        const first = job.record(note({ n: 1 }))
        await eventually(() => gate.asked.length === 1)
        const second = job.record(note({ n: 2 }))
        const stopped = h.runs.send(runId, stop)
        gate.asked[0]!.happen()
        await first
        ;(await eventually(() => gate.asked[1])).happen()
        await isOver(second)
        await stopped
        expect(signal.aborted).toBe(true)
        expect((await notesIn(runId)).map(n => n.n)).toEqual([1, 2])
        await isOver(job.record(note({ n: 3 })))
        expect(gate.asked.length).toBe(2)
      })

      test("when the attempt has ended or asks a person", async () => {
        const h = host()
        await h.start({ a: step([], { retry_count: 1 }), b: [] })
        const [a, b] = [await h.attemptOf("a"), await h.attemptOf("b")]
        a.answer(failed(true))
        b.answer({ ok: true, ask: { taskType: "confirmation", payload: {}, expiresInMs: null } })
        await settled()
        await isOver(a.job.record(note({ n: 1 })))
        await isOver(b.job.record(note({ n: 1 })))
      })

      test("when the run went on elsewhere, also while it waits for room on the disk", async () => {
        for (const lost of [new RunLost("elsewhere"), new Error("the wire broke")]) {
          const gate = gated()
          const h = host(gate.journal)
          await h.start({ a: [] })
          const { job, signal } = await h.attemptOf("a")
          const over = [job.record(note({ n: 1 })), job.record(note({ n: 2 }))]
          ;(await eventually(() => gate.asked[0])).refuse(new JournalFull("full"))
          ;(await eventually(() => gate.asked[1])).refuse(lost)
          for (const recording of over) await isOver(recording)
          expect(signal.aborted).toBe(true)
        }
      })

      test("without harm where nobody looks at it", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        await h.runs.send(runId, stop)
        void job.record(note({}))
        await settled()
      })

      test("when the process ends, although what it recorded may still come to the disk", async () => {
        const gate = gated()
        const h = host(gate.journal)
        const runId = await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        const recording = job.record(note({ n: 1 }))
        await eventually(() => gate.asked.length === 1)
        expect(await h.runs.shutDown(0)).toBe(1)
        gate.asked[0]!.happen()
        await isOver(recording)
        await isOver(job.record(note({ n: 2 })))
        expect((await notesIn(runId)).map(n => n.n)).toEqual([1])
      })

      test("and whoever throws that on is not taken for a mistake of ours", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        const attempt = await h.attemptOf("a")
        await h.runs.send(runId, stop)
        attempt.fail(await attempt.job.record(note({})).catch(e => e))
        await settled()
        expect([h.logged, await status(runId)]).toEqual([[], "stopped"])
      })
    })

    describe("what was recorded", () => {
      test("is there for the next boot, which is told that it takes over, and for the next attempt, which is not", async () => {
        const first = host()
        const runId = await first.start({ a: step([], { retry_count: 1 }) })
        const begun = await first.attemptOf("a")
        expect(begun.job).toMatchObject({ resumed: false, notes: [] })
        await begun.job.record(note({ n: 1 }))
        await begun.job.record(note({ n: 2 }))

        const second = host()
        expect(await second.runs.recover()).toBe(1)
        const resumed = await second.attemptOf("a")
        expect(resumed.job).toMatchObject({ resumed: true, attempt: 1, idempotencyKey: begun.job.idempotencyKey })
        expect(dataOf(resumed)).toEqual([{ n: 1 }, { n: 2 }])
        await resumed.job.record(note({ n: 3 }))
        resumed.answer(failed(true))
        await eventually(async () => (await stored(runId)).at(-1)?.event.type === "step_retry_scheduled")
        time.now += 5_000
        await second.wake()
        const again = await second.attemptOf("a", 2)
        expect(again.job).toMatchObject({ resumed: false, idempotencyKey: begun.job.idempotencyKey })
        expect(dataOf(again)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
        again.answer(done())
        await eventually(async () => (await status(runId)) === "completed")
      })

      test("survives a question to a person, and comes from a snapshot as from the events", async () => {
        const first = host(journal, { snapshotEvery: 2 })
        const runId = await first.start({ a: [] })
        const begun = await first.attemptOf("a")
        for (const n of [1, 2, 3]) await begun.job.record(note({ n }))
        begun.answer({ ok: true, ask: { taskType: "confirmation", payload: {}, expiresInMs: null } })
        await eventually(async () => (await status(runId)) === "paused")
        await eventually(() => temporary.db.query({ sql: "SELECT 1 FROM run_snapshots", params: [] }).then(r => r.length === 1))

        const second = host()
        await second.runs.send(runId, { type: "TaskCompleted", taskId: "a|1.1", approved: true, result: {}, by })
        const on = await second.attemptOf("a")
        expect(on.job).toMatchObject({ resumed: false, answers: [{ approved: true }] })
        expect(dataOf(on)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
      })

      test("belongs to its item", async () => {
        const h = host()
        const runId = await h.start({ loop: each([1, 2], { do: { type: "work" } }) })
        const path = "loop#body#do"
        const items = await eventually(() => {
          const found = h.attempts.filter(a => a.job.stepId === path)
          return found.length === 2 && found
        })
        await Promise.all(items.map(({ job }) => job.record(note({ mine: job.item }))))
        expect(await notesIn(runId)).toEqual([
          { mine: 0, attempt: 1, index: 0 },
          { mine: 1, attempt: 1, index: 1 },
        ])
        const next = host()
        await next.runs.recover()
        const again = await eventually(() => next.attempts.length === 2 && next.attempts)
        expect(again.map(dataOf)).toEqual([[{ mine: 0 }], [{ mine: 1 }]])
      })

      test("by a run that was forgotten and taken up again by the same process is resumed, too", async () => {
        const gate = gated()
        const h = host(gate.journal)
        await h.start({ a: [] })
        const { job } = await h.attemptOf("a")
        const first = job.record(note({ n: 1 }))
        ;(await eventually(() => gate.asked[0])).happen()
        await first
        const second = job.record(note({ n: 2 })).catch(() => {})
        ;(await eventually(() => gate.asked[1])).refuse(new Error("the wire broke"))
        await second
        const again = await eventually(() => h.attempts[1])
        expect(again.job.resumed).toBe(true)
        expect(dataOf(again)).toEqual([{ n: 1 }])
      })
    })

    describe("on_crash", () => {
      async function crashed(more: JsonObject) {
        const first = host()
        const runId = await first.start({ a: step([], { retry_count: 3, note: "dear", ...more }), b: ["a"] })
        const begun = await first.attemptOf("a")
        const next = host()
        expect(await next.runs.recover()).toBe(1)
        return { runId, begun, next }
      }
      const say = (taskId: string, approved: boolean) => ({ type: "TaskCompleted", taskId, approved, result: {}, by }) as const

      test("retry, or nothing, runs the attempt again with its key", async () => {
        for (const more of [{}, { on_crash: "retry" }]) {
          const { begun, next } = await crashed(more)
          const again = await next.attemptOf("a")
          expect(again.job).toMatchObject({ resumed: true, idempotencyKey: begun.job.idempotencyKey })
          again.answer(failed(false))
          await eventually(() => next.runs.inFlight === 0)
        }
      })

      test("fail fails the step with a sentence, and runs nothing", async () => {
        const { runId, next } = await crashed({ on_crash: "fail" })
        await eventually(async () => (await status(runId)) === "failed")
        const state = await next.runs.inspect(runId)
        expect(state).toMatchObject({ failedStepId: "a", failureCode: "INTERNAL_ERROR" })
        expect(state?.error).toContain("the process ended while attempt 1 was under way")
        expect(next.attempts).toEqual([])
      })

      test("ask asks a person before anything runs, and a yes runs it again with its key", async () => {
        const { runId, begun, next } = await crashed({ on_crash: "ask" })
        await eventually(async () => (await status(runId)) === "paused")
        expect(next.attempts).toEqual([])
        expect(await tasks(runId)).toEqual([{ task_id: "a|1.1", task_type: "interrupted_step", status: "pending" }])
        const { events } = (await journal.load(runId, null))!
        const asked = events.flatMap(({ event }) => (event.type === "human_task_created" ? [event.data.task_payload] : []))
        expect(asked).toEqual([
          {
            title: "Run a again?",
            description: expect.stringContaining("nobody knows whether it took effect"),
            ...{ step_type: "work", attempt: 1, fields: { note: "dear" } },
          },
        ])

        await next.runs.send(runId, say("a|1.1", true))
        const again = await next.attemptOf("a")
        // What the wrapper asked is none of the executor's answers.
        expect(again.job).toMatchObject({ resumed: false, answers: [], idempotencyKey: begun.job.idempotencyKey })
        again.answer(done())
        ;(await next.attemptOf("b")).answer(done())
        await eventually(async () => (await status(runId)) === "completed")
      })

      test("ask fails the step on a no", async () => {
        const { runId, next } = await crashed({ on_crash: "ask" })
        await eventually(async () => (await status(runId)) === "paused")
        await next.runs.send(runId, say("a|1.1", false))
        await eventually(async () => (await status(runId)) === "failed")
        expect(await next.runs.inspect(runId)).toMatchObject({ failureCode: "HUMAN_TASK_FAILED", failedStepId: "a" })
        expect(next.attempts).toEqual([])
      })

      test("ask asks again about the next crash, and the executor's own questions are answered beside it", async () => {
        const { runId, next } = await crashed({ on_crash: "ask" })
        await eventually(async () => (await status(runId)) === "paused")
        await next.runs.send(runId, say("a|1.1", true))
        ;(await next.attemptOf("a")).answer({
          ok: true,
          ask: { taskType: "confirmation", payload: { really: true }, expiresInMs: null },
        })
        await eventually(async () => (await tasks(runId)).length === 2)
        await next.runs.send(runId, say("a|1.2", true))
        await eventually(() => next.attempts.length === 2)

        const third = host()
        expect(await third.runs.recover()).toBe(1)
        await eventually(async () => (await tasks(runId)).length === 3)
        expect((await tasks(runId)).map(t => t.task_type)).toEqual(["interrupted_step", "confirmation", "interrupted_step"])
        await third.runs.send(runId, say("a|1.3", true))
        const on = await third.attemptOf("a")
        expect(on.job.answers).toMatchObject([{ asked: { really: true }, taskType: "confirmation" }])
        on.answer(done())
        await third.attemptOf("b")
      })

      test("does not touch an attempt that begins anew behind the crash", async () => {
        const first = host()
        const runId = await first.start({ a: step([], { retry_count: 1, on_crash: "fail" }) })
        ;(await first.attemptOf("a")).answer(failed(true))
        await eventually(async () => (await stored(runId)).at(-1)?.event.type === "step_retry_scheduled")
        time.now += 5_000
        const next = host()
        await next.runs.recover()
        expect((await next.attemptOf("a", 2)).job.resumed).toBe(false)
      })

      test("is left to an executor that looks at it itself", async () => {
        const first = host(journal, { resumes: true })
        await first.start({ a: step([], { on_crash: "fail" }) })
        const next = host(journal, { resumes: true })
        await next.runs.recover()
        expect((await next.attemptOf("a")).job).toMatchObject({ resumed: true, onCrash: "fail" })
      })
    })
  })
}
