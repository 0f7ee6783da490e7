import type { Cron } from "../../adapters/cron/cron.ts"
import { checkedCallbackUrl } from "../../http/callback-url.ts"
import { AppError } from "../../kernel/errors.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import {
  CATCHUP_DEFAULT,
  CATCHUP_MAX,
  CATCHUP_WINDOW_DEFAULT_MINUTES,
  CATCHUP_WINDOW_MAX_MINUTES,
  GRACE_DEFAULT_MINUTES,
  GRACE_MAX_MINUTES,
  JITTER_MAX_S,
  MAX_FIRES_MAX,
  TRIGGER_CONFIG_MAX_BYTES,
} from "../../kernel/limits.ts"
import type { TriggerType } from "../../storage/schema/triggers.ts"
import { Fields, invalidField } from "./fields.ts"

export const CATCHUP_POLICIES = ["fire_once_within_grace", "skip", "all"] as const
export const OVERLAPS = ["allow", "skip", "queue_one", "cancel_other"] as const
/** Events that this program tells of. */
export const EVENT_TYPES = ["connection.created", "connection.revoked"] as const
/** Events of the contract that nothing here tells of yet. */
const OTHER_EVENT_TYPES: readonly string[] = ["principal.created", "principal.suspended", "principal.deleted"]
const PROVIDERS = ["google_account", "composio_account", "whatsapp"] as const

/** What the runs of a trigger are started with, and as whom. */
export interface StartConfig {
  readonly body: JsonObject
  readonly trigger_payload: JsonObject
  readonly trigger_steps: JsonObject
  readonly excluded_step_ids: readonly string[]
  readonly use_run_setup_defaults: boolean
  readonly segment_id: string | null
  readonly callback_url: string | null
  /** Null: whoever made the trigger. */
  readonly automation_user_id: string | null
  readonly project_id: string
}

export interface CronConfig extends StartConfig {
  readonly cron: string
  readonly timezone: string
  readonly catchup_policy: (typeof CATCHUP_POLICIES)[number]
  readonly grace_minutes: number
  readonly catchup_window_minutes: number
  readonly catchup_max: number
  readonly overlap: (typeof OVERLAPS)[number]
  readonly jitter_s: number
  /** RFC 3339; no moment comes behind it. */
  readonly end_at: string | null
  /** So many runs the schedule starts, then it ends. */
  readonly max_fires: number | null
}

export interface EventConfig extends StartConfig {
  readonly event_type: (typeof EVENT_TYPES)[number]
  readonly provider_filter: (typeof PROVIDERS)[number] | null
  readonly automation_pat_id: string | null
}

export interface ConfigDeps {
  readonly cron: Cron
}

/** As sent, with defaults filled in. Throws `invalid` with the field's name. */
export function checkedConfig(deps: ConfigDeps, type: "cron", sent: unknown, projectId: string, now: number): CronConfig
export function checkedConfig(
  deps: ConfigDeps,
  type: "platform_event",
  sent: unknown,
  projectId: string,
  now: number,
): EventConfig
export function checkedConfig(
  deps: ConfigDeps,
  type: TriggerType,
  sent: unknown,
  projectId: string,
  now: number,
): CronConfig | EventConfig
export function checkedConfig(deps: ConfigDeps, type: TriggerType, sent: unknown, projectId: string, now: number) {
  if (sent === undefined || sent === null) throw invalidField("config", 'an object is needed, e.g. { "cron": "0 9 * * *" }')
  if (!isJsonObject(sent as Json)) throw invalidField("config", "must be an object")
  if (new TextEncoder().encode(JSON.stringify(sent)).length > TRIGGER_CONFIG_MAX_BYTES) {
    throw invalidField("config", `at most ${TRIGGER_CONFIG_MAX_BYTES} bytes`)
  }
  const fields = new Fields(sent as JsonObject, "config")
  const checked = type === "cron" ? cronConfig(deps, fields, projectId, now) : eventConfig(fields, projectId)
  fields.refuseOthers()
  return checked
}

/** Written by `checkedConfig`, so it has every field. */
export function cronConfigOf(row: { readonly config: JsonObject }): CronConfig {
  return row.config as unknown as CronConfig
}

/** Written by `checkedConfig`, so it has every field. */
export function eventConfigOf(row: { readonly config: JsonObject }): EventConfig {
  return row.config as unknown as EventConfig
}

/** Whether both come at the same moments, so that the next one stays. */
export function sameSchedule(a: CronConfig, b: CronConfig): boolean {
  return a.cron === b.cron && a.timezone === b.timezone && a.jitter_s === b.jitter_s && a.end_at === b.end_at
}

function cronConfig(deps: ConfigDeps, fields: Fields, projectId: string, now: number): CronConfig {
  const cron = fields.text("cron", 1_000)
  if (cron === null) throw invalidField("config.cron", 'a pattern is needed, e.g. "0 9 * * MON-FRI"')
  const timezone = fields.text("timezone", 100) ?? "UTC"
  const parsed = deps.cron.parse(cron, timezone)
  if ("sentence" in parsed) throw invalidField(`config.${parsed.field}`, parsed.sentence)
  const endAt = fields.moment("end_at")
  if (endAt !== null && endAt <= now) throw invalidField("config.end_at", "is over already")
  const first = parsed.next(now)
  if (first === null || (endAt !== null && first > endAt)) {
    throw invalidField(endAt === null ? "config.cron" : "config.end_at", "no moment comes before the end")
  }
  return {
    cron,
    timezone,
    catchup_policy: fields.oneOf("catchup_policy", CATCHUP_POLICIES) ?? "fire_once_within_grace",
    grace_minutes: fields.integer("grace_minutes", 0, GRACE_MAX_MINUTES) ?? GRACE_DEFAULT_MINUTES,
    catchup_window_minutes:
      fields.integer("catchup_window_minutes", 0, CATCHUP_WINDOW_MAX_MINUTES) ?? CATCHUP_WINDOW_DEFAULT_MINUTES,
    catchup_max: fields.integer("catchup_max", 1, CATCHUP_MAX) ?? CATCHUP_DEFAULT,
    overlap: fields.oneOf("overlap", OVERLAPS) ?? "allow",
    jitter_s: fields.integer("jitter_s", 0, JITTER_MAX_S) ?? 0,
    end_at: endAt === null ? null : new Date(endAt).toISOString(),
    max_fires: fields.integer("max_fires", 1, MAX_FIRES_MAX),
    ...startConfig(fields, projectId),
  }
}

function eventConfig(fields: Fields, projectId: string): EventConfig {
  const type = fields.text("event_type", 100)
  if (type !== null && OTHER_EVENT_TYPES.includes(type)) {
    throw invalidField("config.event_type", `${type} is not available in this runtime yet; there are ${EVENT_TYPES.join(", ")}`)
  }
  const event_type = fields.oneOf("event_type", EVENT_TYPES)
  if (event_type === null) throw invalidField("config.event_type", `one of ${EVENT_TYPES.join(", ")} is needed`)
  return {
    event_type,
    provider_filter: fields.oneOf("provider_filter", PROVIDERS),
    automation_pat_id: fields.text("automation_pat_id", 100),
    ...startConfig(fields, projectId),
  }
}

function startConfig(fields: Fields, projectId: string): StartConfig {
  const steps = fields.object("trigger_steps")
  if (!Object.values(steps).every(isJsonObject)) {
    throw invalidField("config.trigger_steps", "must be an object of objects, by step id")
  }
  const callbackUrl = fields.text("callback_url", 10_000)
  if (callbackUrl !== null) inField("config.callback_url", () => checkedCallbackUrl(callbackUrl))
  if ((fields.text("project_id", 100) ?? projectId) !== projectId) {
    throw invalidField("config.project_id", "is another project; a trigger starts runs in the project of its workflow")
  }
  return {
    body: fields.object("body"),
    trigger_payload: fields.object("trigger_payload"),
    trigger_steps: steps,
    excluded_step_ids: fields.texts("excluded_step_ids"),
    use_run_setup_defaults: fields.flag("use_run_setup_defaults") ?? false,
    segment_id: fields.text("segment_id", 300),
    callback_url: callbackUrl,
    automation_user_id: fields.text("automation_user_id", 100),
    project_id: projectId,
  }
}

function inField(field: string, check: () => unknown): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    throw invalidField(field, error.message.replace(/^invalid request body: /, ""))
  }
}
