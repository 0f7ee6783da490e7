import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import { ChildOutOfMemory } from "../../../src/adapters/sandbox/child-errors.ts"
import { MEMORY_EXCEEDED } from "../../../src/adapters/sandbox/child-limits.ts"
import { createChildPool } from "../../../src/adapters/sandbox/child-pool.ts"
import { createLuaSandbox, type LuaSandbox } from "../../../src/adapters/sandbox/lua.ts"
import { selfCommand } from "../../../src/adapters/sandbox/self.ts"
import { CHILD_MEMORY_MARGIN_BYTES, LUA_CHILD_MEMORY_MAX_BYTES } from "../../../src/kernel/limits.ts"

const MIB = 1024 * 1024
const linuxTest = test.skipIf(process.platform !== "linux")
const obedient = [process.execPath, new URL("obedient-child.ts", import.meta.url).pathname]

let sandbox: LuaSandbox
beforeAll(() => {
  sandbox = createLuaSandbox({ command: selfCommand(), size: 1 })
})
afterAll(() => sandbox.close())

/** A field of /proc/<pid>/status: a number, in bytes where it has a unit. */
function status(pid: number | undefined, field: string): number {
  const found = new RegExp(`^${field}:\\s+(\\d+)( kB)?`, "m").exec(readFileSync(`/proc/${pid}/status`, "utf8"))
  return Number(found?.[1]) * (found?.[2] === undefined ? 1 : 1024)
}

describe("a script that is after memory", () => {
  linuxTest.each([
    ["json.decode of many objects", `local s="["..("{},"):rep(1398000).."{}]" while true do pcall(json.decode,s) end`],
    [
      "json.decode of nested lists",
      `local s=("["):rep(60)..("0,"):rep(2000000).."0"..("]"):rep(60) while true do pcall(json.decode,s) end`,
    ],
    ["json.decode of escapes", `local s='['..('"\\\\n",'):rep(500000)..'""]' while true do pcall(json.decode,s) end`],
    [
      "json.encode of numbers",
      "local t={} for i=1,1000000 do t[i]=1.234567890123456e-200 end while true do pcall(json.encode,t) end",
    ],
    ["json.encode of control characters", `local s=("\\1"):rep(4190000) while true do pcall(json.encode,s) end`],
    ["json.encode of numbers as names", "local t={} for i=1,300000 do t[i+0.5]=1 end while true do pcall(json.encode,t) end"],
  ])("through %s does not get more than a child may have", async (_what, script) => {
    await sandbox.run({ script: "return {}", globals: {} }, { timeoutMs: 5_000 })
    const [pid] = sandbox.pids
    let peak = 0
    const looking = setInterval(() => {
      try {
        peak = Math.max(peak, status(pid, "RssAnon"))
      } catch {} // it was killed
    }, 10)

    const outcome = await sandbox.run({ script, globals: {} }, { timeoutMs: 2_500 })

    clearInterval(looking)
    expect(["timeout", "memory"]).toContain(outcome.ok ? "ok" : outcome.kind)
    expect(peak).toBeLessThan(LUA_CHILD_MEMORY_MAX_BYTES + CHILD_MEMORY_MARGIN_BYTES)
  })

  test("gets its error where a text does not fit", async () => {
    const script = `
      local numbers = {} for i = 1, 1000000 do numbers[i] = i end
      local _, encoded = pcall(json.encode, numbers)
      local _, escaped = pcall(json.encode, ("\\1"):rep(1000000))
      return { encoded, escaped }`
    const message = "json.encode: the value is larger than 4194304 bytes as JSON"
    const outcome = await sandbox.run({ script, globals: {} }, { timeoutMs: 10_000 })
    expect(outcome).toEqual({ ok: true, value: { "1": message, "2": message } })
  })
})

describe("a child", () => {
  linuxTest("that holds too much is killed, and its job is told why", async () => {
    const pool = createChildPool({ command: obedient, size: 1, maxWaiting: 10, memoryMaxBytes: 128 * MIB })
    const from = performance.now()
    const error = await pool.run({ hold: 300 * MIB }, { deadlineMs: 20_000 }).catch(e => e)
    expect(error).toBeInstanceOf(ChildOutOfMemory)
    expect(performance.now() - from).toBeLessThan(5_000)
    expect(await pool.run({ echo: 1 }, { deadlineMs: 5_000 })).toBe(1)
    await pool.close()
  })

  test("that ends itself for want of memory says so", async () => {
    const pool = createChildPool({ command: obedient, size: 1, maxWaiting: 10 })
    const error = await pool.run({ say: MEMORY_EXCEEDED, kill: true }, { deadlineMs: 20_000 }).catch(e => e)
    expect(error).toBeInstanceOf(ChildOutOfMemory)
    await pool.close()
  })

  linuxTest("has given up what it does not need before its first job", async () => {
    await sandbox.run({ script: "return {}", globals: {} }, { timeoutMs: 5_000 })
    const [pid] = sandbox.pids
    const limits = readFileSync(`/proc/${pid}/limits`, "utf8")
    const dataLimit = Number(/^Max data size\s+(\d+)/m.exec(limits)?.[1])
    expect(dataLimit - status(pid, "VmData")).toBeLessThanOrEqual(
      LUA_CHILD_MEMORY_MAX_BYTES + CHILD_MEMORY_MARGIN_BYTES + 64 * MIB,
    )
    expect(limits).toMatch(/^Max core file size\s+0\s+0/m)
    expect(status(pid, "NoNewPrivs")).toBe(1)
    expect(readFileSync(`/proc/${pid}/oom_score_adj`, "utf8").trim()).toBe("1000")
  })
})
