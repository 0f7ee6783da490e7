import { isNotNull } from "drizzle-orm"
import type { JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

export type TriggerType = "cron" | "platform_event"
/**
 * What became of a moment. `fired`: its run started in time. `caught_up`: it started late. `skipped`: an earlier run was still
 * under way. `missed`: no run, see the reason. `coalesced`: another moment's run stands for this one. `queued`: its run starts
 * when the one under way ends; the row then becomes `fired`.
 */
export type FireOutcome = "fired" | "caught_up" | "skipped" | "missed" | "coalesced" | "queued"
/** `schedule`: a due moment. `manual`: somebody asked. `event`: a platform event. */
export type FireSource = "schedule" | "manual" | "event"

export const defineTriggers = (k: ColumnKit) => {
  const triggers = k.table(
    "triggers",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      workflowId: k.text("workflow_id").notNull(),
      type: k.text("type").$type<TriggerType>().notNull(),
      name: k.text("name").notNull(),
      enabled: k.bool("enabled").notNull(),
      /** As the API takes it, with defaults filled in. */
      config: k.json<JsonObject>("config").notNull(),
      /** As whom its runs act, and with which scopes; null: only the role limits it. */
      userId: k.text("user_id").notNull(),
      scopes: k.json<string[]>("scopes"),
      callbackUrl: k.text("callback_url"),
      /** Why it is paused, in the words of whoever paused it, or of the program where that ended it. */
      note: k.text("note"),
      /** The next moment of the schedule, ms; null when there is none: not enabled, or not a schedule. */
      nextRunAt: k.ms("next_run_at"),
      /** The same with its jitter: what the scheduler looks for. */
      dueAt: k.ms("due_at"),
      lastFiredAt: k.ms("last_fired_at"),
      /** Runs that the schedule started. */
      fireCount: k.int("fire_count").notNull(),
      /** The event that a `platform_event` trigger waits for. */
      eventType: k.text("event_type"),
      createdBy: k.text("created_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [
      k.index("triggers_workflow").on(t.workflowId, t.createdAt),
      k.index("triggers_due").on(t.dueAt).where(isNotNull(t.dueAt)),
      k.index("triggers_event").on(t.projectId, t.eventType).where(isNotNull(t.eventType)),
    ],
  )

  /** One row for each due moment, each request to run now, and each platform event that a trigger waited for. */
  const triggerFires = k.table(
    "trigger_fires",
    {
      id: k.text("id").primaryKey(),
      /** Written as null, which is refused, when the trigger is not as the scheduler read it. */
      triggerId: k.text("trigger_id").notNull(),
      source: k.text("source").$type<FireSource>().notNull(),
      /** The due moment, ms; null for the other sources. */
      scheduledFor: k.ms("scheduled_for"),
      outcome: k.text("outcome").$type<FireOutcome>().notNull(),
      reason: k.text("reason"),
      /** Of a queued one the id that its run will have; of a coalesced one the run that stands for it. */
      runId: k.text("run_id"),
      /** When it was decided, ms. */
      at: k.ms("at").notNull(),
      /** Set while the fire waits for a run under way to end, ms. */
      queuedAt: k.ms("queued_at"),
    },
    t => [
      k.unique("trigger_fires_moment").on(t.triggerId, t.scheduledFor),
      k.index("trigger_fires_list").on(t.triggerId, t.at, t.id),
      k.index("trigger_fires_runs").on(t.triggerId, t.at).where(isNotNull(t.runId)),
      k.index("trigger_fires_queued").on(t.queuedAt).where(isNotNull(t.queuedAt)),
      k.index("trigger_fires_age").on(t.at),
    ],
  )

  /** Events of the platform that triggers have still to hear of; written in the transaction of what happened. */
  const platformEvents = k.table("platform_events", {
    id: k.text("id").primaryKey(),
    tenantId: k.text("tenant_id").notNull(),
    projectId: k.text("project_id").notNull(),
    type: k.text("type").notNull(),
    data: k.json<JsonObject>("data").notNull(),
    createdAt: k.ms("created_at").notNull(),
  })

  /** What needs somebody's attention, until it does no more. */
  const alerts = k.table(
    "alerts",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      /** E.g. `trigger_late`. */
      kind: k.text("kind").notNull(),
      /** What it is about, e.g. a trigger's id. */
      subjectId: k.text("subject_id").notNull(),
      message: k.text("message").notNull(),
      raisedAt: k.ms("raised_at").notNull(),
      clearedAt: k.ms("cleared_at"),
      /** Kind and subject while it stands, so that one thing raises one alert; null once it is cleared. */
      standing: k.text("standing").unique(),
    },
    t => [k.index("alerts_project").on(t.tenantId, t.projectId, t.raisedAt)],
  )

  /** Which boot does what only one may do. */
  const leaders = k.table("leaders", {
    name: k.text("name").primaryKey(),
    bootId: k.text("boot_id").notNull(),
    leaseUntil: k.ms("lease_until").notNull(),
  })

  return { triggers, triggerFires, platformEvents, alerts, leaders }
}
