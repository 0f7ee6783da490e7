import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { REPLAY_RUNS_MAX } from "../../kernel/limits.ts"

export const replayRequestShape = t.Object({
  run_ids: t.Optional(
    t.Array(t.String(), { minItems: 1, maxItems: REPLAY_RUNS_MAX, description: "Recorded runs of this workflow." }),
  ),
  last: t.Optional(
    integer({
      minimum: 1,
      maximum: REPLAY_RUNS_MAX,
      description: "In place of `run_ids`: its newest recorded runs that have ended.",
    }),
  ),
  graph: t.Optional(t.Unknown({ description: "What runs. Default: the stored draft." })),
  version: t.Optional(integer({ minimum: 1, description: "In place of `graph`: a published version." })),
})
export type ReplayRequest = typeof replayRequestShape.static

const CHANGES = [
  ...["same", "request_changed", "output_changed", "newly_run", "not_run_any_more"],
  ...["skipped_differently", "no_recording", "not_replayable"],
] as const
export type Change =
  | "same"
  | "request_changed"
  | "output_changed"
  | "newly_run"
  | "not_run_any_more"
  | "skipped_differently"
  | "no_recording"
  | "not_replayable"

const side = t.Object({
  status: t.String(),
  reason: t.Nullable(t.String({ description: "Why it was skipped." })),
  attempts: integer(),
  request: t.Unknown(),
  output: t.Unknown(),
  error: t.Nullable(t.String()),
})
export type SideBody = typeof side.static

const stepReport = t.Object({
  step_id: t.String(),
  item: t.Nullable(integer()),
  change: t.Unsafe<Change>(t.String({ enum: [...CHANGES] })),
  was: t.Nullable(side),
  now: t.Nullable(side),
  diff: t.Array(t.Object({ path: t.String(), was: t.Unknown(), now: t.Unknown() })),
})
export type StepReport = typeof stepReport.static

const outcome = t.Object({
  status: t.String(),
  output: t.Unknown(),
  failure_code: t.Nullable(t.String()),
  failed_step_id: t.Nullable(t.String()),
  error: t.Nullable(t.String()),
})

const runReport = t.Object({
  run_id: t.String(),
  version: t.Nullable(integer({ description: "Of the recorded run." })),
  identical: t.Boolean(),
  problem: t.Nullable(t.String({ description: "Why the run could not be replayed, or not to its end." })),
  outcome: t.Nullable(t.Object({ was: outcome, now: outcome })),
  steps: t.Array(stepReport),
  steps_left_out: integer(),
})
export type RunReport = typeof runReport.static

const summary = t.Object({
  runs: integer(),
  identical: integer(),
  changed: integer(),
  not_replayed: integer(),
  changes: t.Record(t.String(), integer(), { description: "Steps by what changed about them, in all runs." }),
  steps: t.Record(t.String(), t.Record(t.String(), integer()), { description: "The same for each step that changed." }),
})
export type Summary = typeof summary.static

export const replayShape = t.Object({ runs: t.Array(runReport), summary })

/** A line of `application/x-ndjson`. */
export type ReplayLine =
  | { readonly type: "started"; readonly runs: number }
  | { readonly type: "run"; readonly done: number; readonly run: RunReport }
  | { readonly type: "summary"; readonly summary: Summary }
  | { readonly type: "error"; readonly error: string }
