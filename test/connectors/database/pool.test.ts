import { describe, expect, test } from "bun:test"
import { Pools, poolKey, type Session } from "../../../src/connectors/database/pool.ts"

class FakeSession implements Session {
  usable = true
  closed = 0
  abandoned = 0
  resets = 0

  async reset(): Promise<void> {
    this.resets++
  }

  abandon(): void {
    this.usable = false
    this.abandoned++
  }

  close(): void {
    this.closed++
  }
}

function poolsOf(size: { open: number; idle: number }) {
  const pools = new Pools<FakeSession>()
  const made: FakeSession[] = []
  const state = { fails: false }
  const use = <T>(work: (session: FakeSession) => Promise<T>, signal = new AbortController().signal, key = "k") =>
    pools.use({
      ...{ key, size, signal, work },
      open: async () => {
        if (state.fails) throw new Error("refused")
        const session = new FakeSession()
        made.push(session)
        return session
      },
    })
  return { pools, made, state, use }
}

const wait = () => Bun.sleep(5)

describe("a pool of connections", () => {
  test("gives one out again after it was reset", async () => {
    const { made, use, pools } = poolsOf({ open: 2, idle: 1 })
    await use(async () => {})
    await wait()
    await use(async session => expect(session.resets).toBe(1))
    expect(made).toHaveLength(1)
    pools.close()
    expect(made[0]?.closed).toBe(1)
  })

  test("stays the one pool of its key when its idle connection was closed by the server", async () => {
    const { made, use, pools } = poolsOf({ open: 1, idle: 1 })
    await use(async () => {})
    await wait()
    made[0]!.usable = false
    const release = Promise.withResolvers<void>()
    const first = use(() => release.promise)
    const second = use(async () => "second")
    await wait()
    expect([made.length, pools.open]).toEqual([2, 1])
    release.resolve()
    expect([await first, await second]).toEqual([undefined, "second"])
    await wait()
    pools.close()
    expect(made.map(session => session.closed > 0)).toEqual([true, true])
  })

  test("never has more open than its size, and keeps no more idle ones than it may", async () => {
    const { made, use, pools } = poolsOf({ open: 3, idle: 1 })
    let busy = 0
    let most = 0
    await Promise.all(
      Array.from({ length: 20 }, () =>
        use(async () => {
          most = Math.max(most, ++busy)
          await wait()
          busy--
        }),
      ),
    )
    await wait()
    expect(most).toBe(3)
    expect(pools.open).toBe(1)
    expect(made.filter(s => s.closed === 0)).toHaveLength(1)
  })

  test("gives up a call that waits when its time is up, and its place goes to nobody", async () => {
    const { use, pools } = poolsOf({ open: 1, idle: 1 })
    const release = Promise.withResolvers<void>()
    const first = use(() => release.promise)
    const stop = new AbortController()
    const second = use(async () => "never", stop.signal).catch(error => error.message)
    const third = use(async () => "third")
    stop.abort(new Error("late"))
    expect(await second).toBe("late")
    release.resolve()
    expect(await third).toBe("third")
    await first
    await wait()
    expect(pools.open).toBe(1)
  })

  test("abandons the connection of a call that is stopped, and opens another", async () => {
    const { made, use } = poolsOf({ open: 1, idle: 1 })
    const stop = new AbortController()
    const stopped = use(() => new Promise(() => {}), stop.signal).catch(error => error.message)
    await wait()
    stop.abort(new Error("stopped"))
    expect(await stopped).toBe("stopped")
    expect(made[0]).toMatchObject({ abandoned: 1, closed: 1 })
    await use(async () => {})
    expect(made).toHaveLength(2)
  })

  test("hands its place on when a connection cannot be opened, and is gone when it is empty", async () => {
    const { state, use, pools } = poolsOf({ open: 1, idle: 1 })
    state.fails = true
    const results = await Promise.all([1, 2, 3].map(() => use(async () => "ok").catch(error => error.message)))
    expect(results).toEqual(["refused", "refused", "refused"])
    expect(pools.open).toBe(0)
    state.fails = false
    expect(await use(async () => "ok")).toBe("ok")
  })

  test("is another for every configuration and workspace", async () => {
    const key = poolKey("acme", { a: 1, b: "x" })
    expect(poolKey("acme", { b: "x", a: 1 })).toBe(key)
    expect(poolKey("globex", { a: 1, b: "x" })).not.toBe(key)
    expect(poolKey("acme", { a: 1, b: "y" })).not.toBe(key)
    const { made, use } = poolsOf({ open: 1, idle: 1 })
    await Promise.all([use(wait, undefined, "one"), use(wait, undefined, "two")])
    expect(made).toHaveLength(2)
  })

  test("takes no more calls once it is closed", async () => {
    const { use, pools } = poolsOf({ open: 1, idle: 1 })
    pools.close()
    expect(await use(async () => "ok").catch(error => error.message)).toBe("the runtime is shutting down")
  })
})
