import type { Journal } from "../ports.ts"
import type { Runs } from "../runs.ts"

/** Runs woken in one round. */
const BATCH = 200

/** Wakes the runs whose moment has come: retries, expiries, ends of draining. How many. */
export async function runOnce(deps: { journal: Journal; runs: Runs }, now: number): Promise<number> {
  const ids = await deps.journal.due(now, BATCH)
  await Promise.all(ids.map(id => deps.runs.send(id, { type: "ClockReached" })))
  return ids.length
}
