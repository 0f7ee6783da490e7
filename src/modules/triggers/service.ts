import type { Page } from "../../http/paging.ts"
import { type Caller, commonScopes } from "../../http/permission.ts"
import { type Clock, rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { TRIGGERS_PER_WORKFLOW_MAX } from "../../kernel/limits.ts"
import type { FireOutcome, TriggerType } from "../../storage/schema/triggers.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { type ActingDeps, actingFor } from "./acting.ts"
import { type ConfigDeps, type CronConfig, checkedConfig, cronConfigOf, type EventConfig, sameSchedule } from "./config.ts"
import type { CreateTrigger, FireBody, PatchTrigger, PreviewBody, RunNowBody, TriggerBody } from "./contract.ts"
import { invalidField, refuseMisplaced } from "./fields.ts"
import { type FireStartDeps, FireStarter } from "./fire-start.ts"
import { insertFireIfThere } from "./fire-statements.ts"
import type { FireRow, FireStore } from "./fire-store.ts"
import { previewOf } from "./preview.ts"
import type { TriggerChanges, TriggerPlace, TriggerRow, TriggerStore } from "./store.ts"
import type { Timetables } from "./timetables.ts"

export interface TriggerServiceDeps extends ConfigDeps, ActingDeps, FireStartDeps {
  readonly store: TriggerStore
  readonly fires: FireStore
  readonly timetables: Timetables
  readonly workflows: Pick<WorkflowService, "row">
  readonly clock: Clock
  readonly ids: Ids
  readonly count: (outcome: FireOutcome, n: number) => void
}

/** Schedules and event triggers of workflows, as the API shows them (contract §5, G-42). */
export class TriggerService {
  constructor(private readonly deps: TriggerServiceDeps) {}

  async list(caller: Caller, workflowId: string, page: Page) {
    await this.deps.workflows.row(caller, workflowId)
    const { items, total } = await this.deps.store.list(placeOf(caller, workflowId), page)
    return { triggers: items.map(triggerBody), total, ...page }
  }

  async get(caller: Caller, workflowId: string, id: string): Promise<TriggerBody> {
    return triggerBody(await this.#row(caller, workflowId, id))
  }

  async create(caller: Caller, workflowId: string, body: CreateTrigger): Promise<TriggerBody> {
    await this.#requireLive(caller, workflowId)
    refuseMisplaced(body)
    const type = typeOf(body.type)
    const now = this.deps.clock.now()
    const config = checkedConfig(this.deps, type, body.config, caller.projectId, now)
    const { tenantId, projectId, userId } = caller
    const made: TriggerRow = {
      ...{ id: this.deps.ids.uuid(), tenantId, projectId, workflowId, type },
      name: body.name ?? ("cron" in config ? config.cron.slice(0, 200) : config.event_type),
      enabled: body.enabled ?? true,
      ...configColumns(config),
      ...(await actingFor(this.deps, caller, userId, config)),
      ...{ note: null, nextRunAt: null, dueAt: null, lastFiredAt: null, fireCount: 0 },
      ...{ createdBy: userId, createdAt: now, updatedAt: now },
    }
    const row = { ...made, ...this.#moments(made, now) }
    if (!(await this.deps.store.insert(row, TRIGGERS_PER_WORKFLOW_MAX))) {
      const sentence = `a workflow has ${TRIGGERS_PER_WORKFLOW_MAX} triggers at most; delete one first`
      throw new AppError("conflict", sentence, { code: "TOO_MANY_TRIGGERS" })
    }
    return triggerBody(row)
  }

  /** `config` is replaced whole. While the moments of the schedule stay the same, the next one stays. */
  async patch(caller: Caller, workflowId: string, id: string, body: PatchTrigger): Promise<TriggerBody> {
    await this.#requireLive(caller, workflowId)
    refuseMisplaced(body)
    const { type, createdBy } = await this.#row(caller, workflowId, id)
    const now = this.deps.clock.now()
    const config = body.config === undefined ? null : checkedConfig(this.deps, type, body.config, caller.projectId, now)
    const acting = config && (await actingFor(this.deps, caller, createdBy, config))
    const row = await this.deps.store.change(placeOf(caller, workflowId), id, before => {
      const changed: TriggerRow = {
        ...before,
        ...(body.name !== undefined && { name: body.name }),
        ...(config && { ...configColumns(config), ...acting }),
        ...(acting?.scopes === null && { scopes: before.scopes }),
        enabled: body.enabled ?? before.enabled,
        note: noteAfter(before, body),
        // Whoever is in the middle of its moments must see that it is another trigger now.
        updatedAt: Math.max(now, before.updatedAt + 1),
      }
      const goesOn = before.enabled && changed.enabled && (before.type !== "cron" || hasSameSchedule(before, changed))
      return changesOf({ ...changed, ...(goesOn ? {} : this.#moments(changed, now)) }, goesOn)
    })
    if (!row) throw noSuchTrigger()
    return triggerBody(row)
  }

  async delete(caller: Caller, workflowId: string, id: string): Promise<void> {
    await this.deps.workflows.row(caller, workflowId)
    if (!(await this.deps.store.delete(placeOf(caller, workflowId), id))) throw noSuchTrigger()
  }

  /** Also while it is switched off: to try it out. */
  async runNow(caller: Caller, workflowId: string, id: string): Promise<RunNowBody> {
    const row = await this.#row(caller, workflowId, id)
    const now = this.deps.clock.now()
    const [fireId, runId] = [this.deps.ids.uuid(), this.deps.ids.uuid()]
    const fire: FireRow = {
      ...{ id: fireId, triggerId: id, source: "manual", scheduledFor: null, outcome: "fired", reason: null },
      ...{ runId, at: now, queuedAt: null },
    }
    // A token that asks for it does not get more scopes by way of the trigger.
    const scopes = commonScopes(row.scopes as Caller["scopes"], caller.scopes)
    const request = {
      row: { ...row, scopes: scopes && [...scopes] },
      runId,
      triggerType: "manual",
      also: [insertFireIfThere(fire)],
    } as const
    const start = await new FireStarter(this.deps).start(request)
    switch (start.type) {
      case "started":
        this.deps.count("fired", 1)
        return { ...start.answer, fire_id: fireId }
      case "refused":
        throw start.error
      case "later":
        throw new AppError("unavailable", start.why, { retryAfterS: 2 })
      case "outdated":
      case "exists":
        throw noSuchTrigger()
    }
  }

  async preview(caller: Caller, workflowId: string, id: string, count: number): Promise<PreviewBody> {
    const row = await this.#row(caller, workflowId, id)
    if (row.type !== "cron") throw invalidField("type", "only a schedule has moments to come")
    return previewOf(this.deps.timetables.of(row), this.deps.clock.now(), count)
  }

  async previewConfig(caller: Caller, workflowId: string, config: unknown, count: number): Promise<PreviewBody> {
    await this.deps.workflows.row(caller, workflowId)
    const now = this.deps.clock.now()
    const checked = checkedConfig(this.deps, "cron", config, caller.projectId, now)
    return previewOf(this.deps.timetables.ofConfig("", checked), now, count)
  }

  async fires(caller: Caller, workflowId: string, id: string, outcome: FireOutcome | null, page: Page) {
    await this.#row(caller, workflowId, id)
    const { items, total } = await this.deps.fires.list({ triggerId: id, outcome }, page)
    return { fires: items.map(fireBody), total, ...page }
  }

  async #row(caller: Caller, workflowId: string, id: string): Promise<TriggerRow> {
    const row = await this.deps.store.find(placeOf(caller, workflowId), id)
    if (!row) throw noSuchTrigger()
    return row
  }

  async #requireLive(caller: Caller, workflowId: string): Promise<void> {
    const { status } = await this.deps.workflows.row(caller, workflowId)
    if (status === "archived") throw new AppError("conflict", "the workflow is archived", { code: "WORKFLOW_ARCHIVED" })
  }

  /** The next moment from now, if it is to have one. */
  #moments(row: TriggerRow, now: number): Pick<TriggerRow, "nextRunAt" | "dueAt"> {
    if (row.type !== "cron" || !row.enabled) return { nextRunAt: null, dueAt: null }
    const { max_fires } = cronConfigOf(row)
    if (max_fires !== null && row.fireCount >= max_fires) {
      throw invalidField("config.max_fires", `it started ${row.fireCount} runs already; raise max_fires to go on`)
    }
    const due = this.deps.timetables.of(row).after(now)
    if (!due) throw invalidField("config.end_at", "is over already; change it to go on")
    return { nextRunAt: due.moment, dueAt: due.dueAt }
  }
}

function configColumns(config: CronConfig | EventConfig) {
  return {
    config: config as unknown as JsonObject, // every field of it is JSON
    callbackUrl: config.callback_url,
    eventType: "event_type" in config ? config.event_type : null,
  }
}

/** Without what the scheduler may have moved on meanwhile. */
function changesOf(row: TriggerRow, goesOn: boolean): TriggerChanges {
  const { id: _id, fireCount: _count, lastFiredAt: _last, nextRunAt, dueAt, ...changes } = row
  return goesOn ? changes : { ...changes, nextRunAt, dueAt }
}

function hasSameSchedule(before: TriggerRow, after: TriggerRow): boolean {
  const { max_fires } = cronConfigOf(after)
  return sameSchedule(cronConfigOf(before), cronConfigOf(after)) && (max_fires === null || after.fireCount < max_fires)
}

/** Why it is switched off; of one that is switched on again nothing is left to say. */
function noteAfter(before: TriggerRow, { enabled, note }: PatchTrigger): string | null {
  if (note !== undefined && enabled !== true) return note
  if (enabled === undefined || enabled === before.enabled) return before.note
  return null
}

function typeOf(type: string | undefined): TriggerType {
  if (type === undefined || type === "cron" || type === "platform_event") return type ?? "cron"
  throw invalidField("type", "must be cron or platform_event")
}

function placeOf({ tenantId, projectId }: Caller, workflowId: string): TriggerPlace {
  return { tenantId, projectId, workflowId }
}

function noSuchTrigger(): AppError {
  return new AppError("not_found", "there is no such trigger of this workflow")
}

function triggerBody(row: TriggerRow): TriggerBody {
  return {
    id: row.id,
    type: row.type,
    name: row.name,
    enabled: row.enabled,
    config: row.config,
    next_run_at: rfc3339OrNull(row.nextRunAt),
    last_fired_at: rfc3339OrNull(row.lastFiredAt),
    note: row.note,
    fire_count: row.fireCount,
    workflow_id: row.workflowId,
    project_id: row.projectId,
    created_by: row.createdBy,
    created_at: rfc3339(row.createdAt),
    updated_at: rfc3339(row.updatedAt),
  }
}

function fireBody(row: FireRow): FireBody {
  return {
    id: row.id,
    trigger_id: row.triggerId,
    source: row.source,
    scheduled_for: rfc3339OrNull(row.scheduledFor),
    outcome: row.outcome,
    reason: row.reason,
    run_id: row.runId,
    at: rfc3339(row.at),
  }
}
