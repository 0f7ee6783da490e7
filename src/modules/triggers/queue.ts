import { OVERLAP_LOOK_BACK } from "../../kernel/limits.ts"
import { cronConfigOf } from "./config.ts"
import type { FireStarter } from "./fire-start.ts"
import { countFire, disable, leaveQueue, missQueued } from "./fire-statements.ts"
import type { FireRow } from "./fire-store.ts"
import type { SchedulerDeps } from "./scheduler.ts"

const BATCH = 100

/** Starts the runs of fires that waited for one that has ended now; how many. */
export async function startQueued(deps: SchedulerDeps, now: number, starter: FireStarter): Promise<number> {
  const ready = await deps.fires.readyInQueue(OVERLAP_LOOK_BACK, BATCH)
  let started = 0
  for (const fire of ready) if (await startOne(deps, fire, now, starter)) started++
  return started
}

async function startOne(deps: SchedulerDeps, fire: FireRow, now: number, starter: FireStarter): Promise<boolean> {
  const row = await deps.triggers.byId(fire.triggerId)
  const miss = async (reason: string) => {
    if ((await deps.fires.keep([missQueued(fire, reason, now)])) === "stored") deps.count("missed", 1)
    return false
  }
  if (!row?.enabled || fire.runId === null) return await miss("the trigger was switched off before the run under way ended")
  const max = cronConfigOf(row).max_fires
  const ended = max !== null && row.fireCount + 1 >= max ? [disable(row.id, `ended: it started its ${max} runs (max_fires)`)] : []
  const left = [leaveQueue(fire, "waited for the run before it", now), countFire(row.id, now), ...ended]
  const moment = fire.scheduledFor === null ? {} : { moment: fire.scheduledFor }
  const start = await starter.start({ row, runId: fire.runId, triggerType: "cron", ...moment, also: left })
  switch (start.type) {
    case "started":
      deps.count("fired", 1)
      return true
    case "refused":
      return await miss(start.reason)
    case "outdated":
    case "exists":
    case "later":
      return false // looked at again in the next round
  }
}
