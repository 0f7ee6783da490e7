import { createCron } from "../../../src/adapters/cron/croner.ts"
import type { AppError } from "../../../src/kernel/errors.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import type { Tenancies } from "../../../src/modules/auth/access.ts"
import { checkedConfig } from "../../../src/modules/triggers/config.ts"
import { createFireStore, type FireRow } from "../../../src/modules/triggers/fire-store.ts"
import { createScheduler, type SchedulerDeps } from "../../../src/modules/triggers/scheduler.ts"
import { createTriggerStore, type TriggerRow } from "../../../src/modules/triggers/store.ts"
import { Timetables } from "../../../src/modules/triggers/timetables.ts"
import { RunExists, StartOutdated } from "../../../src/runtime/ports.ts"
import { type Database, MissingValue, UniqueViolation } from "../../../src/storage/database.ts"

export const PLACE = { tenantId: "acme", projectId: "main", workflowId: "w" }
export const OWNER = "owner"

/** A scheduler on a database of its own; starts are as real as it takes: what is stored with one is stored, or it is refused. */
export function openTriggers(db: Database) {
  const cron = createCron()
  const timetables = new Timetables(cron)
  const triggers = createTriggerStore(db)
  const fires = createFireStore(db)
  const started = new Map<string, { readonly params: JsonObject; readonly starter: object }>()
  const logged: string[] = []
  const counted = new Map<string, number>()
  const world = {
    /** Thrown by the next starts. */
    refusal: null as AppError | Error | null,
    /** Runs before what is to be stored with a start is stored. */
    before: async () => {},
    mayStart: true,
  }

  const deps: SchedulerDeps = {
    triggers,
    fires,
    timetables,
    starts: {
      start: async (starter, workflowId, params, options = {}) => {
        if (world.refusal) throw world.refusal
        await world.before()
        const runId = options.runId ?? ""
        if (started.has(runId)) throw new RunExists(runId)
        try {
          await db.commit(options.also ?? [])
        } catch (error) {
          if (error instanceof UniqueViolation) throw new RunExists(runId)
          if (error instanceof MissingValue) throw new StartOutdated(runId)
          throw error
        }
        started.set(runId, { params, starter })
        return { run_id: runId, workflow_id: workflowId, status: "running", started_at: "" }
      },
    },
    access: {
      tenancies: async () => {
        const access = { isAdmin: false, projects: new Map([["main", "project_contributor"]]), slugs: new Map() }
        return (world.mayStart ? new Map([["acme", access]]) : new Map()) as Tenancies
      },
    },
    isGoodPat: async () => true,
    runs: { send: async () => {} },
    ids: { uuid: () => Bun.randomUUIDv7(), secret: () => "" },
    count: (outcome, n) => void counted.set(outcome, (counted.get(outcome) ?? 0) + n),
    log: {
      warn: (fields, message) => void logged.push(`${message} ${JSON.stringify(fields)}`),
      error: (fields, message) => void logged.push(`${message} ${JSON.stringify(fields)}`),
    },
  }

  const configDeps = { cron }

  /** A schedule that waits for its first moment behind `now`. */
  async function add(config: JsonObject, now: number, more: Partial<TriggerRow> = {}): Promise<TriggerRow> {
    const made: TriggerRow = {
      ...{ id: Bun.randomUUIDv7(), ...PLACE, type: "cron", name: "nightly", enabled: true },
      config: checkedConfig(configDeps, "cron", config, PLACE.projectId, now) as unknown as JsonObject,
      ...{ userId: OWNER, scopes: null, callbackUrl: null, note: null, nextRunAt: null, dueAt: null },
      ...{ lastFiredAt: null, fireCount: 0, eventType: null, createdBy: OWNER, createdAt: now, updatedAt: now },
      ...more,
    }
    const due = timetables.of(made).after(now)
    const row = { ...made, nextRunAt: due?.moment ?? null, dueAt: due?.dueAt ?? null }
    if (!(await triggers.insert(row, 100_000))) throw new Error("too many triggers")
    return row
  }

  /** Of one trigger, in the order of their moments. */
  async function rowsOf(triggerId: string): Promise<readonly FireRow[]> {
    const { triggerFires } = db.tables
    const rows = await db.read.select().from(triggerFires)
    return rows.filter(r => r.triggerId === triggerId).sort((a, b) => (a.scheduledFor ?? 0) - (b.scheduledFor ?? 0))
  }

  /** `hh:mm:ss outcome`, for tests of one day. */
  const told = async (triggerId: string) =>
    (await rowsOf(triggerId)).map(r => `${new Date(r.scheduledFor ?? 0).toISOString().slice(11, 19)} ${r.outcome}`)

  return {
    ...{ db, deps, triggers, fires, timetables, started, logged, counted, world, add, rowsOf, told },
    /** A scheduler as a new boot has it. */
    boot: () => createScheduler(deps),
    row: async (id: string) => {
      const row = await triggers.byId(id)
      if (!row) throw new Error("no such trigger")
      return row
    },
  }
}

export type TriggerHarness = ReturnType<typeof openTriggers>
