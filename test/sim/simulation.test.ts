import { expect, test } from "bun:test"
import { SEED } from "../engine/seed.ts"
import { simulate } from "./simulation.ts"

const SEEDS = Number(process.env.AGENTRUNTIME_TEST_RUNS ?? 5000)
const LIMIT_MS = 25_000

test(`up to ${SEEDS} seeds of the whole runtime under faults keep every promise (seed ${SEED})`, () => {
  const statuses = new Set<string>()
  const until = performance.now() + LIMIT_MS
  for (let seed = SEED; seed < SEED + SEEDS && performance.now() < until; seed++) {
    const told = simulate(seed)
    if (told.broken !== null) throw new Error(told.story())
    for (const status of told.statuses) statuses.add(status)
  }
  if (SEEDS >= 100) expect([...statuses].sort()).toEqual(["completed", "failed", "stopped"])
}, 120_000)

test("given a seed, when it is lived through again, then everything happens again in the same order", () => {
  for (let seed = SEED; seed < SEED + 50; seed++) {
    const told = simulate(seed)

    expect(simulate(seed)).toMatchObject({ hash: told.hash, runs: told.runs, boots: told.boots })
  }
})

test("given two seeds, when they are lived through, then they are not the same life", () => {
  expect(simulate(SEED).hash).not.toBe(simulate(SEED + 1).hash)
})
