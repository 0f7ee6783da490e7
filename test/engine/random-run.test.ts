import { expect, test } from "bun:test"
import { Random } from "./random.ts"
import { SEED } from "./seed.ts"
import { WatchedRun } from "./watched-run.ts"

const RUNS = Number(process.env.AGENTRUNTIME_TEST_RUNS ?? 3000)

test(`${RUNS} random runs keep every promise of the machine (seed ${SEED})`, () => {
  const ends = new Map<string, number>()
  for (let i = 0; i < RUNS; i++) {
    const run = new WatchedRun(new Random(SEED + i))
    try {
      run.live()
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : error}\nAGENTRUNTIME_TEST_SEED=${SEED + i}\n${run.story()}`)
    }
    ends.set(run.end(), (ends.get(run.end()) ?? 0) + 1)
  }
  for (const end of ["completed", "failed", "stopped", "stalled"]) expect([...ends.keys()]).toContain(end)
}, 600_000)
