// `npm run sim -- [--seeds 100000] [--from N]`: lives seeds of the simulation through (test/sim) until one breaks a promise.
import { parseArgs } from "node:util"
import { simulate } from "../test/sim/simulation.ts"

const PROGRESS_MS = 5_000

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "100000" },
    from: { type: "string", default: process.env.AGENTRUNTIME_TEST_SEED ?? "1" },
  },
})
process.exitCode = sim(Number(values.from), Number(values.seeds))

function sim(from: number, seeds: number): number {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(seeds) || seeds < 1) {
    console.error("--from and --seeds take whole numbers")
    return 2
  }
  const began = performance.now()
  let next = began + PROGRESS_MS
  let runs = 0
  let boots = 0
  for (let i = 0; i < seeds; i++) {
    const told = simulate(from + i)
    runs += told.runs
    boots += told.boots
    if (told.broken !== null) {
      console.error(told.story())
      return 1
    }
    if (performance.now() < next && i < seeds - 1) continue
    next = performance.now() + PROGRESS_MS
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    console.log(`${i + 1} of ${seeds} seeds from ${from}: ${runs} runs, ${boots} boots, ${seconds} s`)
  }
  return 0
}
