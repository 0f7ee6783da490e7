import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createHmac } from "node:crypto"
import { EgressFailed, EgressRefused } from "../../../src/adapters/egress/errors.ts"
import { CALLBACK_KEPT_MS, CALLBACKS_PARALLEL_MAX, CALLBACKS_PER_HOST_MAX } from "../../../src/kernel/limits.ts"
import { maskedUrl } from "../../../src/modules/callbacks/masked-url.ts"
import { pauseAfter, retryAfterMs } from "../../../src/modules/callbacks/schedule.ts"
import { createCallbackSender } from "../../../src/modules/callbacks/sender.ts"
import { signatureOf } from "../../../src/modules/callbacks/signature.ts"
import { CallbackStore } from "../../../src/modules/callbacks/store.ts"
import type { RunHeader } from "../../../src/runtime/ports.ts"
import { createJournal } from "../../../src/storage/journal.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"
import { newRun, START } from "../../runtime/host.ts"

const HERE = { tenantId: "t1", projectId: "p1" }
const MIN = 60_000
const H = 60 * MIN

interface Sent {
  readonly url: string
  readonly headers: Headers
  readonly body: string
  readonly answer: (response: Response | Error) => void
}

for (const dialect of dialects) {
  describe(`the sender of callbacks on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    let store: CallbackStore
    let time: { now: number }
    let sent: Sent[]
    let logged: string[]
    beforeEach(async () => {
      temporary = await dialect.open()
      store = new CallbackStore(temporary.db)
      time = { now: START }
      sent = []
      logged = []
    })
    afterEach(() => temporary.close())

    /** A run that failed at `time`, whose end is to be told. */
    async function ended(callbackUrl = "https://a.test/ended", at = time.now): Promise<string> {
      const run = { ...newRun(HERE), callbackUrl }
      const header: RunHeader = {
        status: "failed",
        pauseReason: null,
        completedAt: at,
        failureCode: "STEP_FAILED",
        failedStepId: "a",
        error: "no luck",
        wakeAt: null,
        ownerBootId: null,
      }
      await createJournal(temporary.db).create(run, { events: [], tasks: [], header })
      return run.facts.runId
    }

    /** A process that sends; its network answers when the test says so, or as `reply` says. */
    function boot(reply?: () => Response | Error) {
      const answered = (url: string | URL | Request, init: RequestInit = {}) =>
        new Promise<Response>((resolve, reject) => {
          const answer = (response: Response | Error) => (response instanceof Error ? reject(response) : resolve(response))
          sent.push({ url: String(url), headers: new Headers(init.headers), body: String(init.body), answer })
          if (init.signal?.aborted) reject(init.signal.reason)
          init.signal?.addEventListener("abort", () => reject(init.signal?.reason))
          if (reply) answer(reply())
        })
      const fetch = Object.assign(answered, { preconnect() {} })
      return createCallbackSender({
        store,
        secrets: { need: async () => "whsec_test" },
        runs: { inspect: async () => null },
        egress: { for: () => ({ fetch, addresses: () => Promise.reject(new Error("no HTTP")) }) },
        clock: { now: () => time.now },
        random: () => 0.5,
        version: "1.2.3",
        log: { warn: (fields, message) => void logged.push(JSON.stringify([fields, message])) },
      })
    }

    async function round(sender: ReturnType<typeof boot>): Promise<number> {
      const started = await sender.round(time.now)
      await sender.settled()
      return started
    }
    const ok = () => new Response("thanks")
    const row = async (runId: string) => (await store.ofRun(HERE, runId))[0]!
    const someSent = async (count: number) => {
      for (let i = 0; i < 500 && sent.length < count; i++) await Bun.sleep(2)
      expect(sent).toHaveLength(count)
    }

    test("sends what is due, signs it, and records the attempt", async () => {
      const runId = await ended()
      expect(await round(boot(ok))).toBe(1)
      const [{ headers, body, url }] = sent as [Sent]
      const t = START / 1000
      const v1 = createHmac("sha256", "whsec_test").update(`${t}.${body}`).digest("hex")
      expect(url).toBe("https://a.test/ended")
      expect(Object.fromEntries(headers)).toEqual({
        "content-type": "application/json",
        "user-agent": "AgentRuntime/1.2.3",
        "idempotency-key": runId,
        "x-agentruntime-signature": `t=${t},v1=${v1}`,
      })
      expect(JSON.parse(body)).toMatchObject({
        event: "run.failed",
        run_id: runId,
        error: "no luck",
        failure_code: "STEP_FAILED",
      })
      expect(await row(runId)).toMatchObject({
        ...{ status: "delivered", nextAttemptAt: null, endedAt: START },
        attempts: [{ at: START, durationMs: 0, status: 200, error: null }],
      })
      expect(await round(boot(ok))).toBe(0)
    })

    test("tries eleven times within a day and a half, then gives up and says so once", async () => {
      const runId = await ended("https://a.test/ended?token=s3cr3t")
      const sender = boot(() => new EgressFailed("a.test could not be reached: ECONNREFUSED"))
      const at: number[] = []
      for (let next: number | null = START; next !== null; next = (await row(runId)).nextAttemptAt) {
        time.now = next
        at.push(next)
        expect(await sender.round(next - 1)).toBe(0)
        expect(await round(sender)).toBe(1)
      }
      const pauses = at.slice(1).map((moment, i) => moment - at[i]!)
      expect(pauses).toEqual([10_000, 30_000, 2 * MIN, 10 * MIN, 30 * MIN, H, 2 * H, 4 * H, 8 * H, 16 * H])
      const { status, attempts, endedAt } = await row(runId)
      expect([status, attempts.length, endedAt]).toEqual(["failed", 11, time.now])
      expect(attempts[10]).toMatchObject({ status: null, error: "a.test could not be reached: ECONNREFUSED" })
      expect(new Set(sent.map(s => s.headers.get("idempotency-key")))).toEqual(new Set([runId]))
      expect(new Set(sent.map(s => s.body)).size).toBe(1)
      expect(logged).toHaveLength(1)
      expect(logged[0]).toContain("https://a.test/ended?…")
      expect(logged[0]).not.toContain("s3cr3t")
      await store.makeDue(HERE, runId, time.now)
      await round(sender)
      expect(await row(runId)).toMatchObject({ status: "failed", attempts: { length: 12 } })
    })

    test("ends at once what cannot get better", async () => {
      for (const answer of [new EgressRefused("inside; allow it with egress.allow"), new Response("", { status: 410 })]) {
        const runId = await ended()
        await round(boot(() => answer))
        expect(await row(runId)).toMatchObject({ status: "failed", nextAttemptAt: null, attempts: { length: 1 } })
      }
    })

    test("waits as long as a busy receiver wishes, an hour at most", async () => {
      for (const [status, retryAfter, wanted] of [
        [503, "60", MIN],
        [429, "999999", H],
        [429, new Date(START + 5 * MIN).toUTCString(), 5 * MIN],
        [503, "1", 10_000],
        [500, "60", 10_000],
        [503, "soon", 10_000],
      ] as const) {
        time.now = START
        const runId = await ended()
        await round(boot(() => new Response("", { status, headers: { "retry-after": retryAfter } })))
        expect([status, retryAfter, (await row(runId)).nextAttemptAt]).toEqual([status, retryAfter, START + wanted])
        await store.record(runId, { at: START, durationMs: 0, status: 200, error: null }, { status: "delivered" })
      }
    })

    test("after a crash in the middle sends again, with the same key: at least once", async () => {
      const runId = await ended()
      const crashed = boot()
      await crashed.round(time.now)
      await someSent(1)
      // The receiver has it, the process dies before it knows.
      const next = boot(ok)
      expect(await round(next)).toBe(0)
      time.now += 61_000
      expect(await round(next)).toBe(1)
      expect(sent.map(s => s.headers.get("idempotency-key"))).toEqual([runId, runId])
      expect((await row(runId)).status).toBe("delivered")
      // Should the first one be alive after all, its late failure changes nothing.
      sent[0]!.answer(new Response("", { status: 410 }))
      await crashed.settled()
      expect((await row(runId)).status).toBe("delivered")
    })

    test("that is closed gives back what is under way, and the next boot sends it at once", async () => {
      const runId = await ended()
      const sender = boot()
      await sender.round(time.now)
      await someSent(1)
      await sender.close()
      expect(await row(runId)).toMatchObject({ status: "pending", nextAttemptAt: time.now, attempts: [] })
      expect(await sender.round(time.now)).toBe(0)
      expect(await round(boot(ok))).toBe(1)
      expect((await row(runId)).status).toBe("delivered")
    })

    test("takes each callback once, however many processes look", async () => {
      for (let i = 0; i < 6; i++) await ended(`https://${i}.test/`)
      const senders = [boot(ok), boot(ok), boot(ok)]
      const taken = await Promise.all(senders.map(sender => round(sender)))
      expect(taken.reduce((a, b) => a + b)).toBe(6)
      expect(sent).toHaveLength(6)
    })

    test("keeps places free for others when one host does not answer", async () => {
      for (let i = 0; i < 2 * CALLBACKS_PER_HOST_MAX; i++) await ended("https://silent.test/")
      const sender = boot()
      expect(await sender.round(time.now)).toBe(CALLBACKS_PER_HOST_MAX)
      const runId = await ended("https://other.test/")
      expect(await sender.round(time.now)).toBe(1)
      await someSent(CALLBACKS_PER_HOST_MAX + 1)
      for (let i = 0; i < 2 * CALLBACKS_PARALLEL_MAX; i++) await ended(`https://${i}.test/`)
      expect(await sender.round(time.now)).toBe(CALLBACKS_PARALLEL_MAX - CALLBACKS_PER_HOST_MAX - 1)
      expect(await sender.round(time.now)).toBe(0)
      await someSent(CALLBACKS_PARALLEL_MAX)
      for (const one of sent) one.answer(ok())
      await sender.settled()
      expect((await row(runId)).status).toBe("delivered")
      time.now += 6_000
      expect(await sender.round(time.now)).toBe(CALLBACKS_PARALLEL_MAX)
      await sender.close()
    })

    test("shows a run's callbacks to its own project, and makes only those due", async () => {
      const runId = await ended()
      await round(boot(() => new Response("", { status: 410 })))
      const { workflowId } = await row(runId)
      for (const elsewhere of [
        { tenantId: "t1", projectId: "p2" },
        { tenantId: "t2", projectId: "p1" },
      ]) {
        expect(await store.ofRun(elsewhere, runId)).toEqual([])
        expect(await store.makeDue(elsewhere, runId, time.now)).toBe(0)
        expect(await store.run(elsewhere, workflowId, runId)).toBeNull()
      }
      expect(await store.run(HERE, "another", runId)).toBeNull()
      expect(await store.run(HERE, workflowId, runId)).toMatchObject({ id: runId })
      expect(await store.makeDue(HERE, runId, time.now)).toBe(1)
    })

    test("deletes what ended a month ago, and nothing that is still to be told", async () => {
      const [old, open] = [await ended(), await ended("https://b.test/")]
      await store.record(old, { at: START, durationMs: 1, status: 200, error: null }, { status: "delivered" })
      expect(await store.sweep(START + 1)).toBe(0)
      expect(await store.sweep(START + CALLBACK_KEPT_MS)).toBe(1)
      expect([(await store.ofRun(HERE, old)).length, (await store.ofRun(HERE, open)).length]).toEqual([0, 1])
    })
  })
}

test("a pause differs by a fifth at most", () => {
  expect([pauseAfter(1, 0), pauseAfter(1, 1), pauseAfter(10, 0.5), pauseAfter(11, 0.5)]).toEqual([8_000, 12_000, 16 * H, null])
})

test("a Retry-After that says nothing useful is none", () => {
  for (const header of [null, "", "-5", "1.5", "soon", "Thu, 01 Jan 1970 00:00:00 GMT"])
    expect(retryAfterMs(header, START)).toBe(0)
})

test("the signature is the one that inbound webhooks know", () => {
  const v1 = "c6b5418c3e216b077f9eba585167207010d549107a1cec51f1e6148a7a917acd"
  expect(signatureOf("whsec_test", '{"email":"a@example.com"}', 1_700_000_000_999)).toBe(`t=1700000000,v1=${v1}`)
})

test("an address in the log has no query and no user", () => {
  expect(maskedUrl("https://me:pw@a.test:81/x?token=s#f")).toBe("https://a.test:81/x?…")
  expect(maskedUrl("https://a.test/x")).toBe("https://a.test/x")
  expect(maskedUrl("nonsense")).toBe("…")
})
