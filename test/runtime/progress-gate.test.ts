import { describe, expect, test } from "bun:test"
import type { JsonObject } from "../../src/kernel/json.ts"
import { PROGRESS_EVERY_MS, PROGRESS_MAX_CHARS } from "../../src/kernel/limits.ts"
import { ProgressGate } from "../../src/runtime/progress-gate.ts"

function gate() {
  const sent: JsonObject[] = []
  return { sent, gate: new ProgressGate(data => void sent.push(data)) }
}

describe("what an attempt shows of its progress", () => {
  test("is sent at once, and of many in a short time the newest a moment later", async () => {
    const { sent, gate: progress } = gate()
    for (let n = 1; n <= 1000; n++) progress.show({ n })
    expect(sent).toEqual([{ n: 1 }])

    const began = performance.now()
    while (sent.length < 2) await Bun.sleep(5)
    expect(performance.now() - began).toBeGreaterThan(PROGRESS_EVERY_MS / 2)
    expect(sent).toEqual([{ n: 1 }, { n: 1000 }])
    progress.end()
  })

  test("is sent to the last when the attempt ends, and nothing behind it", async () => {
    const { sent, gate: progress } = gate()
    for (let n = 1; n <= 3; n++) progress.show({ n })
    progress.end()
    progress.show({ n: 4 })
    progress.end()
    await Bun.sleep(PROGRESS_EVERY_MS + 20)
    expect(sent).toEqual([{ n: 1 }, { n: 3 }])
  })

  test("is left out when it is too much, and says so", () => {
    const { sent, gate: progress } = gate()
    progress.show({ text: "x".repeat(PROGRESS_MAX_CHARS) })
    expect(sent).toEqual([{ truncated: true, size_chars: PROGRESS_MAX_CHARS + 11 }])
    progress.end()
  })
})
