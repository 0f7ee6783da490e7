import type { Cron } from "../../adapters/cron/cron.ts"
import type { Metrics } from "../../adapters/telemetry/metrics.ts"
import type { Database } from "../../storage/database.ts"
import { createEventStore } from "./event-store.ts"
import { createFireStore } from "./fire-store.ts"
import { createEventDispatch, createPlatformEvents, type EventDispatchDeps, type PlatformEvents } from "./platform-events.ts"
import { createReconciler, type ReconcilerDeps } from "./reconciler.ts"
import { createScheduler, type SchedulerDeps } from "./scheduler.ts"
import { TriggerService, type TriggerServiceDeps } from "./service.ts"
import { createFireSweep, createTriggerStore } from "./store.ts"
import { Timetables } from "./timetables.ts"

/** Rows deleted in one transaction of the sweep. */
const SWEEP_SLICE = 1_000

type ServiceDeps = Pick<TriggerServiceDeps, "starts" | "access" | "workflows" | "clock" | "ids" | "findPat">

export interface TriggersDeps
  extends ServiceDeps,
    Pick<SchedulerDeps, "runs" | "log">,
    Pick<ReconcilerDeps, "alerts">,
    Pick<EventDispatchDeps, "uuidOf"> {
  readonly db: Database
  readonly cron: Cron
  readonly metrics: Pick<Metrics, "triggerFires" | "triggersLate">
  readonly keepFiresMs: number
}

export interface Triggers {
  readonly service: TriggerService
  /** For modules that tell of something. */
  readonly events: PlatformEvents
  /** Rounds of the leader's loops. */
  readonly schedule: (now: number) => Promise<number>
  readonly dispatch: (now: number) => Promise<number>
  readonly reconcile: (now: number) => Promise<number>
  readonly sweep: (now: number) => Promise<number>
}

/** All of the module on one database. */
export function createTriggers(given: TriggersDeps): Triggers {
  const { db, metrics, findPat } = given
  const store = createTriggerStore(db)
  const events = createEventStore(db)
  const sweep = createFireSweep(db)
  const deps = {
    ...given,
    ...{ store, triggers: store, fires: createFireStore(db), timetables: new Timetables(given.cron), events },
    isGoodPat: async (place: { tenantId: string; projectId: string }, id: string) => (await findPat(place, id)) !== null,
    count: (outcome: string, n: number) => metrics.triggerFires.add(outcome, n),
    setLate: (n: number) => metrics.triggersLate.set(n),
  }
  return {
    service: new TriggerService(deps),
    events: createPlatformEvents({ ...deps, store: events }),
    schedule: createScheduler(deps),
    dispatch: createEventDispatch(deps),
    reconcile: createReconciler(deps),
    async sweep(now) {
      let swept = 0
      for (let n = SWEEP_SLICE; n === SWEEP_SLICE; swept += n) n = await sweep(now - given.keepFiresMs, SWEEP_SLICE)
      return swept
    },
  }
}
