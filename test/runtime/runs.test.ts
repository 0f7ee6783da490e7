import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { AppError } from "../../src/kernel/errors.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import { LEASE_MS, STALL_DEFAULT_MS } from "../../src/kernel/limits.ts"
import { type Journal, JournalFull, RunExists, RunLost } from "../../src/runtime/ports.ts"
import { createJournal } from "../../src/storage/journal.ts"
import { createLeases } from "../../src/storage/leases.ts"
import { person, step } from "../engine/machine.ts"
import { dialects, type TemporaryDatabase } from "../helpers/database.ts"
import { boot, done, eventually, failed, newRun, START, settled } from "./host.ts"

const by = "u1"
const approve = { type: "TaskCompleted", taskId: "ask", approved: true, result: {}, by } as const

for (const dialect of dialects) {
  describe(`runs on ${dialect.name}`, () => {
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

    const host = (on: Journal = journal) => boot(on, plans, time)
    const types = async (runId: string) => (await journal.load(runId, null))!.events.map(e => e.event.type)
    const row = async (runId: string) =>
      (await temporary.db.query({ sql: "SELECT * FROM runs WHERE id = ?", params: [runId] }))[0]!
    const taskStatus = async (runId: string) =>
      (await temporary.db.query({ sql: "SELECT status FROM human_tasks WHERE run_id = ?", params: [runId] })).map(r => r.status)

    /** A journal whose next write of a kind waits for, or is refused by, the test. */
    function faulty() {
      const faults: { create: unknown[]; append: unknown[]; gate: Promise<void> | null; appends: number } = {
        create: [],
        append: [],
        gate: null,
        appends: 0,
      }
      const strike = async (kind: "create" | "append") => {
        const fault = faults[kind].shift()
        if (fault) throw fault
        if (faults.gate) await faults.gate
      }
      const wrapped: Journal = {
        ...journal,
        create: async (run, append) => {
          await strike("create")
          await journal.create(run, append)
        },
        append: async (run, append) => {
          faults.appends++
          await strike("append")
          await journal.append(run, append)
        },
      }
      return { faults, journal: wrapped }
    }

    function gate() {
      let open = () => {}
      const promise = new Promise<void>(resolve => {
        open = resolve
      })
      return { promise, open }
    }

    describe("a start", () => {
      test("is on disk before it is answered and before a step runs", async () => {
        const { faults, journal: slow } = faulty()
        const { promise, open } = gate()
        faults.gate = promise
        const h = host(slow)
        let answered = false
        const starting = h.start({ a: [] }).then(id => {
          answered = true
          return id
        })
        await settled()
        expect([answered, h.attempts.length]).toEqual([false, 0])
        open()
        const runId = await starting
        expect(await types(runId)).toEqual(["run_started", "step_started"])
        expect((await h.attemptOf("a")).job).toMatchObject({
          runId,
          tenantId: "t1",
          projectId: "p1",
          stepType: "work",
          attempt: 1,
          idempotencyKey: `${runId}:a:0`,
        })
      })

      test("with a taken id or idempotency key is refused, and the first goes on undisturbed", async () => {
        const h = host()
        const runId = await h.start({ a: [] }, {}, "key")
        for (const again of [newRun({ runId }), newRun({}, "key")])
          expect(
            await h.runs.start(again, await h.planOf((await row(runId)).workflow_id as string)).catch(e => e),
          ).toBeInstanceOf(RunExists)
        // The key is the project's own, and no key is no key.
        await h.start({ a: [] }, { projectId: "p2" }, "key")
        await h.start({ a: [] })
        await h.start({ a: [] })
        ;(await h.attemptOf("a")).answer(done())
        await eventually(async () => (await row(runId)).status === "completed")
      })

      test("fifty times at once under one key makes one run", async () => {
        const h = host()
        const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => h.start({ ask: person() }, {}, "race")))
        expect(outcomes.filter(o => o.status === "fulfilled")).toHaveLength(1)
        for (const o of outcomes) if (o.status === "rejected") expect(o.reason).toBeInstanceOf(RunExists)
        expect(await temporary.db.query({ sql: "SELECT id FROM runs", params: [] })).toHaveLength(1)
        expect(await temporary.db.query({ sql: "SELECT run_id FROM human_tasks", params: [] })).toHaveLength(1)
      })

      test("of a graph that has nothing to do is completed at once and holds nothing", async () => {
        const h = host()
        const runId = await h.start({ a: step([], { enabled: false }) })
        expect(await row(runId)).toMatchObject({ status: "completed", owner_boot_id: null, wake_at: null })
        expect(h.runs.inFlight).toBe(0)
      })

      test("on a full disk is refused, leaves nothing, and can be repeated", async () => {
        const { faults, journal: full } = faulty()
        faults.create.push(new JournalFull("full"))
        const h = host(full)
        const run = newRun({}, "key")
        plans.set(run.facts.workflowId, { steps: [{ id: "a", type: "work" }] })
        const plan = await h.planOf(run.facts.workflowId)
        expect(await h.runs.start(run, plan).catch(e => e)).toBeInstanceOf(JournalFull)
        expect([h.runs.inFlight, h.attempts.length, await journal.load(run.facts.runId, null)]).toEqual([0, 0, null])
        await h.runs.start(run, plan)
        expect((await h.attemptOf("a")).job.runId).toBe(run.facts.runId)
      })
    })

    describe("an input", () => {
      test("for a run that nobody has is not_found", async () => {
        const refused = await host()
          .runs.send(Bun.randomUUIDv7(), { type: "Pause", by })
          .catch(e => e)
        expect(refused).toBeInstanceOf(AppError)
        expect(refused.kind).toBe("not_found")
      })

      test("that decides nothing is not accepted, and writes nothing", async () => {
        const h = host()
        const runId = await h.start({ ask: person() })
        const before = await types(runId)
        for (const input of [
          { type: "Resume", by, overlays: {} },
          { type: "ClockReached", stallMs: STALL_DEFAULT_MS },
          { type: "TaskCompleted", taskId: "other", approved: true, result: {}, by },
          { type: "StepSucceeded", stepId: "ask", item: null, attempt: 1, round: 0, answers: 0, result: {} },
        ] as const)
          expect((await h.runs.send(runId, input)).accepted).toBe(false)
        expect(await types(runId)).toEqual(before)
      })

      test("among many at once is decided in turn, each seeing the one before", async () => {
        const h = host()
        const runId = await h.start({ a: [], ask: person() })
        const outcomes = await Promise.all(
          (["Pause", "Pause", "Resume", "Resume", "Pause"] as const).map(type =>
            h.runs.send(runId, type === "Pause" ? { type, by } : { type, by, overlays: {} }),
          ),
        )
        expect(outcomes.map(o => [o.accepted, o.before.status, o.after.status])).toEqual([
          [true, "running", "paused"],
          [false, "paused", "paused"],
          [true, "paused", "running"],
          [false, "running", "running"],
          [true, "running", "paused"],
        ])
        const { events } = (await journal.load(runId, null))!
        expect(events.map(e => e.seq)).toEqual(events.map((_, i) => i + 1))
      })

      test("of twenty people for one task counts once", async () => {
        const h = host()
        const runId = await h.start({ ask: person(), b: ["ask"] })
        const outcomes = await Promise.all(Array.from({ length: 20 }, () => h.runs.send(runId, approve)))
        expect(outcomes.map(o => o.accepted)).toEqual([true, ...Array.from({ length: 19 }, () => false)])
        await h.attemptOf("b")
        await settled()
        expect(h.attempts).toHaveLength(1)
        expect(await taskStatus(runId)).toEqual(["completed"])
      })

      test("is answered, and what it makes ready runs, only after the commit", async () => {
        const { faults, journal: slow } = faulty()
        const h = host(slow)
        const runId = await h.start({ ask: person(), b: ["ask"] })
        const { promise, open } = gate()
        faults.gate = promise
        let answered = false
        const sending = h.runs.send(runId, approve).then(() => {
          answered = true
        })
        await settled()
        expect([answered, h.attempts.length]).toEqual([false, 0])
        // What is read meanwhile is what is on disk.
        expect((await h.runs.inspect(runId))?.steps[0]?.status).toBe("waiting")
        open()
        await sending
        expect((await h.attemptOf("b")).job.runId).toBe(runId)
      })

      test("at any moment of another's commit is answered: none falls between memory and rest", async () => {
        // A journal that is done at once, so that what comes next is a question of microtasks alone.
        const instant: Journal = { ...journal, append: async () => {} }
        const unanswered: number[] = []
        for (let ticks = 0; ticks < 40; ticks++) {
          const h = host(instant)
          const runId = await h.start({ ask: person() })
          void h.runs.send(runId, { type: "Pause", by })
          let late = Promise.resolve()
          for (let i = 0; i < ticks; i++) late = late.then(() => {})
          const second = late.then(() => h.runs.send(runId, { type: "ClockReached", stallMs: STALL_DEFAULT_MS }))
          const answer = await Promise.race([second, Bun.sleep(200).then(() => null)])
          if (answer === null) unanswered.push(ticks)
        }
        expect(unanswered).toEqual([])
      })
    })

    describe("a run at rest", () => {
      test("costs a row, not memory, and is there again when somebody asks", async () => {
        const h = host()
        const runId = await h.start({ ask: person(), b: ["ask"] }, { input: { n: 1 } })
        expect(h.runs.inFlight).toBe(0)
        expect(await row(runId)).toMatchObject({ status: "paused", pause_reason: "human_task", owner_boot_id: null })
        expect(await h.runs.inspect(runId)).toMatchObject({ status: "paused", facts: { input: { n: 1 } } })
        expect(h.runs.inFlight).toBe(0)
        await h.runs.send(runId, approve)
        ;(await h.attemptOf("b")).answer(done({ x: 1 }))
        await eventually(async () => (await row(runId)).status === "completed")
        expect(h.runs.inFlight).toBe(0)
        expect((await h.runs.inspect(runId))?.steps.map(s => s.result as unknown)).toEqual([{ approved: true }, { x: 1 }])
      })

      test("between two attempts too, until its moment comes", async () => {
        const h = host()
        const runId = await h.start({ a: step([], { retry_count: 1 }) })
        ;(await h.attemptOf("a")).answer(failed(true))
        await eventually(async () => (await row(runId)).wake_at !== null)
        expect(h.runs.inFlight).toBe(0)
        expect(Number((await row(runId)).wake_at)).toBe(START + 1_000)
        time.now = START + 999
        expect(await h.wake()).toBe(0)
        time.now = START + 1_000
        expect(await h.wake()).toBe(1)
        expect((await h.attemptOf("a", 2)).job.idempotencyKey).toBe(`${runId}:a:0`)
        expect(await h.wake()).toBe(0)
        ;(await h.attemptOf("a", 2)).answer(failed(true))
        await eventually(async () => (await row(runId)).status === "failed")
        expect(await row(runId)).toMatchObject({ failure_code: "MCP_TOOL_FAILED", failed_step_id: "a", wake_at: null })
      })

      test("fails when its human task expires, and nobody can complete it any more", async () => {
        const h = host()
        const runId = await h.start({ ask: person([], { timeout_s: 60 }) })
        time.now = START + 59_999
        expect(await h.wake()).toBe(0)
        time.now = START + 60_000
        expect(await h.wake()).toBe(1)
        expect(await row(runId)).toMatchObject({ status: "failed", failure_code: "HUMAN_TASK_FAILED", wake_at: null })
        expect(await taskStatus(runId)).toEqual(["expired"])
        expect((await h.runs.send(runId, approve)).accepted).toBe(false)
        expect(await h.wake()).toBe(0)
      })

      test("that cannot be woken keeps no other asleep, and is tried again later", async () => {
        const h = host()
        const retrying = step([], { retry_count: 1 })
        const [broken, good] = [await h.start({ a: retrying }), await h.start({ b: retrying })]
        for (const stepId of ["a", "b"]) (await h.attemptOf(stepId)).answer(failed(true))
        for (const id of [broken, good]) await eventually(async () => (await row(id)).wake_at !== null)
        const workflowId = String((await row(broken)).workflow_id)
        const graph = plans.get(workflowId)!
        plans.delete(workflowId)
        time.now = START + 1_000
        await h.wake()
        expect((await h.attemptOf("b", 2)).job.runId).toBe(good)
        expect(h.logged).toContainEqual(expect.objectContaining({ run_id: broken }))
        expect(await h.wake()).toBe(0)
        plans.set(workflowId, graph)
        time.now += 30_000
        expect(await h.wake()).toBe(1)
        expect((await h.attemptOf("a", 2)).job.runId).toBe(broken)
      })

      test("that drains too long is stopped by force", async () => {
        const h = host()
        const runId = await h.start({ a: [], b: ["a"] })
        const { signal, answer } = await h.attemptOf("a")
        await h.runs.send(runId, { type: "Stop", mode: "graceful", drainMs: 5_000, by })
        expect((await row(runId)).status).toBe("draining")
        time.now = START + 5_000
        await h.wake()
        expect(await row(runId)).toMatchObject({ status: "stopped", failure_code: "DRAIN_TIMEOUT" })
        expect(signal.aborted).toBe(true)
        const before = await types(runId)
        answer(done())
        await settled()
        expect(await types(runId)).toEqual(before)
      })
    })

    test("an immediate stop aborts what is under way, and its late answer is not heard", async () => {
      const h = host()
      const runId = await h.start({ a: [], b: [], ask: person() })
      const [a, b] = [await h.attemptOf("a"), await h.attemptOf("b")]
      await h.runs.send(runId, { type: "Stop", mode: "immediate", drainMs: 0, by })
      expect([a.signal.aborted, b.signal.aborted]).toEqual([true, true])
      expect(await taskStatus(runId)).toEqual(["cancelled"])
      const before = await types(runId)
      a.answer(done())
      b.answer(failed(true))
      await settled()
      expect(await types(runId)).toEqual(before)
      expect(h.runs.inFlight).toBe(0)
    })

    describe("the next boot", () => {
      test("does again what was under way, under the same idempotency key, and leaves the rest alone", async () => {
        const first = host()
        const moving = await first.start({ a: [], b: ["a"], c: ["b"] })
        const waiting = await first.start({ ask: person() })
        const finished = await first.start({ off: step([], { enabled: false }) })
        ;(await first.attemptOf("a")).answer(done({ x: 1 }))
        await first.attemptOf("b")
        const second = host()
        expect(await second.runs.recover()).toBe(1)
        const { job, answer } = await second.attemptOf("b")
        expect([job.runId, job.attempt, job.idempotencyKey]).toEqual([moving, 1, `${moving}:b:0`])
        expect(second.attempts).toHaveLength(1)
        answer(done())
        ;(await second.attemptOf("c")).answer(done())
        await eventually(async () => (await row(moving)).status === "completed")
        expect((await types(moving)).filter(t => t === "step_completed")).toHaveLength(3)
        expect([(await row(waiting)).status, (await row(finished)).status]).toEqual(["paused", "completed"])
        expect(await second.runs.recover()).toBe(0)
      })

      test("fences the one before: what that still has to say is refused and forgotten", async () => {
        const first = host()
        const runId = await first.start({ a: [], b: ["a"] })
        const old = await first.attemptOf("a")
        const second = host()
        await second.runs.recover()
        ;(await second.attemptOf("a")).answer(done({ from: "second" }))
        await second.attemptOf("b")
        old.answer(done({ from: "first" }))
        await eventually(() => first.runs.inFlight === 0)
        expect(first.logged).toContainEqual(expect.objectContaining({ run_id: runId }))
        expect(first.attempts).toHaveLength(1)
        ;(await second.attemptOf("b")).answer(done())
        await eventually(async () => (await row(runId)).status === "completed")
        const completions = (await journal.load(runId, null))!.events.flatMap(({ event }) =>
          event.type === "step_completed" && event.stepId === "a" ? [event.data] : [],
        )
        expect(completions).toEqual([expect.objectContaining({ result: { from: "second" } })])
      })

      test("tells a sender whose run was lost, and the next try finds the run as it is", async () => {
        const first = host()
        const runId = await first.start({ a: [], ask: person() })
        await first.attemptOf("a")
        const second = host()
        await second.runs.recover()
        await second.runs.send(runId, { type: "Pause", by })
        expect(await first.runs.send(runId, { type: "Pause", by }).catch(e => e)).toBeInstanceOf(RunLost)
        expect(await first.runs.send(runId, { type: "Pause", by })).toMatchObject({
          accepted: false,
          before: { status: "paused" },
        })
      })

      test("goes on with the others when one cannot be read, and tries that one again", async () => {
        const first = host()
        const unreadable = await first.start({ a: [] })
        const good = await first.start({ b: [] })
        const workflowId = String((await row(unreadable)).workflow_id)
        const graph = plans.get(workflowId)!
        plans.delete(workflowId)
        const second = host()
        expect(await second.runs.recover()).toBe(2)
        expect((await second.attemptOf("b")).job.runId).toBe(good)
        expect(second.logged).toContainEqual(expect.objectContaining({ run_id: unreadable }))
        plans.set(workflowId, graph)
        expect((await second.attemptOf("a")).job.runId).toBe(unreadable)
      })

      test("starts a retry whose moment came while nothing ran", async () => {
        const first = host()
        const runId = await first.start({ a: step([], { retry_count: 3 }) })
        ;(await first.attemptOf("a")).answer(failed(true))
        await eventually(async () => (await row(runId)).wake_at !== null)
        time.now += 3_600_000
        const second = host()
        await second.runs.recover()
        await second.attemptOf("a", 2)
        await second.wake()
        await settled()
        expect(second.attempts).toHaveLength(1)
      })
    })

    describe("what is held in memory", () => {
      const limits = { inMemory: 3, starting: 2, mailbox: 2 }
      const refusal = (error: unknown) => (error instanceof AppError ? [error.kind, error.extras] : error)

      test("are only so many starts that wait for the disk; the next ones are refused, children's are not", async () => {
        const { faults, journal: slow } = faulty()
        const { promise, open } = gate()
        const h = boot(slow, plans, time, { limits })
        faults.gate = promise
        const starting = [h.start({ ask: person() }), h.start({ ask: person() })]
        await settled()
        expect(refusal(await h.start({ ask: person() }).catch(e => e))).toEqual([
          "unavailable",
          { code: "TOO_MANY_STARTS", retryAfterS: 1 },
        ])
        const parent = { runId: "r", workflowId: "w", stepId: "s", item: null, depth: 1, outputFrom: null }
        const child = h.start({ ask: person() }, { parent })
        open()
        await Promise.all([...starting, child])
        faults.gate = null
        await h.start({ ask: person() })
      })

      test("are only so many runs; one more begins when one has ended", async () => {
        const h = boot(journal, plans, time, { limits })
        for (const id of ["a", "b", "c"]) await h.start({ [id]: [] })
        await h
          .start({ ask: person() })
          .then(expect.unreachable, error =>
            expect(refusal(error)).toEqual(["unavailable", { code: "TOO_MANY_RUNS", retryAfterS: 5 }]),
          )
        ;(await h.attemptOf("b")).answer(done())
        await eventually(() => h.runs.inFlight < 3)
        await h.start({ d: [] })
      })

      test("are only so many requests to one run", async () => {
        const { faults, journal: slow } = faulty()
        const h = boot(slow, plans, time, { limits })
        const runId = await h.start({ a: [] })
        const { promise, open } = gate()
        faults.gate = promise
        const sent = [h.runs.send(runId, { type: "Pause", by })]
        await eventually(() => faults.appends > 0)
        for (let i = 0; i < 2; i++) sent.push(h.runs.send(runId, { type: "Resume", by, overlays: {} }))
        await settled()
        const refused = await h.runs.send(runId, { type: "Pause", by }).catch(e => e)
        expect(refusal(refused)).toEqual(["unavailable", { code: "RUN_BUSY", retryAfterS: 1 }])
        open()
        expect((await Promise.all(sent)).map(o => o.accepted)).toEqual([true, true, false])
      })
    })

    describe("a lease", () => {
      const leased = () => boot(journal, plans, time, { leases: createLeases(temporary.db) })

      test("keeps a boot the owner of its runs as long as it is renewed in time", async () => {
        const [one, two] = [leased(), leased()]
        expect([await one.lease(), await two.lease()]).toEqual([0, 0])
        const runId = await one.start({ a: [] })
        for (let i = 0; i < 3; i++) {
          time.now += LEASE_MS - 1
          expect([await one.lease(), await two.lease()]).toEqual([0, 0])
        }
        expect((await row(runId)).owner_boot_id).toBe(one.bootId)
      })

      test("that ran out leaves the runs to another boot while both run, and the one that was late lets them go", async () => {
        const [late, other] = [leased(), leased()]
        for (const h of [late, other]) await h.lease()
        const runId = await late.start({ a: [], b: ["a"] })
        const waiting = await late.start({ ask: person() })
        const before = await late.attemptOf("a")
        time.now += LEASE_MS - 1
        await other.lease()
        time.now += 1
        expect(await other.lease()).toBe(1)
        const again = await other.attemptOf("a")
        expect([await late.lease(), before.signal.aborted, late.runs.inFlight]).toEqual([0, true, 0])
        again.answer(done())
        ;(await other.attemptOf("b")).answer(done())
        await eventually(async () => (await row(runId)).status === "completed")
        // It has a lease again, and goes on with what nobody owned.
        expect((await late.runs.send(waiting, approve)).accepted).toBe(true)
      })

      test("that was late but lost nothing goes on as if nothing had been", async () => {
        const h = leased()
        await h.lease()
        await h.start({ a: [] })
        const attempt = await h.attemptOf("a")
        await createLeases(temporary.db).end(Number.MAX_SAFE_INTEGER)
        expect(await h.lease()).toBe(0)
        expect([attempt.signal.aborted, h.runs.inFlight, h.attempts.length]).toEqual([false, 1, 1])
      })

      test("without one, a boot that writes once more costs the new owner a try and no run", async () => {
        const [late, other] = [leased(), leased()]
        for (const h of [late, other]) await h.lease()
        const runId = await late.start({ a: [], b: [], c: ["a", "b"] })
        await late.attemptOf("b")
        time.now += LEASE_MS
        await other.lease()
        const mine = await other.attemptOf("b")
        ;(await late.attemptOf("a")).answer(done({ by: "late" }))
        await eventually(async () => (await types(runId)).includes("step_completed"))
        mine.answer(done({ by: "other" })) // refused: the other wrote in between
        await eventually(() => other.attempts.filter(a => a.job.stepId === "b").length === 2)
        other.attempts.filter(a => a.job.stepId === "b")[1]!.answer(done())
        ;(await other.attemptOf("c")).answer(done())
        await eventually(async () => (await row(runId)).status === "completed")
        expect((await other.runs.inspect(runId))?.steps[0]?.result).toEqual({ by: "late" })
      })

      test("that is released in time lets another boot begin at once", async () => {
        const [first, second] = [leased(), leased()]
        await first.lease()
        await first.start({ a: [] })
        await first.runs.shutDown(0)
        await createLeases(temporary.db).release(first.bootId)
        expect(await second.lease()).toBe(1)
      })
    })

    describe("a long journal", () => {
      const snapshots = async (runId: string) =>
        await temporary.db.query({ sql: "SELECT seq, format, state FROM run_snapshots WHERE run_id = ?", params: [runId] })
      const few = () => boot(journal, plans, time, { snapshotEvery: 3 })

      test("leaves a snapshot with the run, from which another boot goes on", async () => {
        const h = few()
        const runId = await h.start({ a: [], ask: person(["a"]), b: ["ask"] })
        ;(await h.attemptOf("a")).answer(done({ kept: "é" }))
        const [snapshot] = await eventually(async () => (await snapshots(runId)).length > 0 && (await snapshots(runId)))
        const events = (await journal.load(runId, null))!.events.length
        expect(Number(snapshot!.seq)).toBe(events)
        // Nothing of these is read again.
        await temporary.db.commit([{ sql: "UPDATE run_events SET type = 'unknown' WHERE run_id = ?", params: [runId] }])
        const next = few()
        expect((await next.runs.inspect(runId))?.steps[0]?.result).toEqual({ kept: "é" })
        expect((await next.runs.send(runId, approve)).accepted).toBe(true)
        ;(await next.attemptOf("b")).answer(done())
        await eventually(async () => (await row(runId)).status === "completed")
      })

      test("is folded from its beginning when the snapshot is damaged or in another format", async () => {
        const h = few()
        const runId = await h.start({ a: [], ask: person(["a"]) })
        ;(await h.attemptOf("a")).answer(done({ kept: 1 }))
        await eventually(async () => (await snapshots(runId)).length > 0)
        const whole = await h.runs.inspect(runId)
        for (const change of ["state = '{'", "state = 'null'", "seq = 2", "format = 999"]) {
          await temporary.db.commit([{ sql: `UPDATE run_snapshots SET ${change} WHERE run_id = ?`, params: [runId] }])
          expect(await host().runs.inspect(runId)).toEqual(whole)
        }
      })
    })

    describe("a full disk", () => {
      const full = () => new JournalFull("full")

      test("is told to whoever waits; the run stays as it was, and the next try counts", async () => {
        const { faults, journal: wrapped } = faulty()
        const h = host(wrapped)
        const runId = await h.start({ ask: person(), b: ["ask"] })
        faults.append.push(full())
        const refused = await h.runs.send(runId, approve).catch(e => e)
        expect([refused.kind, refused.extras]).toEqual(["unavailable", { code: "DISK_FULL", retryAfterS: 5 }])
        expect([h.attempts.length, await taskStatus(runId)]).toEqual([0, ["pending"]])
        expect((await h.runs.send(runId, approve)).accepted).toBe(true)
        await h.attemptOf("b")
      })

      test("does not lose a step's answer, and does not repeat the step", async () => {
        const { faults, journal: wrapped } = faulty()
        const h = host(wrapped)
        const runId = await h.start({ a: [], b: ["a"] })
        faults.append.push(full())
        ;(await h.attemptOf("a")).answer(done({ kept: true }))
        await eventually(() => faults.append.length === 0)
        expect([h.runs.inFlight, await types(runId)]).toEqual([1, ["run_started", "step_started"]])
        ;(await h.attemptOf("b")).answer(done())
        await eventually(async () => (await row(runId)).status === "completed")
        expect(h.attempts.map(a => a.job.stepId)).toEqual(["a", "b"])
        expect((await h.runs.inspect(runId))?.steps[0]?.result).toEqual({ kept: true })
      })
    })

    test("another fault of the journal: the sender is told, and the run goes on from the disk", async () => {
      const { faults, journal: wrapped } = faulty()
      const h = host(wrapped)
      const runId = await h.start({ a: [], ask: person() })
      const before = await h.attemptOf("a")
      faults.append.push(new Error("the wire broke"))
      await expect(h.runs.send(runId, approve)).rejects.toThrow("the wire broke")
      expect(before.signal.aborted).toBe(true)
      const again = await eventually(() => h.attempts.filter(a => a.job.stepId === "a")[1])
      again.answer(done())
      expect((await h.runs.send(runId, approve)).accepted).toBe(true)
      await eventually(async () => (await row(runId)).status === "completed")
    })

    describe("the end of the process", () => {
      test("takes nothing more, waits for what is under way, and leaves the rest to the next boot", async () => {
        const h = host()
        const runId = await h.start({ a: [], b: ["a"] })
        const other = await h.start({ c: [] })
        const stopping = h.runs.shutDown(60_000)
        for (const refused of [h.start({ x: [] }), h.runs.send(runId, { type: "Pause", by })])
          expect(await refused.catch(e => [e.kind, e.extras])).toEqual(["unavailable", { retryAfterS: 2 }])
        ;(await h.attemptOf("a")).answer(done())
        ;(await h.attemptOf("c")).answer(done())
        // `b` was made ready, but begins with the next boot.
        expect(await stopping).toBe(1)
        expect(h.attempts.map(a => a.job.stepId)).toEqual(["a", "c"])
        expect((await row(other)).status).toBe("completed")
        const next = host()
        expect(await next.runs.recover()).toBe(1)
        expect((await next.attemptOf("b")).job.runId).toBe(runId)
      })

      test("does not wait longer than it may, and does not hear what comes after", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        expect(await h.runs.shutDown(0)).toBe(1)
        ;(await h.attemptOf("a")).answer(done())
        await settled()
        expect(await types(runId)).toEqual(["run_started", "step_started"])
      })
    })

    describe("a step that asks", () => {
      const question = (expiresInMs: number | null = null) =>
        ({ ok: true, ask: { taskType: "confirmation", payload: { tool: "rm" }, expiresInMs } }) as const
      const answer = (taskId: string, approved: boolean, result: JsonObject = {}) =>
        ({ type: "TaskCompleted", taskId, approved, result, by }) as const
      const tasks = async (runId: string) =>
        await temporary.db.query({
          sql: "SELECT task_id, step_id, step_name, task_type, status FROM human_tasks WHERE run_id = ? ORDER BY task_id",
          params: [runId],
        })

      test("costs a row while it waits, and the same attempt goes on with all that it was told", async () => {
        const h = host()
        const runId = await h.start({ a: step([], { name: "Clean up" }) })
        ;(await h.attemptOf("a")).answer(question())
        await eventually(async () => (await row(runId)).status === "paused")
        expect(await row(runId)).toMatchObject({ pause_reason: "human_task", owner_boot_id: null, wake_at: null })
        expect(h.runs.inFlight).toBe(0)
        expect(await tasks(runId)).toEqual([
          { task_id: "a|1.1", step_id: "a", step_name: "Clean up", task_type: "confirmation", status: "pending" },
        ])

        await h.runs.send(runId, answer("a|1.1", false, { why: "no" }))
        const [first, second] = await eventually(() => (h.attempts.length === 2 ? h.attempts : null))
        expect(first!.job.answers).toEqual([])
        expect(second!.job).toMatchObject({ attempt: 1, idempotencyKey: first!.job.idempotencyKey })
        expect(second!.job.answers).toEqual([
          { approved: false, result: { why: "no" }, asked: { tool: "rm" }, taskType: "confirmation" },
        ])
        second!.answer(question())
        await eventually(async () => (await tasks(runId)).length === 2)
        await h.runs.send(runId, answer("a|1.2", true))
        const third = await eventually(() => h.attempts[2])
        expect(third.job.answers).toEqual([
          { approved: false, result: { why: "no" }, asked: { tool: "rm" }, taskType: "confirmation" },
          { approved: true, result: {}, asked: { tool: "rm" }, taskType: "confirmation" },
        ])
        third.answer(done({ ok: true }))
        await eventually(async () => (await row(runId)).status === "completed")
        expect(await taskStatus(runId)).toEqual(["completed", "completed"])
      })

      test("goes on in the next boot: not asked again when the answer is there, asked again when the question was not", async () => {
        const first = host()
        const runId = await first.start({ a: [], b: [] })
        ;(await first.attemptOf("a")).answer(question())
        await eventually(async () => (await tasks(runId)).length === 1)
        await first.runs.send(runId, answer("a|1.1", true, { n: 1 }))
        await eventually(() => first.attempts.length === 3)

        const second = host()
        expect(await second.runs.recover()).toBe(1)
        const a = await second.attemptOf("a")
        const b = await second.attemptOf("b")
        expect([a.job.answers, b.job.answers]).toEqual([
          [{ approved: true, result: { n: 1 }, asked: { tool: "rm" }, taskType: "confirmation" }],
          [],
        ])
        a.answer(done())
        b.answer(question())
        await eventually(async () => (await tasks(runId)).length === 2)
        expect((await tasks(runId)).map(t => [t.task_id, t.status])).toEqual([
          ["a|1.1", "completed"],
          ["b|1.1", "pending"],
        ])
      })

      test("inside a loop is named by its path, and a large answer comes whole", async () => {
        const h = host()
        const loop = { type: "for_each", for_each_items: [1], for_each_body_steps: [{ id: "do", type: "work", name: "Do it" }] }
        const runId = await h.start({ loop })
        ;(await h.attemptOf("loop#body#do")).answer(question())
        await eventually(async () => (await tasks(runId)).length === 1)
        expect(await tasks(runId)).toMatchObject([{ task_id: "loop|0|do|1.1", step_id: "loop#body#do", step_name: "Do it" }])
        const text = "é".repeat(100_000)
        await h.runs.send(runId, answer("loop|0|do|1.1", true, { text }))
        await eventually(() => h.attempts.length === 2)
        const later = host()
        await later.runs.recover()
        expect((await later.attemptOf("loop#body#do")).job.answers).toEqual([
          { approved: true, result: { text }, asked: { tool: "rm" }, taskType: "confirmation" },
        ])
      })

      test("and is not answered in time fails, and the task says that it expired", async () => {
        const h = host()
        const runId = await h.start({ a: [], b: [] })
        ;(await h.attemptOf("a")).answer(question(5_000))
        ;(await h.attemptOf("b")).answer(question())
        await eventually(async () => (await tasks(runId)).length === 2)
        time.now += 5_000
        await h.wake()
        expect(await row(runId)).toMatchObject({ status: "failed", failure_code: "HUMAN_TASK_FAILED", failed_step_id: "a" })
        expect(await taskStatus(runId)).toEqual(["expired", "cancelled"])
        expect((await h.runs.send(runId, answer("a|1.1", true))).accepted).toBe(false)
      })

      test("for one item in vain takes the questions of the others with it", async () => {
        const h = host()
        const body = [{ id: "do", type: "work" }]
        const runId = await h.start({ loop: { type: "for_each", for_each_items: [1, 2], for_each_body_steps: body } })
        for (const attempt of await eventually(() => (h.attempts.length === 2 ? h.attempts : null)))
          attempt.answer(question(attempt.job.item === 0 ? 5_000 : null))
        await eventually(async () => (await tasks(runId)).length === 2)
        time.now += 5_000
        await h.wake()
        expect((await tasks(runId)).map(t => [t.task_id, t.status])).toEqual([
          ["loop|0|do|1.1", "expired"],
          ["loop|1|do|1.1", "cancelled"],
        ])
      })

      test("shows people a payload that fits, and says when it was cut", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        ;(await h.attemptOf("a")).answer({
          ok: true,
          ask: { taskType: "confirmation", payload: { text: "x".repeat(2_000_000) }, expiresInMs: null },
        })
        await eventually(async () => (await tasks(runId)).length === 1)
        const created = (await journal.load(runId, null))!.events.find(e => e.event.type === "human_task_created")
        expect(created?.event.data).toMatchObject({ task_payload: { truncated: true, size_bytes: 2_000_011 } })
      })

      test("on a full disk asks as soon as there is room, once", async () => {
        const { faults, journal: full } = faulty()
        const h = host(full)
        const runId = await h.start({ a: [] })
        faults.append.push(new JournalFull("full"))
        ;(await h.attemptOf("a")).answer(question())
        await eventually(async () => (await row(runId)).status === "paused")
        expect([h.attempts.length, (await tasks(runId)).length]).toEqual([1, 1])
      })
    })

    describe("the progress of a step", () => {
      test("is shown to whoever watches, with the number of the event before it, and is never on disk", async () => {
        const h = host()
        const runId = await h.start({ a: [], b: ["a"] })
        const { job, answer } = await h.attemptOf("a")
        job.progress({ n: 0 })
        const { workflowId } = job
        const told: unknown[] = []
        h.feed.subscribe(workflowId, ({ events }) => told.push(...events.map(e => `${e.event.type} ${e.seq}`)))
        h.feed.watch(workflowId, progress => told.push(progress))
        job.progress({ n: 1 })
        job.progress({ n: 2 })
        job.progress({ n: 3 })
        answer(done())
        await h.attemptOf("b")
        const shown = { runId, workflowId, version: 1, seq: 2, at: time.now, stepId: "a", item: null }
        expect(told).toEqual([{ ...shown, data: { n: 1 } }, { ...shown, data: { n: 3 } }, "step_completed 3", "step_started 4"])
        job.progress({ n: 4 })
        expect(told).toHaveLength(4)
        expect(await types(runId)).toEqual(["run_started", "step_started", "step_completed", "step_started"])
      })

      test("of an attempt that nobody waits for any more is not shown", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        const { job, answer } = await h.attemptOf("a")
        const told: unknown[] = []
        h.feed.watch(job.workflowId, ({ data }) => told.push(data))
        job.progress({ n: 1 })
        job.progress({ n: 2 })
        await h.runs.send(runId, { type: "Stop", mode: "immediate", drainMs: 0, by })
        job.progress({ n: 3 })
        answer(done())
        await settled()
        expect(told).toEqual([{ n: 1 }])
      })
    })

    describe("a step outside", () => {
      test("that throws fails with a sentence of ours, not its own", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        ;(await h.attemptOf("a")).fail(new Error("secret detail"))
        await eventually(async () => (await row(runId)).status === "failed")
        expect(await row(runId)).toMatchObject({ failure_code: "INTERNAL_ERROR" })
        expect(String((await row(runId)).error)).not.toContain("secret")
        expect(h.logged).toContainEqual(expect.objectContaining({ run_id: runId, step_id: "a", error: "secret detail" }))
      })

      test("whose result is too large is cut and marked", async () => {
        const h = host()
        const runId = await h.start({ a: [] })
        ;(await h.attemptOf("a")).answer(done({ text: "é".repeat(600_000) }))
        await eventually(async () => (await row(runId)).status === "completed")
        const result = (await h.runs.inspect(runId))?.steps[0]?.result as {
          truncated: boolean
          size_bytes: number
          preview: string
        }
        expect([result.truncated, result.size_bytes]).toEqual([true, 1_200_011])
        expect(result.preview).toHaveLength(65_536)
        const event = (await journal.load(runId, null))!.events.find(e => e.event.type === "step_completed")
        expect(event?.event.data).toMatchObject({ truncated: true })
      })
    })
  })
}
