import { createCron } from "../../../src/adapters/cron/croner.ts"
import type { AppError } from "../../../src/kernel/errors.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import type { Tenancies } from "../../../src/modules/auth/access.ts"
import { checkedConfig } from "../../../src/modules/triggers/config.ts"
import { createFireStore, type FireRow } from "../../../src/modules/triggers/fire-store.ts"
import { createScheduler, type SchedulerDeps } from "../../../src/modules/triggers/scheduler.ts"
import { createTriggerStore, type TriggerRow } from "../../../src/modules/triggers/store.ts"
import { Timetables } from "../../../src/modules/triggers/timetables.ts"
import type { RunHeader } from "../../../src/runtime/ports.ts"
import type { Database } from "../../../src/storage/database.ts"
import { createJournal } from "../../../src/storage/journal.ts"
import { newRun } from "../../runtime/host.ts"

export const PLACE = { tenantId: "acme", projectId: "main", workflowId: "w" }
export const OWNER = "owner"

const RUNNING: RunHeader = {
  ...{ status: "running", pauseReason: null, completedAt: null, failureCode: null, failedStepId: null, error: null },
  ...{ wakeAt: null, ownerBootId: "boot" },
}

/** A scheduler on a database of its own, with the real journal; its runs go on until somebody ends them. */
export function openTriggers(db: Database) {
  const cron = createCron()
  const timetables = new Timetables(cron)
  const triggers = createTriggerStore(db)
  const fires = createFireStore(db)
  const journal = createJournal(db)
  const started = new Map<string, { readonly params: JsonObject; readonly starter: object }>()
  const stopped: string[] = []
  const logged: string[] = []
  const counted = new Map<string, number>()
  const world = {
    /** Thrown by the next starts. */
    refusal: null as AppError | Error | null,
    /** Runs before what is to be stored with a start is stored. */
    before: async () => {},
    mayStart: true,
  }

  async function end(runId: string): Promise<void> {
    const header = { ...RUNNING, status: "completed", completedAt: 1, ownerBootId: null } as const
    await journal.append(newRun({ runId }), { events: [], tasks: [], header, was: "running" })
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
        await journal.create(newRun({ runId }), { events: [], tasks: [], header: RUNNING }, options.also)
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
    runs: {
      send: async (runId, input) => {
        if (input.type === "Stop") stopped.push(runId)
        await end(runId)
      },
    },
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

  /** A trigger that waits for an event of the platform. */
  async function addEventTrigger(config: JsonObject, now: number, more: Partial<TriggerRow> = {}): Promise<TriggerRow> {
    const checked = checkedConfig(configDeps, "platform_event", config, PLACE.projectId, now)
    const row: TriggerRow = {
      ...{ id: Bun.randomUUIDv7(), ...PLACE, type: "platform_event", name: "on event", enabled: true },
      config: checked as unknown as JsonObject,
      ...{ userId: OWNER, scopes: null, callbackUrl: null, note: null, nextRunAt: null, dueAt: null },
      ...{ lastFiredAt: null, fireCount: 0, eventType: checked.event_type, createdBy: OWNER, createdAt: now, updatedAt: now },
      ...more,
    }
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
    ...{
      db,
      deps,
      triggers,
      fires,
      timetables,
      started,
      stopped,
      end,
      logged,
      counted,
      world,
      add,
      addEventTrigger,
      rowsOf,
      told,
    },
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
