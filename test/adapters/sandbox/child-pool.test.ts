import { afterEach, expect, test } from "bun:test"
import { ChildCrashed, ChildPoolFull, ChildRequestTooLarge, ChildTimeout } from "../../../src/adapters/sandbox/child-errors.ts"
import { type ChildPool, type ChildPoolOptions, createChildPool } from "../../../src/adapters/sandbox/child-pool.ts"
import { CHILD_ANSWER_MAX_BYTES } from "../../../src/kernel/limits.ts"

const pools: ChildPool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
})

/** A pool whose children do what the request says. */
function pool(options: Partial<ChildPoolOptions> = {}): ChildPool {
  const command = [process.execPath, new URL("obedient-child.ts", import.meta.url).pathname]
  const created = createChildPool({ command, size: 1, maxWaiting: 100, ...options })
  pools.push(created)
  return created
}

const thrown = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    value => expect.unreachable(`resolved with ${JSON.stringify(value)}`),
    error => error,
  )
const ask = (from: ChildPool, request: unknown, deadlineMs = 5_000) => from.run(request, { deadlineMs })

test("jobs are answered in order by one child", async () => {
  const own = pool()
  expect(own.pids).toEqual([])
  const answers = await Promise.all([1, 2, 3].map(n => ask(own, { echo: n })))
  expect(answers).toEqual([1, 2, 3])
  expect(own.pids).toHaveLength(1)
})

test("a child sees only the environment it was given, without what would change Bun", async () => {
  process.env.POOL_TEST_SECRET = "x"
  const own = pool({ env: { GIVEN: "yes", BUN_OPTIONS: "--version", BUN_BE_BUN: "1" } })
  expect(await ask(own, { env: true })).toEqual({ GIVEN: "yes" })
  delete process.env.POOL_TEST_SECRET
})

test.each([
  ["exits", { exit: 3 }, /exited with code 3; it said: on purpose/],
  ["writes what is not JSON", { raw: "=1 9 {nonsense\n" }, /not JSON/],
  ["writes two lines", { raw: "=1 9 1\n=2 9 2\n" }, /more lines than it had jobs/],
  ["answers another job", { raw: "=2 9 1\n" }, /not in its hand/],
  ["hands back another job", { raw: "-2\n" }, /not in its hand/],
  ["writes without end", { flood: CHILD_ANSWER_MAX_BYTES + 1_000_000 }, /longer than/],
])("a child that %s fails its job, and the next job finds a new child", async (_what, request, message) => {
  const own = pool()
  const [bad, good] = await Promise.all([thrown(ask(own, request)), ask(own, { echo: "fine" })])
  expect(bad).toBeInstanceOf(ChildCrashed)
  expect(bad.message).toMatch(message)
  expect(good).toBe("fine")
})

test("a big answer below the limit arrives whole", async () => {
  const text = "é".repeat(3_000_000)
  expect(await ask(pool(), { echo: text })).toBe(text)
})

test("the end of a chatty child's stderr is kept, and the rest does not block it", async () => {
  const error = await thrown(ask(pool(), { chatter: 1_000_000, exit: 1 }))
  expect(error.message).toEndWith("on purpose")
  expect(error.message.length).toBeLessThan(4_000)
})

test("waiting for a child does not count toward the deadline", async () => {
  const own = pool()
  const answers = await Promise.all([1, 2, 3, 4].map(n => ask(own, { sleepMs: 150, echo: n }, 400)))
  expect(answers).toEqual([1, 2, 3, 4])
  expect(await thrown(ask(own, { sleepMs: 5_000 }, 100))).toBeInstanceOf(ChildTimeout)
})

test("more jobs than may wait are refused, and so is a request that is too long", async () => {
  const own = pool({ maxWaiting: 2, maxRequestChars: 1_000 })
  const accepted = [1, 2].map(n => ask(own, { echo: n }))
  expect(await thrown(ask(own, { echo: 3 }))).toBeInstanceOf(ChildPoolFull)
  expect(await Promise.all(accepted)).toEqual([1, 2])
  expect(await thrown(ask(own, { echo: "x".repeat(1_000) }))).toBeInstanceOf(ChildRequestTooLarge)
})

test("a child is replaced after its share of jobs, and when it asks for it", async () => {
  const own = pool({ maxJobs: 2 })
  const seen = await Promise.all([1, 2, 3, 4, 5].map(() => ask(own, { pid: true })))
  expect(new Set(seen).size).toBe(3)
  const asking = pool()
  const pids = await Promise.all([ask(asking, { raw: "!1 9 1\n" }), ask(asking, { pid: true }), ask(asking, { pid: true })])
  expect(pids[0]).toBe(1)
  expect(pids[1]).toBe(pids[2])
})

test("a command that never works is not started over and over, and the jobs are told", async () => {
  const from = performance.now()
  const own = pool({ command: [process.execPath, "-e", "console.error('broken'); process.exit(1)"] })
  const errors = await Promise.all([1, 2].map(n => thrown(ask(own, { echo: n }))))
  for (const error of errors)
    expect(error.message).toMatch(/no sandbox child could be started: it exited with code 1; it said: broken/)
  expect(performance.now() - from).toBeGreaterThan(300) // 100 ms and 200 ms of pause between three tries
  const missing = pool({ command: ["/nonexistent/program"] })
  expect((await thrown(ask(missing, {}))).message).toMatch(/could not be started/)
})

test("a program that does not greet is no sandbox child", async () => {
  const own = pool({ command: [process.execPath, "-e", "console.log('Usage: …'); setTimeout(() => {}, 60000)"] })
  expect((await thrown(ask(own, {}))).message).toMatch(/did not greet/)
})
