import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

const text = t.Nullable(t.String())

/** A run as every list and answer shows it (contract G-7). */
export const runShape = t.Object({
  id: t.String(),
  run_id: t.String(),
  workflow_id: t.String(),
  workflow_name: t.String(),
  version: integer(),
  tenant_id: t.String(),
  project_id: t.String(),
  status: t.String(),
  pause_reason: text,
  trigger_type: t.String(),
  started_at: t.String(),
  completed_at: text,
  duration_ms: t.Nullable(integer()),
  failure_code: text,
  error: text,
  failed_step_id: text,
  created_by: t.String(),
  /** The run and step that started this one by `workflow_call`. */
  parent_run_id: text,
  parent_step_id: text,
})
export type RunBody = typeof runShape.static

export const runListShape = t.Object({ runs: t.Array(runShape), total: integer(), limit: integer(), offset: integer() })

const count = integer()
const phase = t.Union([
  t.Literal("starting"),
  t.Literal("running"),
  t.Literal("waiting_human"),
  t.Literal("draining"),
  t.Literal("done"),
])
export type OrchestrationPhase = typeof phase.static

export const summaryShape = t.Composite([
  runShape,
  t.Object({
    orchestration_phase: phase,
    session_id: text,
    run_complete: t.Boolean(),
    steps: t.Object({
      total: count,
      completed: count,
      failed: count,
      skipped: count,
      cancelled: count,
      running: count,
      pending: count,
    }),
    pending_tasks: count,
  }),
])

/** One recorded event (contract G-16); `type` and `timestamp` repeat `event_type` and `created_at` for older clients. */
export const eventShape = t.Object({
  id: t.String(),
  seq: integer(),
  run_id: t.String(),
  workflow_id: t.String(),
  step_id: text,
  step_name: text,
  step_type: text,
  event_type: t.String(),
  type: t.String(),
  data: t.Unknown(),
  created_at: t.String(),
  timestamp: t.String(),
})
export type EventBody = typeof eventShape.static

export const eventListShape = t.Object({
  events: t.Array(eventShape),
  total: integer(),
  limit: integer(),
  after_seq: integer(),
})

const stepShape = t.Object({
  status: t.String(),
  attempt: integer(),
  input: t.Unknown(),
  result: t.Unknown(),
  error: text,
  failure_code: text,
  skip_reason: text,
  started_at: text,
  completed_at: text,
})

const flags = t.Record(t.String(), t.Boolean())

/** Of a run with gated steps: who has entry, what may run, who handed over to whom (contract §4.6). */
const episodeShape = t.Object({
  entry_granted: flags,
  in_scope: flags,
  runtime_depends_on: t.Record(t.String(), t.Array(t.String())),
  episode_closed: t.Boolean(),
})

/** Variables and step results (contract G-43). */
export const contextShape = t.Object({
  run_id: t.String(),
  status: t.String(),
  input: t.Unknown(),
  steps: t.Record(t.String(), stepShape),
  variables: t.Object({}),
  custom: t.Object({ episode: t.Optional(episodeShape) }),
})
export type ContextBody = typeof contextShape.static

/** Why a step did or did not run; `because` goes from the step to the first cause. */
export const explanationShape = t.Object({
  run_id: t.String(),
  step_id: t.String(),
  status: t.String(),
  message: t.String(),
  because: t.Array(
    t.Object({
      kind: t.String(),
      step_id: t.String(),
      message: t.String(),
      values: t.Optional(t.Record(t.String(), t.Unknown())),
    }),
  ),
})
export type ExplanationBody = typeof explanationShape.static

export const commandShape = t.Object({
  command: t.String({ description: "start, pause, resume or stop" }),
  params: t.Optional(t.Nullable(t.Record(t.String(), t.Unknown()))),
})

export const commandAnswerShape = t.Object({
  run_id: t.String(),
  workflow_id: t.String(),
  status: t.String(),
  started_at: t.String(),
  output: t.Optional(t.Unknown({ description: "Of a completed run that was waited for: results of its last steps, by id." })),
  error: t.Optional(t.String({ description: "Of a failed run that was waited for." })),
})
export type CommandAnswer = typeof commandAnswerShape.static
