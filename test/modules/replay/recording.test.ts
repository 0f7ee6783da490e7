import { describe, expect, test } from "bun:test"
import type { JsonObject } from "../../../src/kernel/json.ts"
import type { RecordingRow } from "../../../src/modules/recordings/store.ts"
import { Recording } from "../../../src/modules/replay/recording.ts"
import { exchangeHash } from "../../../src/runtime/recorder.ts"

const request = (n: number): JsonObject => ({ server: "s", tool: "t", args: { n } })
const name = (stepId: string, attempt = 1, item: number | null = null) => ({ stepId, item, round: 0, attempt })

function recordingOf(rows: readonly { at: ReturnType<typeof name>; n: number; response?: JsonObject }[]) {
  const all = rows.map(({ at, n, response = { ok: true, value: { n } } }, i): RecordingRow => {
    const asked = { kind: "tool" as const, request: request(n) }
    const more = { runId: "r", seq: i + 1, tenantId: "t", projectId: "p", createdAt: 0, requestHash: exchangeHash(asked) }
    return { ...more, ...asked, ...at, response }
  })
  const reads: number[] = []
  const get = async (_: string, seq: number) => {
    reads.push(seq)
    return all[seq - 1] ?? null
  }
  const recording = new Recording({ runId: "r", entries: all, get })
  const find = (at: ReturnType<typeof name>, n: number) => recording.find(at, { kind: "tool", request: request(n) }, 0)
  return { find, reads }
}

describe("a recording", () => {
  test("answers the same request of the same attempt, and of what ran twice the last", async () => {
    const { find } = recordingOf([
      { at: name("a"), n: 1, response: { ok: true, value: "interrupted" } },
      { at: name("a"), n: 1, response: { ok: true, value: "again" } },
      { at: name("b"), n: 1 },
    ])
    expect(await find(name("a"), 1)).toEqual({ response: { ok: true, value: "again" } })
  })

  test("answers the same request of another step, before another request of the same step", async () => {
    const { find } = recordingOf([
      { at: name("a"), n: 1 },
      { at: name("b"), n: 2 },
    ])
    expect(await find(name("a"), 2)).toEqual({ response: { ok: true, value: { n: 2 } } })
    expect(await find(name("a"), 3)).toEqual({ response: { ok: true, value: { n: 1 } } })
    expect(await find(name("new"), 3)).toBeNull()
  })

  test("says of an answer that was too large that it is not there", async () => {
    const { find } = recordingOf([{ at: name("a"), n: 1, response: { truncated: true, size_bytes: 9e9, preview: "x" } }])
    expect(await find(name("a"), 1)).toBe("truncated")
  })

  test("of ten thousand exchanges reads only what is asked for, in time", async () => {
    const rows = Array.from({ length: 10_000 }, (_, i) => ({ at: name("each#body#one", 1, i), n: i % 10 }))
    const { find, reads } = recordingOf(rows)
    const startedAt = performance.now()

    for (let i = 0; i < 10_000; i++) expect(await find(name("each#body#one", 1, i), i % 10)).not.toBeNull()

    expect(reads).toHaveLength(10_000)
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })
})
