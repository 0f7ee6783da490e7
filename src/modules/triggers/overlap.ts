import { AppError } from "../../kernel/errors.ts"
import { OVERLAP_LOOK_BACK } from "../../kernel/limits.ts"
import { cronConfigOf } from "./config.ts"
import type { SchedulerDeps } from "./scheduler.ts"
import type { TriggerRow } from "./store.ts"

/** What a moment becomes because an earlier run is in its way. */
export interface Obstacle {
  readonly outcome: "skipped" | "queued" | "coalesced"
  readonly reason: string
  readonly runId: string | null
}

/** Null when the run may start, after the others were stopped where they have to give way. `runId`: that it would have. */
export async function inTheWay(
  { fires, runs }: Pick<SchedulerDeps, "fires" | "runs">,
  row: TriggerRow,
  runId: string,
): Promise<Obstacle | null> {
  const { overlap } = cronConfigOf(row)
  if (overlap === "allow") return null
  const underWay = await fires.underWay(row.id, OVERLAP_LOOK_BACK)
  if (overlap === "queue_one") {
    const queued = await fires.queuedOf(row.id)
    if (queued)
      return { outcome: "coalesced", reason: "an earlier moment waits already; its run stands for both", runId: queued.runId }
  }
  const [newest] = underWay
  if (newest === undefined) return null
  switch (overlap) {
    case "skip":
      return { outcome: "skipped", reason: `run ${newest} was still under way`, runId: null }
    case "queue_one":
      return { outcome: "queued", reason: `waits for run ${newest}`, runId }
    case "cancel_other":
      await Promise.all(underWay.map(other => stop(runs, other, row.userId)))
      return null
  }
}

async function stop(runs: SchedulerDeps["runs"], runId: string, by: string): Promise<void> {
  try {
    await runs.send(runId, { type: "Stop", mode: "immediate", drainMs: 0, by })
  } catch (error) {
    // A run that ended in between is out of the way as well.
    if (!(error instanceof AppError) || error.kind === "unavailable") throw error
  }
}
