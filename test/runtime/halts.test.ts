import { expect, test } from "bun:test"
import { Halts } from "../../src/runtime/halts.ts"
import { created } from "../engine/machine.ts"

const state = created({ a: [] })
const { runId } = state.facts

test("everybody who waits for a run is told, once, and nobody else", async () => {
  const halts = new Halts()
  const [one, two, other] = [halts.next(runId, 10_000), halts.next(runId, 10_000), halts.next("other", 10)]

  halts.tell(state)

  expect([await one.state, await two.state, await other.state]).toEqual([state, state, null])
})

test("who gave up is not told, and a later one has to wait", async () => {
  const halts = new Halts()
  const early = halts.next(runId, 10_000)
  early.cancel()
  const late = halts.next(runId, 20)

  expect([await early.state, await late.state]).toEqual([null, null])
})

test("at the end of the process nobody is kept waiting, now or later", async () => {
  const halts = new Halts()
  const now = halts.next(runId, 10_000)
  halts.release()

  expect([await now.state, await halts.next(runId, 10_000).state]).toEqual([null, null])
})
