import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ChildCrashed, ChildOutOfMemory, ChildTimeout } from "../../../src/adapters/sandbox/child-errors.ts"
import { Job } from "../../../src/adapters/sandbox/child-job.ts"
import { MEMORY_EXCEEDED } from "../../../src/adapters/sandbox/child-limits.ts"
import { type ChildPool, type ChildPoolOptions, createChildPool } from "../../../src/adapters/sandbox/child-pool.ts"
import { createLuaSandbox, type LuaSandbox } from "../../../src/adapters/sandbox/lua.ts"
import { Paces } from "../../../src/adapters/sandbox/packing.ts"
import { Parcel } from "../../../src/adapters/sandbox/parcel.ts"
import { selfCommand } from "../../../src/adapters/sandbox/self.ts"

const MIB = 1024 * 1024
const linuxTest = test.skipIf(process.platform !== "linux")

const folder = mkdtempSync(join(tmpdir(), "parcel-"))
const pools: ChildPool[] = []
afterEach(async () => {
  for (const pool of pools.splice(0)) await pool.close()
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A pool that knows its one owner as quick, so that what is asked for next together is given together. */
async function quickPool(options: Partial<ChildPoolOptions> = {}): Promise<ChildPool> {
  const command = [process.execPath, new URL("obedient-child.ts", import.meta.url).pathname]
  const created = createChildPool({ command, size: 1, maxWaiting: 1_000, parcels: true, ...options })
  pools.push(created)
  const warm = () => Promise.all(Array.from({ length: 40 }, () => ask(created, { echo: 0 })))
  await warm()
  while (created.pids.length < (options.size ?? 1)) await warm()
  return created
}

const ask = (from: ChildPool, order: unknown, deadlineMs = 10_000, signal?: AbortSignal) =>
  from.run(order, { deadlineMs, ...(signal && { signal }) })
const settled = (promise: Promise<unknown>) => promise.catch(error => error)

/** Asks for all of it in one turn; what came of each. */
const askAll = (from: ChildPool, orders: readonly unknown[], deadlineMs?: number) =>
  Promise.all(orders.map(order => settled(ask(from, order, deadlineMs))))

/** How often each mark was left. */
function marksIn(file: string): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of readFileSync(file, "utf8").trim().split("\n")) counts[line] = (counts[line] ?? 0) + 1
  return counts
}

describe("jobs that a child was given together", () => {
  test("are done one after another, and each gets its own answer", async () => {
    const own = await quickPool()
    const [pid] = own.pids
    const numbers = Array.from({ length: 300 }, (_, i) => i)
    const file = join(folder, "order")

    const orders = numbers.map(n => ({ mark: [file, `${n}`], echo: n === 150 ? "é".repeat(100_000) : n }))

    expect(await askAll(own, orders)).toEqual(orders.map(order => order.echo))
    expect(readFileSync(file, "utf8").trim().split("\n").map(Number)).toEqual(numbers)
    expect(own.pids).toEqual([pid!])
  })

  test("do not share a deadline: it counts from the answer before", async () => {
    const own = await quickPool()
    const orders = Array.from({ length: 8 }, (_, n) => ({ sleepMs: 9, echo: n }))
    expect(await askAll(own, orders, 60)).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  })

  test.each([
    ["never ends", { sleepMs: 60_000 }, ChildTimeout],
    ["kills its child", { kill: true }, ChildCrashed],
    ["makes its child say that it is out of memory", { say: MEMORY_EXCEEDED, kill: true }, ChildOutOfMemory],
    ["makes its child exit", { exit: 3 }, ChildCrashed],
    ["answers nonsense", { raw: "=43 9 {nonsense\n" }, ChildCrashed],
  ])("do not fail with one in their middle that %s, and none is done twice", async (what, order, error) => {
    const own = await quickPool()
    const file = join(folder, what)
    const mark = (name: string) => ({ mark: [file, name], echo: name })

    const answers = await askAll(own, [mark("a"), mark("b"), { ...mark("bad"), ...order }, mark("c"), mark("d")], 300)

    expect(answers.toSpliced(2, 1)).toEqual(["a", "b", "c", "d"])
    expect(answers[2]).toBeInstanceOf(error)
    expect(marksIn(file)).toEqual({ a: 1, b: 1, bad: 1, c: 1, d: 1 })
  })

  linuxTest("do not fail with one in their middle that takes too much memory", async () => {
    const own = await quickPool({ memoryMaxBytes: 128 * MIB })
    const answers = await askAll(own, [{ echo: "a" }, { hold: 300 * MIB }, { echo: "c" }])
    expect(answers).toEqual(["a", expect.any(ChildOutOfMemory), "c"])
  })

  test("do not wait for a slow one before them when there is another child", async () => {
    const own = await quickPool({ size: 2 })
    const from = performance.now()
    const slow = ask(own, { sleepMs: 1_500, echo: "slow" })
    const quick = Array.from({ length: 40 }, (_, n) => ask(own, { echo: n }))

    expect(await Promise.all(quick)).toEqual(quick.map((_, n) => n))

    expect(performance.now() - from).toBeLessThan(1_000)
    expect(await slow).toBe("slow")
  })

  test("and were taken back from a child that was slow are handed back by it, not done again", async () => {
    const own = await quickPool()
    const [pid] = own.pids
    const file = join(folder, "slow")
    const mark = (name: string) => ({ mark: [file, name], echo: name })

    expect(await askAll(own, [{ ...mark("slow"), sleepMs: 200 }, mark("b"), mark("c"), mark("d")])).toEqual([
      "slow",
      "b",
      "c",
      "d",
    ])

    expect(marksIn(file)).toEqual({ slow: 1, b: 1, c: 1, d: 1 })
    expect(readFileSync(file, "utf8")).toBe("slow\nb\nc\nd\n")
    expect(own.pids).toEqual([pid!])
  })

  linuxTest("and were taken back from a child that had no time yet are done by it all the same, and once", async () => {
    const own = await quickPool()
    const [pid] = own.pids
    const file = join(folder, "stopped")
    process.kill(pid!, "SIGSTOP")
    const names = ["a", "b", "c", "d"]
    const answers = askAll(
      own,
      names.map(name => ({ mark: [file, name], echo: name })),
    )
    await Bun.sleep(150)
    process.kill(pid!, "SIGCONT")

    expect(await answers).toEqual(names)
    expect(marksIn(file)).toEqual({ a: 1, b: 1, c: 1, d: 1 })
  })

  test("can be aborted one by one", async () => {
    const own = await quickPool()
    const [pid] = own.pids
    const aborts = Array.from({ length: 4 }, () => new AbortController())
    const answers = aborts.map(({ signal }, n) => settled(ask(own, { echo: n, sleepMs: n === 0 ? 60_000 : 0 }, 60_000, signal)))
    await Bun.sleep(5)

    aborts[2]!.abort("not this one")
    expect(await answers[2]).toBe("not this one")
    expect(own.pids).toEqual([pid!]) // the one in hand goes on

    aborts[0]!.abort("nor this one")
    expect(await Promise.all(answers)).toEqual(["nor this one", 1, "not this one", 3])
    expect(own.pids).not.toContain(pid!)
  })

  test("and aborted before they began do not keep their child for long", async () => {
    const own = await quickPool()
    const abort = new AbortController()
    const first = ask(own, { echo: 1, sleepMs: 5 })
    const endless = settled(ask(own, { sleepMs: 60_000 }, 60_000, abort.signal))
    const last = ask(own, { echo: 3 })
    queueMicrotask(() => abort.abort("not wanted"))

    expect(await Promise.all([first, endless, last])).toEqual([1, "not wanted", 3])
  })

  test("are failed with the others when the pool is closed", async () => {
    const own = await quickPool()
    const answers = askAll(own, [{ sleepMs: 60_000 }, { echo: 1 }, { echo: 2 }])
    await Bun.sleep(5)
    await own.close()
    for (const error of await answers) expect(error).toHaveProperty("name", "ChildPoolClosed")
  })

  test("are no more than a child's share", async () => {
    const own = await quickPool({ maxJobs: 50 })
    const pids = await askAll(
      own,
      Array.from({ length: 200 }, () => ({ pid: true })),
    )
    for (const pid of new Set(pids)) expect(pids.filter(other => other === pid).length).toBeLessThanOrEqual(50)
  })

  test("of one owner delay another's first by little", async () => {
    const own = await quickPool()
    const order: string[] = []
    const greedy = Array.from({ length: 500 }, () => ask(own, { echo: 1 }).then(() => order.push("greedy")))
    const honest = own.run({ echo: 1 }, { deadlineMs: 1_000, owner: "honest" }).then(() => order.push("honest"))
    await Promise.all([honest, ...greedy])
    expect(order.indexOf("honest")).toBeLessThanOrEqual(32)
  })
})

describe("a pool whose jobs have effects", () => {
  test("gives a child one job at a time: a second answer is nobody's", async () => {
    const own = await quickPool({ parcels: false })
    const answers = await askAll(own, [{ raw: "=41 9 1\n=42 9 2\n" }, { echo: "b" }])
    expect(answers).toEqual([expect.any(ChildCrashed), "b"])
  })

  test("does none of them twice", async () => {
    const own = await quickPool({ parcels: false })
    const file = join(folder, "effects")
    const mark = (name: string, more = {}) => ({ mark: [file, name], echo: name, ...more })
    const answers = await askAll(own, [mark("a", { sleepMs: 100 }), mark("b", { kill: true }), mark("c")])
    expect(answers).toEqual(["a", expect.any(ChildCrashed), "c"])
    expect(marksIn(file)).toEqual({ a: 1, b: 1, c: 1 })
  })
})

describe("a parcel", () => {
  const job = (line: string) => new Job(line, { deadlineMs: 1_000 }, () => {})

  test("gives back what was not begun, once", () => {
    const [a, b, c] = [job("a"), job("b"), job("c")]
    const parcel = new Parcel("", [a, b, c])
    parcel.forget(b)
    expect(parcel.holdsUp).toBe(true)
    expect(parcel.takeBack(1)).toEqual([c])
    expect(parcel.takeBack(1)).toEqual([])
    expect(parcel.holdsUp).toBe(false)
    expect([parcel.inHand, parcel.left]).toEqual([a, 3])
    expect(parcel.next()).toEqual({ job: a, takenBack: false })
    expect(parcel.inHand).toBe(null)
    expect(parcel.takeBack(0)).toEqual([])
    expect(parcel.next()).toEqual({ job: null, takenBack: true })
    expect(parcel.next()).toEqual({ job: c, takenBack: true })
    expect(parcel.left).toBe(0)
  })

  test("is as big as the owner's jobs are quick, and of one where nothing is known or one was slow", () => {
    const paces = new Paces()
    expect(paces.parcelOf("new")).toBe(1)
    for (let i = 0; i < 10; i++) paces.saw("quick", 20)
    for (let i = 0; i < 10; i++) paces.saw("slow", 50_000)
    expect(paces.parcelOf("quick")).toBe(100)
    expect(paces.parcelOf("slow")).toBe(1)
    paces.saw("quick", 50_000)
    expect(paces.parcelOf("quick")).toBe(1)
    for (let i = 0; i < 1_000; i++) paces.saw(`owner ${i}`, 20)
    expect(paces.parcelOf("slow")).toBe(1) // forgotten: nothing is known
  })
})

describe("Lua scripts given together", () => {
  const owner = "one project"
  let sandbox: LuaSandbox
  beforeAll(async () => {
    sandbox = createLuaSandbox({ command: selfCommand(), size: 2 })
    for (let i = 0; i < 5; i++) await all(Array.from({ length: 50 }, () => "return {}"))
  })
  afterAll(() => sandbox.close())

  const all = (scripts: readonly string[]) =>
    Promise.all(
      scripts.map((script, index) =>
        sandbox.run({ script, globals: { index } }, { timeoutMs: script.startsWith("while") ? 200 : 4_000, owner }),
      ),
    )

  test("see nothing of one another, whatever one of them does", async () => {
    const leave = `
      leaked = index; string.leaked = index; math.floor = nil; _G.index = nil
      local ok = pcall(function() getmetatable("").__index.leaked = index end)
      return { n = leaked }`
    const look = `
      return { n = index, seen = leaked ~= nil or string.leaked ~= nil or ("").leaked ~= nil or math.floor == nil }`
    const outcomes = await all(Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? leave : look)))
    expect(outcomes).toEqual(
      outcomes.map((_, i) => ({ ok: true, value: i % 2 === 0 ? { n: i } : { n: i, seen: false } })) as never,
    )
  })

  test("fail alone: errors, endless loops and eaters of memory among them", async () => {
    const bad = new Map([
      [7, "error('boom')"],
      [19, "while true do end"],
      [31, "local t = {} while true do t[#t + 1] = {} end"],
      [43, "return 5"],
      [55, "while true do pcall(function() while true do end end) end"],
    ])
    const outcomes = await all(Array.from({ length: 100 }, (_, i) => bad.get(i) ?? "return { n = index }"))
    for (const [i, outcome] of outcomes.entries()) {
      if (!bad.has(i)) expect(outcome).toEqual({ ok: true, value: { n: i } })
    }
    const kinds = [...bad.keys()].map(i => {
      const outcome = outcomes[i]!
      return outcome.ok ? "ok" : outcome.kind
    })
    expect(kinds).toEqual(["script", "timeout", "memory", "result", "timeout"])
  })
})
