import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { ChildCrashed, ChildPoolClosed } from "../../../src/adapters/sandbox/child-errors.ts"
import { createLuaSandbox, type LuaSandbox } from "../../../src/adapters/sandbox/lua.ts"
import { selfCommand } from "../../../src/adapters/sandbox/self.ts"
import { LUA_GLOBALS_MAX_CHARS, LUA_SCRIPT_MAX_BYTES } from "../../../src/kernel/limits.ts"

const linuxTest = test.skipIf(process.platform !== "linux")
const ENDLESS = "while true do end"

let sandbox: LuaSandbox
beforeAll(() => {
  process.env.SANDBOX_TEST_SECRET = "must not be inherited"
  sandbox = createLuaSandbox({ command: selfCommand(), size: 2 })
})
afterAll(async () => {
  delete process.env.SANDBOX_TEST_SECRET
  await sandbox.close()
})

const one = (timeoutMs = 5_000, script = "return { n = input.n + 1 }") =>
  sandbox.run({ script, globals: { input: { n: 1 } } }, { timeoutMs })

describe("a script in a child", () => {
  test("a script sees its globals and its table comes back", async () => {
    expect(await one()).toEqual({ ok: true, value: { n: 2 } })
  })

  test("a syntax error is found without running anything", async () => {
    expect(await sandbox.check(ENDLESS)).toEqual({ ok: true })
    expect(await sandbox.check("x =")).toEqual({ ok: false, line: 1, message: "unexpected symbol near <eof>" })
  })

  test("a script or globals that are too large are refused before they are sent", async () => {
    const script = `--${"x".repeat(LUA_SCRIPT_MAX_BYTES)}`
    expect(await sandbox.run({ script, globals: {} }, { timeoutMs: 100 })).toMatchObject({ ok: false, kind: "script" })
    expect(await sandbox.check(script)).toMatchObject({ ok: false, line: null })
    const globals = { input: "x".repeat(LUA_GLOBALS_MAX_CHARS + LUA_SCRIPT_MAX_BYTES) }
    expect(await sandbox.run({ script: "return {}", globals }, { timeoutMs: 100 })).toMatchObject({ ok: false, kind: "memory" })
  })

  test("a text of several megabytes reaches the script", async () => {
    const globals = { input: "é".repeat(2_000_000) }
    expect(await sandbox.run({ script: "return { #input }", globals }, { timeoutMs: 5_000 })).toEqual({
      ok: true,
      value: { "1": 4_000_000 },
    })
  })

  test("200 scripts at once are all answered, each with its own result", async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        sandbox.run({ script: "return { i = index }", globals: { index: i } }, { timeoutMs: 5_000 }),
      ),
    )
    expect(outcomes).toEqual(Array.from({ length: 200 }, (_, i) => ({ ok: true, value: { i } })))
    expect(sandbox.pids.length).toBeLessThanOrEqual(3) // two for scripts of one project, one for checks
  })

  linuxTest("the child's environment is empty", async () => {
    await one()
    for (const pid of sandbox.pids) expect(readFileSync(`/proc/${pid}/environ`, "utf8")).toBe("")
  })
})

describe("a script that does not stop", () => {
  test.each([
    ["an endless loop", ENDLESS],
    ["an endless loop that catches everything", "while true do pcall(function() while true do end end) end"],
    ["a pattern that backtracks for ever", "return { string.rep('a', 40):find(string.rep('a*', 20) .. 'b') }"],
    ["an endless __close", "local x <close> = setmetatable({}, { __close = function() while true do end end }) return {}"],
    [
      "a sort that never ends",
      "local t = {} for i = 1, 1000 do t[i] = i end while true do table.sort(t, function(a, b) return a > b end) end",
    ],
  ])("%s is killed at its deadline, and the server keeps answering", async (_what, script) => {
    await one()
    let lagMs = 0
    let last = performance.now()
    const ticking = setInterval(() => {
      lagMs = Math.max(lagMs, performance.now() - last - 5)
      last = performance.now()
    }, 5)
    const from = performance.now()

    const outcome = await sandbox.run({ script, globals: {} }, { timeoutMs: 250 })

    clearInterval(ticking)
    expect(outcome).toEqual({ ok: false, kind: "timeout", message: "the script took longer than 250 ms and was stopped" })
    expect(performance.now() - from).toBeWithin(240, 1_500)
    expect(lagMs).toBeLessThan(200)
    expect(await one()).toEqual({ ok: true, value: { n: 2 } })
  })

  test("the deadline of one script does not shorten the next one's", async () => {
    await one(50)
    const outcome = await one(5_000, "local s = 0 for i = 1, 20000000 do s = s + i end return { n = 2 }")
    expect(outcome).toEqual({ ok: true, value: { n: 2 } })
  })

  test("memory is bounded, and the child that grew is replaced", async () => {
    const outcome = await one(5_000, "local t = {} while true do t[#t + 1] = {} end")
    expect(outcome).toMatchObject({ ok: false, kind: "memory" })
    expect(await one(5_000, "return { string.rep('x', 1000000000) }")).toMatchObject({ ok: false, kind: "memory" })
    expect(await one()).toEqual({ ok: true, value: { n: 2 } })
  })
})

describe("when things end early", () => {
  test("a child killed from outside fails its script only", async () => {
    const own = createLuaSandbox({ command: selfCommand(), size: 1 })
    await own.run({ script: "return {}", globals: {} }, { timeoutMs: 1_000 })
    const stuck = own.run({ script: ENDLESS, globals: {} }, { timeoutMs: 10_000 })
    const next = own.run({ script: "return { 1 }", globals: {} }, { timeoutMs: 5_000 })

    process.kill(own.pids[0]!, "SIGKILL")

    expect(await stuck.catch(error => error)).toBeInstanceOf(ChildCrashed)
    expect(await next).toEqual({ ok: true, value: { "1": 1 } })
    await own.close()
  })

  test("an abort stops a running script and takes a waiting one out of the queue", async () => {
    const own = createLuaSandbox({ command: selfCommand(), size: 1 })
    await own.run({ script: "return {}", globals: {} }, { timeoutMs: 1_000 })
    const [running, waiting] = [new AbortController(), new AbortController()]
    const first = own.run({ script: ENDLESS, globals: {} }, { timeoutMs: 10_000, signal: running.signal })
    const second = own.run({ script: ENDLESS, globals: {} }, { timeoutMs: 10_000, signal: waiting.signal })
    const third = own.run({ script: "return { 3 }", globals: {} }, { timeoutMs: 5_000 })

    waiting.abort(new Error("not wanted any more"))
    running.abort(new Error("stopped by the run"))

    expect(await first.catch((error: Error) => error.message)).toBe("stopped by the run")
    expect(await second.catch((error: Error) => error.message)).toBe("not wanted any more")
    expect(await third).toEqual({ ok: true, value: { "1": 3 } })
    const gone = await own
      .run({ script: "return {}", globals: {} }, { timeoutMs: 100, signal: AbortSignal.abort() })
      .catch(error => error)
    expect(gone).toHaveProperty("name", "AbortError")
    await own.close()
  })

  linuxTest("closing ends all children and fails what they were doing", async () => {
    const own = createLuaSandbox({ command: selfCommand(), size: 2 })
    const stuck = [1, 2, 3].map(() => own.run({ script: ENDLESS, globals: {} }, { timeoutMs: 10_000 }).catch(error => error))
    while (own.pids.length < 2) await Bun.sleep(5)
    const pids = own.pids

    await own.close()

    for (const error of await Promise.all(stuck)) expect(error).toBeInstanceOf(ChildPoolClosed)
    for (const pid of pids) expect(existsSync(`/proc/${pid}`)).toBe(false)
    expect(await own.run({ script: "return {}", globals: {} }, { timeoutMs: 100 }).catch(error => error)).toBeInstanceOf(
      ChildPoolClosed,
    )
  })

  linuxTest(
    "50 killed children leave no open file behind",
    async () => {
      const own = createLuaSandbox({ command: selfCommand(), size: 2 })
      const openFiles = () => readdirSync("/proc/self/fd").length
      const kill = () => own.run({ script: ENDLESS, globals: {} }, { timeoutMs: 1 })
      await Promise.all([kill(), kill(), kill()])
      await own.run({ script: "return {}", globals: {} }, { timeoutMs: 1_000 })
      const before = openFiles()

      for (let i = 0; i < 25; i++) await Promise.all([kill(), kill()])

      await own.run({ script: "return {}", globals: {} }, { timeoutMs: 1_000 })
      expect(openFiles() - before).toBeLessThan(8) // at most the second child's, which may not have been there
      await own.close()
    },
    30_000,
  )

  linuxTest("a child does not outlive a parent that was killed while a script ran", async () => {
    const source = `
      import { createLuaSandbox } from ${JSON.stringify(new URL("../../../src/adapters/sandbox/lua.ts", import.meta.url).pathname)}
      const sandbox = createLuaSandbox({ command: ${JSON.stringify(selfCommand())}, size: 1 })
      await sandbox.run({ script: "return {}", globals: {} }, { timeoutMs: 5000 })
      void sandbox.run({ script: "while true do end", globals: {} }, { timeoutMs: 30000 })
      console.log(sandbox.pids[0])
      setTimeout(() => process.kill(process.pid, "SIGKILL"), 100)`
    const parent = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", env: {} })
    const pid = Number(await new Response(parent.stdout).text())
    await parent.exited

    expect(pid).toBeGreaterThan(0)
    for (let i = 0; i < 100 && lives(pid); i++) await Bun.sleep(20)
    expect(lives(pid)).toBe(false)
  })

  test("a sandbox that nobody closed does not keep the process alive", async () => {
    const source = `
      import { createLuaSandbox } from ${JSON.stringify(new URL("../../../src/adapters/sandbox/lua.ts", import.meta.url).pathname)}
      const sandbox = createLuaSandbox({ command: ${JSON.stringify(selfCommand())}, size: 2 })
      console.log(JSON.stringify(await sandbox.run({ script: "return { 1 }", globals: {} }, { timeoutMs: 5000 })))`
    const parent = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", env: {}, timeout: 10_000 })

    expect(await new Response(parent.stdout).text()).toBe('{"ok":true,"value":{"1":1}}\n')
    expect(await parent.exited).toBe(0)
  })
})

/** A zombie does not live; whoever inherited it has not looked yet. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}
