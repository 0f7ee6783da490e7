import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { DESCRIPTION_MAX_CHARS, NAME_MAX_CHARS } from "../../kernel/limits.ts"

const type = t.Union([t.Literal("cron"), t.Literal("platform_event")])
const config = t.Unknown({
  description:
    "Of a schedule: `cron` (5 fields, or 6 with seconds), `timezone`, `catchup_policy`, `grace_minutes`, `catchup_window_minutes`, " +
    "`catchup_max`, `overlap`, `jitter_s`, `end_at`, `max_fires`. Of an event: `event_type`, `provider_filter`, " +
    "`automation_pat_id`. Of both, as of a start: `body`, `trigger_payload`, `trigger_steps`, `excluded_step_ids`, " +
    "`use_run_setup_defaults`, `segment_id`, `callback_url`; and `automation_user_id`, as whom the runs act.",
})

export const triggerShape = t.Object({
  id: t.String(),
  type,
  name: t.String(),
  enabled: t.Boolean(),
  config,
  next_run_at: t.Nullable(t.String({ description: "The next moment, without its jitter." })),
  last_fired_at: t.Nullable(t.String()),
  note: t.Nullable(t.String({ description: "Why it is switched off." })),
  fire_count: integer({ description: "Runs that the schedule started." }),
  workflow_id: t.String(),
  project_id: t.String(),
  created_by: t.String(),
  created_at: t.String(),
  updated_at: t.String(),
})
export type TriggerBody = typeof triggerShape.static

export const triggerListShape = t.Object({
  triggers: t.Array(triggerShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})

const name = t.Optional(t.String({ minLength: 1, maxLength: NAME_MAX_CHARS }))
const enabled = t.Optional(t.Boolean())

/** Open, so that a field of `config` outside of it is told and not dropped. */
const OPEN = { additionalProperties: true }

export const createTriggerShape = t.Object(
  {
    type: t.Optional(t.String({ description: "`cron`, which is the default, or `platform_event`." })),
    name,
    enabled,
    config: t.Optional(config),
  },
  OPEN,
)
export type CreateTrigger = typeof createTriggerShape.static

export const patchTriggerShape = t.Object(
  {
    name,
    enabled,
    note: t.Optional(t.Nullable(t.String({ maxLength: DESCRIPTION_MAX_CHARS, description: "Why it is switched off." }))),
    config: t.Optional(config),
  },
  OPEN,
)
export type PatchTrigger = typeof patchTriggerShape.static

export const previewRequestShape = t.Object({ config }, OPEN)

export const previewShape = t.Object({
  preview: t.Array(
    t.Object({
      at: t.String(),
      local: t.String({ description: "The same moment as the clocks of the zone show it." }),
      offset: t.String(),
      dst: t.Nullable(
        t.Union([t.Literal("gap"), t.Literal("repeated"), t.Literal("offset_changed")], {
          description:
            "`gap`: it stands for a time that the clocks jump over. `repeated`: the clocks show this time twice. " +
            "`offset_changed`: the clocks were changed since the moment before.",
        }),
      ),
    }),
  ),
})
export type PreviewBody = typeof previewShape.static

const outcome = t.Union([
  t.Literal("fired"),
  t.Literal("caught_up"),
  t.Literal("skipped"),
  t.Literal("missed"),
  t.Literal("coalesced"),
  t.Literal("queued"),
])

export const fireShape = t.Object({
  id: t.String(),
  trigger_id: t.String(),
  source: t.Union([t.Literal("schedule"), t.Literal("manual"), t.Literal("event")]),
  scheduled_for: t.Nullable(t.String()),
  outcome,
  reason: t.Nullable(t.String()),
  run_id: t.Nullable(
    t.String({ description: "Of a queued one the id that its run will have; of a coalesced one the run that stands for it." }),
  ),
  at: t.String({ description: "When it was decided." }),
})
export type FireBody = typeof fireShape.static

export const fireListShape = t.Object({ fires: t.Array(fireShape), total: integer(), limit: integer(), offset: integer() })
export const outcomeQuery = t.Optional(outcome)

export const runNowShape = t.Object({
  run_id: t.String(),
  workflow_id: t.String(),
  status: t.String(),
  started_at: t.String(),
  fire_id: t.String(),
})
export type RunNowBody = typeof runNowShape.static
