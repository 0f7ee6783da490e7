import type { RunInput } from "../../engine/inputs.ts"
import { messageOf } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { FireOutcome } from "../../storage/schema/triggers.ts"
import { type FireStartDeps, FireStarter } from "./fire-start.ts"
import type { FireStore } from "./fire-store.ts"
import { startQueued } from "./queue.ts"
import { ScheduleFires } from "./schedule-fires.ts"
import type { TriggerRow, TriggerStore } from "./store.ts"
import type { Timetables } from "./timetables.ts"

/** Triggers looked at together. */
const BATCH = 500
/** Triggers whose runs are started at once; their commits are one. */
const AT_ONCE = 100
/** Rows of one round, so that the queue and a stop have their turn while the work of a long outage is done. */
const ROWS_PER_ROUND = 20_000
/** Pause before a trigger is tried again whose run could not be started now. */
const HOLD_BACK_MS = 5_000

export interface SchedulerDeps extends FireStartDeps {
  readonly triggers: Pick<TriggerStore, "due" | "byId">
  readonly fires: FireStore
  readonly timetables: Timetables
  /** The only door to a run; for those that give way to the next. */
  readonly runs: { send(runId: string, input: RunInput): Promise<unknown> }
  readonly ids: Ids
  readonly count: (outcome: FireOutcome, n: number) => void
  readonly log: { warn(fields: object, message: string): void; error(fields: object, message: string): void }
}

/**
 * A round of the loop that starts the runs of schedules; it resolves with how many moments were decided. What a moment becomes,
 * its run and the next moment are one transaction, in order, so that a boot that ends anywhere is continued exactly there.
 */
export function createScheduler(deps: SchedulerDeps): (now: number) => Promise<number> {
  const heldBack = new Map<string, number>()
  const fires = new ScheduleFires(deps)

  /** One trigger's next moments; how many were decided. */
  async function advance(row: TriggerRow, now: number, starter: FireStarter): Promise<number> {
    try {
      const done = await fires.advance(row, now, starter)
      if (typeof done === "number") return done
      deps.log.warn({ trigger_id: row.id, why: done.later }, "a run could not be started on time, trying again in a while")
    } catch (error) {
      deps.log.error({ trigger_id: row.id, error: messageOf(error) }, "a trigger could not fire, trying again in a while")
    }
    fires.forget(row.id)
    heldBack.set(row.id, now + HOLD_BACK_MS)
    return 0
  }

  /** Triggers with one moment are done together; of those that make up for an outage a slice each, one after another. */
  async function pass(rows: readonly TriggerRow[], now: number, starter: FireStarter): Promise<number> {
    const [behind, single]: [TriggerRow[], TriggerRow[]] = [[], []]
    for (const row of rows) (fires.isBehind(row, now) ? behind : single).push(row)
    let done = 0
    for (let i = 0; i < single.length; i += AT_ONCE) {
      const counts = await Promise.all(single.slice(i, i + AT_ONCE).map(row => advance(row, now, starter)))
      done += counts.reduce((a, b) => a + b, 0)
    }
    for (const row of behind) done += await advance(row, now, starter)
    return done
  }

  return async now => {
    // The clock may have been put back: nothing is held back for longer than the pause.
    for (const [id, until] of heldBack) if (until <= now || until > now + HOLD_BACK_MS) heldBack.delete(id)
    const starter = new FireStarter(deps)
    let done = await startQueued(deps, now, starter)
    for (let all = 0; all < ROWS_PER_ROUND; ) {
      const due = await deps.triggers.due(now, BATCH + heldBack.size)
      const rows = due.filter(row => !heldBack.has(row.id))
      const n = await pass(rows, now, starter)
      if (n === 0) break
      all += n
      done += n
    }
    return done
  }
}
