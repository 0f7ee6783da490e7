import { expect, test } from "bun:test"
import { commands } from "../../src/engine/commands.ts"
import { decide } from "../../src/engine/decide.ts"
import { type RunState, wakeAt } from "../../src/engine/state.ts"
import { at, created, each, item, STALL, start } from "./machine.ts"

const INNER = ["x", "y", "z"]
const ROUNDS_MAX = 30

test("a loop of 500 items costs at most 12 times one of 50, in deciding, evolving and ordering", () => {
  let ratio = Number.POSITIVE_INFINITY
  // Other programs can only make a round look worse; with a cost per item that grows with the list, none comes near.
  for (let i = 0; i < ROUNDS_MAX && ratio > 12; i++) {
    // As many items in short loops as in the long one, so that both meet the same collector of garbage.
    const short = Array.from({ length: 10 }, () => runLoop(50)).reduce((a, b) => a + b) / 10
    ratio = Math.min(ratio, runLoop(500) / short)
  }

  expect(ratio).toBeLessThan(12)
})

/** The CPU time of a whole run, ms. */
function runLoop(items: number): number {
  const list = Array.from({ length: items }, (_, i) => i)
  let state: RunState = created({ loop: each(list, { x: [], y: [], z: [] }, { for_each_item_timeout_s: 60 }) })
  const from = process.cpuUsage()
  const take = (input: Parameters<typeof decide>[1]) => {
    const after = decide(state, input, at(0)).state
    commands(state, after)
    wakeAt(after, STALL)
    state = after
  }
  take(start)
  for (const i of list) for (const inner of INNER) take(item(i, `loop#body#${inner}`, { i }))
  const { user, system } = process.cpuUsage(from)
  expect(state.status).toBe("completed")
  return (user + system) / 1000
}
