import { describe, expect, test } from "bun:test"
import { startDeadline } from "../../../src/adapters/egress/deadline.ts"

const ENDLESS = { connectMs: 1, totalMs: Number.POSITIVE_INFINITY, idleMs: 200, answerBytes: 1 }
const open = (limits: Partial<typeof ENDLESS> = {}, unreadMs = 600) =>
  startDeadline("a.test", { ...ENDLESS, ...limits }, new AbortController().signal, unreadMs)
const reason = (deadline: ReturnType<typeof open>): string | null =>
  deadline.signal.aborted ? String(deadline.signal.reason.message) : null

describe("a deadline without an end", () => {
  test("comes when nothing moves, and not while something does", async () => {
    const still = open()
    const moving = open()
    for (let i = 0; i < 15; i++) {
      await Bun.sleep(20)
      moving.stirred()
    }
    expect([reason(still), reason(moving)]).toEqual(["a.test sent nothing for 0.2 s", null])
    moving.end()
  })

  test("waits longer for whoever reads, but not for ever", async () => {
    const slow = open()
    slow.paused()
    await Bun.sleep(250)
    expect(reason(slow)).toBeNull()
    slow.stirred()
    slow.end()
    const gone = open()
    gone.paused()
    await Bun.sleep(700)
    expect([reason(slow), reason(gone)]).toEqual([null, "a.test was not read for 0.6 s"])
  })

  test("that was ended stays ended", async () => {
    const deadline = open()
    deadline.end()
    deadline.stirred()
    deadline.paused()
    await Bun.sleep(250)
    expect(reason(deadline)).toBeNull()
  })
})

test("with an end, a reader who takes nothing has until then", async () => {
  const deadline = open({ totalMs: 400 }, 10)
  deadline.paused()
  await Bun.sleep(50)
  expect(reason(deadline)).toBeNull()
  await Bun.sleep(450)
  expect(reason(deadline)).toBe("a.test did not answer in full within 0.4 s")
})
