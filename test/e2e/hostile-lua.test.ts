import { afterAll, beforeAll, expect, test } from "bun:test"
import { connect } from "node:net"
import { type Client, Home, type Server, type Wire } from "./server.ts"

const POLL_EVERY_MS = 10
const LATENCY_MAX_MS = 50
const ROUNDS = 3
/** Growth of the server's own memory while scripts eat theirs, which happens in other processes. */
const GROWTH_MAX_MIB = 96

const home = new Home()
let server: Server
let client: Client

beforeAll(async () => {
  const token = await home.token()
  server = await home.serve()
  client = server.client(token)
})
afterAll(() => home.remove())

const HOSTILE = {
  "an endless loop": "while true do end",
  "an endless loop inside a protected call": "while true do pcall(function() while true do end end) end",
  "a string of 1 GB": 'local s = "0123456789abcdef" for i = 1, 26 do s = s .. s end return { n = #s }',
  "a giant table": "local t = {} for i = 1, 1e9 do t[i] = { i } end return { n = #t }",
} as const

test("hostile scripts fail their own step while the server answers at once and other runs go on", async () => {
  const lua = (script: string) => [{ id: "s", type: "lua_script", name: "s", timeout_s: 1, script }]
  const hostile: Record<string, string> = {}
  for (const [name, script] of Object.entries(HOSTILE)) hostile[name] = await client.publish(name, lua(script))
  const innocent = await client.publish("innocent", lua("local n = 0 for i = 1, 1000 do n = n + i end return { n = n }"))
  await client.reaches(innocent, await client.start(innocent), "completed")
  const before = await memoryMib(server.pid)

  // What keeps the server from answering does so every time; what another program of this machine does, does not.
  let max = Number.POSITIVE_INFINITY
  for (let round = 1; round <= ROUNDS && max > LATENCY_MAX_MS; round++) max = await attack(hostile, innocent)
  const growth = (await memoryMib(server.pid)) - before

  console.log(`hostile Lua: the server's memory grew by ${growth.toFixed(1)} MiB from ${before.toFixed(1)}`)
  expect(max).toBeLessThanOrEqual(LATENCY_MAX_MS)
  expect(growth).toBeLessThan(GROWTH_MAX_MIB)
  expect(server.complaints).toEqual([])
})

/** All hostile scripts twice and innocent ones among them; the longest that the server took to answer meanwhile, ms. */
async function attack(hostile: Readonly<Record<string, string>>, innocent: string): Promise<number> {
  const latencies = pollLatencies(server.url)
  const attacks = Object.entries(hostile).flatMap(([name, id]) =>
    [1, 2].map(async () => ({ name, id, run: await client.start(id) })),
  )
  const bystanders = Array.from({ length: 20 }, () => client.start(innocent))
  const ended = await Promise.all(attacks.map(async one => ({ ...(await one), ...(await endOf(await one)) })))
  const done = await Promise.all(bystanders.map(async run => await client.reaches(innocent, await run, "completed", "failed")))
  const measured = (await latencies.stop()).toSorted((a, b) => a - b)

  const p99 = measured[Math.floor(measured.length * 0.99)]!
  const max = measured.at(-1)!
  console.log(`hostile Lua: ${measured.length} polls of /health/live, p99 ${p99.toFixed(1)} ms, max ${max.toFixed(1)} ms`)
  for (const { name, end, failed } of ended) {
    const { failure_code: code, timeout, error, duration_ms } = failed.data
    expect({ name, status: end.status, code: end.failure_code }).toEqual({ name, status: "failed", code })
    expect(duration_ms).toBeLessThan(15_000)
    // What eats memory meets the sandbox's limit, or on a slow machine the deadline before it.
    if (timeout || name.startsWith("an endless loop")) {
      expect({ code, timeout, error }).toEqual({
        code: "STEP_TIMEOUT",
        timeout: true,
        error: "the script took longer than 1000 ms and was stopped",
      })
    } else {
      expect({ code, error }).toEqual({ code: "LUA_SCRIPT_FAILED", error: expect.stringMatching(/memory/) })
    }
  }
  expect(done.map(run => run.status)).toEqual(done.map(() => "completed"))
  expect(measured.length).toBeGreaterThan(50)
  return max
}

test("while one script loops, the other child goes on with the scripts of other runs", async () => {
  const loop = await client.publish("loop", [
    { id: "s", type: "lua_script", name: "s", timeout_s: 2, script: "while true do end" },
  ])
  const quick = await client.publish("quick", [{ id: "s", type: "lua_script", name: "s", script: "return { ok = true }" }])
  const looping = await client.start(loop)

  const runs = await Promise.all(Array.from({ length: 10 }, () => client.start(quick)))
  const done = await Promise.all(runs.map(run => client.reaches(quick, run, "completed", "failed")))

  expect(done.map(run => run.status)).toEqual(done.map(() => "completed"))
  expect((await client.run(loop, looping)).status).toBe("running")
  expect((await client.reaches(loop, looping, "failed")).failure_code).toBe("STEP_TIMEOUT")
})

test("a script of a run that is stopped is ended at once, and the next script does not wait for its deadline", async () => {
  const loop = await client.publish("long", [
    { id: "s", type: "lua_script", name: "s", timeout_s: 30, script: "while true do end" },
  ])
  const quick = await client.publish("after", [{ id: "s", type: "lua_script", name: "s", script: "return { ok = true }" }])
  const looping = await Promise.all([client.start(loop), client.start(loop)])

  for (const run_id of looping) await client.command(loop, "stop", { run_id })
  const run = await client.reaches(quick, await client.start(quick), "completed", "failed")

  expect(run.status).toBe("completed")
  expect(run.duration_ms).toBeLessThan(10_000)
})

async function endOf({ id, run }: { id: string; run: string }): Promise<{ end: Wire; failed: Wire }> {
  const end = await client.reaches(id, run, "failed", "completed")
  const failed = (await client.events(id, run)).find(e => e.event_type === "step_failed")
  return { end, failed }
}

/** Asks on one connection that stays open, over a bare socket: what is measured is the server, not a client. */
function pollLatencies(url: string): { stop(): Promise<readonly number[]> } {
  const { hostname, port } = new URL(url)
  const latencies: number[] = []
  let stopped = false
  const socket = connect({ host: hostname, port: Number(port), noDelay: true })
  const broken = new Promise<never>((_, reject) => socket.once("error", reject))
  const ask = () =>
    new Promise<void>(resolve => {
      const sent = performance.now()
      socket.once("data", () => {
        latencies.push(performance.now() - sent)
        resolve()
      })
      socket.write(`GET /health/live HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`)
    })
  const polling = (async () => {
    while (!stopped) {
      await Promise.race([ask(), broken])
      await Bun.sleep(POLL_EVERY_MS)
    }
    socket.destroy()
  })()
  return {
    stop: async () => {
      stopped = true
      await polling
      return latencies
    },
  }
}

async function memoryMib(pid: number): Promise<number> {
  return Number(await Bun.$`ps -o rss= -p ${pid}`.text()) / 1024
}
