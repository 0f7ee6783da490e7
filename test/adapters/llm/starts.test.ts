import { expect, test } from "bun:test"
import { Starts } from "../../../src/adapters/llm/starts.ts"
import { LLM_STARTS_PER_TURN } from "../../../src/kernel/limits.ts"
import { ask, models, options, target } from "./calling.ts"

test("of many calls at once so many begin in a turn of the event loop, and all begin", async () => {
  const starts = new Starts()
  let begun = 0
  const all = Array.from({ length: LLM_STARTS_PER_TURN * 2 + 1 }, () => starts.mine().then(() => void begun++))

  // As long as nothing but promises is waited for it is the same turn.
  for (let i = 0; i < 1_000; i++) await null
  expect(begun).toBe(LLM_STARTS_PER_TURN)

  await Promise.all(all)
  expect(begun).toBe(all.length)
})

test("one that is stopped while it waits for its turn ends with the reason", async () => {
  const stop = new AbortController()
  const reason = new Error("stopped")
  const calls = Array.from({ length: 200 }, () =>
    models()
      .complete(target(), ask("hi"), options({ signal: stop.signal }))
      .catch(error => error),
  )
  stop.abort(reason)

  expect(await Promise.all(calls)).toEqual(Array.from({ length: 200 }, () => reason))
})
