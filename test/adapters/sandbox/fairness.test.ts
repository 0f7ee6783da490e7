import { afterEach, describe, expect, test } from "bun:test"
import { ChildPoolFull, ChildTimeout } from "../../../src/adapters/sandbox/child-errors.ts"
import { type ChildPool, createChildPool } from "../../../src/adapters/sandbox/child-pool.ts"
import { FairQueue } from "../../../src/adapters/sandbox/fair-queue.ts"
import { createLuaSandbox } from "../../../src/adapters/sandbox/lua.ts"
import { selfCommand } from "../../../src/adapters/sandbox/self.ts"

const pools: ChildPool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
})

function pool(size: number, maxWaiting = 100): ChildPool {
  const command = [process.execPath, new URL("obedient-child.ts", import.meta.url).pathname]
  const created = createChildPool({ command, size, maxWaiting })
  pools.push(created)
  return created
}

const ask = (from: ChildPool, owner: string, request: unknown, deadlineMs = 10_000) => from.run(request, { deadlineMs, owner })
const settled = (promise: Promise<unknown>) => promise.catch(error => error)

describe("a pool that several owners share", () => {
  test.each([1, 2])("with %d children for each, one owner's endless jobs do not keep another's waiting", async size => {
    const own = pool(size)
    const endless = Array.from({ length: 6 }, () => settled(ask(own, "greedy", { sleepMs: 60_000 }, 20_000)))
    while (own.pids.length < size) await Bun.sleep(5)
    await Bun.sleep(300)
    const from = performance.now()

    expect(await ask(own, "honest", { echo: 1 })).toBe(1)

    expect(performance.now() - from).toBeLessThan(3_000)
    expect(own.pids).toHaveLength(size + 1)
    await own.close()
    await Promise.all(endless)
  })

  test("one owner alone has no more than its children, however much waits", async () => {
    const own = pool(2)
    const pids = await Promise.all(Array.from({ length: 40 }, () => ask(own, "only", { pid: true, sleepMs: 5 })))
    expect(new Set(pids).size).toBeLessThanOrEqual(2)
    expect(own.pids.length).toBeLessThanOrEqual(2)
  })

  test("waiting behind others never fails a job, and is no part of its deadline", async () => {
    const own = pool(1)
    const long = ["a", "b", "c", "d"].map(owner => settled(ask(own, owner, { sleepMs: 60_000 }, 700)))
    expect(await ask(own, "honest", { echo: 1, sleepMs: 100 }, 650)).toBe(1)
    for (const error of await Promise.all(long)) expect(error).toBeInstanceOf(ChildTimeout)
  })

  test("an owner whose queue is full leaves the others theirs", async () => {
    const own = pool(1, 2)
    const accepted = [1, 2].map(n => ask(own, "greedy", { echo: n }))
    expect(await settled(ask(own, "greedy", { echo: 3 }))).toBeInstanceOf(ChildPoolFull)
    expect(await ask(own, "honest", { echo: 4 })).toBe(4)
    await Promise.all(accepted)
  })
})

describe("the queue", () => {
  const nobody = () => 0
  const job = (owner: string, n: number) => ({ owner, n })

  test("lets owners take turns, each in order of arrival", () => {
    const queue = new FairQueue<{ owner: string; n: number }>()
    for (const item of [job("a", 1), job("a", 2), job("a", 3), job("b", 1), job("c", 1), job("b", 2)]) queue.add(item)
    const order: string[] = []
    for (let item = queue.take(nobody, 1); item !== undefined; item = queue.take(nobody, 1)) order.push(item.owner + item.n)
    expect(order).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"])
    expect(queue.size).toBe(0)
  })

  test("prefers who holds least, and passes over who holds the most there may be", () => {
    const queue = new FairQueue<{ owner: string; n: number }>()
    for (const owner of ["a", "b", "c"]) queue.add(job(owner, 1))
    const held = new Map(Object.entries({ a: 2, b: 1, c: 0 }))
    const heldBy = (owner: string) => held.get(owner) ?? 0
    expect(queue.takeable(heldBy, 2)).toBe(2)
    expect([queue.take(heldBy, 2)?.owner, queue.take(heldBy, 2)?.owner, queue.take(heldBy, 2)]).toEqual(["c", "b", undefined])
    expect(queue.delete(job("a", 9))).toBe(false)
    expect(queue.size).toBe(1)
  })
})

describe("endless scripts of one project", () => {
  test("delay neither another project's script nor the check of one", async () => {
    const own = createLuaSandbox({ command: selfCommand(), size: 2 })
    const endless = { script: "while true do end", globals: {} }
    const stuck = Array.from({ length: 4 }, () => settled(own.run(endless, { timeoutMs: 30_000, owner: "greedy" })))
    await Bun.sleep(500)
    const from = performance.now()

    const [outcome, checkedMs] = await Promise.all([
      own.run({ script: "return { a = 1 }", globals: {} }, { timeoutMs: 5_000, owner: "honest" }),
      own.check("return {}").then(() => performance.now() - from),
    ])

    expect(outcome).toEqual({ ok: true, value: { a: 1 } })
    expect(performance.now() - from).toBeLessThan(3_000) // both start a child first
    expect(checkedMs).toBeLessThan(3_000)
    const again = performance.now()
    await own.check("return {}")
    expect(performance.now() - again).toBeLessThan(1_000)
    await own.close()
    await Promise.all(stuck)
  })
})
