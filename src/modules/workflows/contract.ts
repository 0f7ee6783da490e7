import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { DESCRIPTION_MAX_CHARS, NAME_MAX_CHARS } from "../../kernel/limits.ts"

const graph = t.Unknown({ description: 'The steps: `{ "steps": [ … ] }`.' })

export const runSetupShape = t.Object(
  {
    trigger_step_ids: t.Optional(t.Array(t.String())),
    trigger_payload: t.Optional(t.Record(t.String(), t.Unknown())),
    trigger_steps: t.Optional(t.Record(t.String(), t.Record(t.String(), t.Unknown()))),
  },
  { description: "Saved defaults of a start; used when the start says `use_run_setup_defaults`." },
)

export const workflowShape = t.Object({
  id: t.String(),
  name: t.String(),
  description: t.String(),
  tenant_id: t.String(),
  project_id: t.String(),
  status: t.Union([t.Literal("draft"), t.Literal("published"), t.Literal("archived")]),
  graph,
  run_setup: t.Unknown(),
  input_schema: t.Unknown(),
  recording: t.Boolean(),
  latest_version: t.Nullable(integer()),
  created_by: t.String(),
  updated_by: t.String(),
  created_at: t.String(),
  updated_at: t.String(),
  archived_at: t.Nullable(t.String()),
  archived_by: t.Nullable(t.String()),
})
export type WorkflowBody = typeof workflowShape.static

export const workflowListShape = t.Object({
  workflows: t.Array(workflowShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})

const name = t.String({ minLength: 1, maxLength: NAME_MAX_CHARS })
const description = t.String({ maxLength: DESCRIPTION_MAX_CHARS })

const recording = t.Boolean({
  description: "Its runs keep what models and tools were asked and said, for a replay, unless their start says `record: false`.",
})

export const createWorkflowShape = t.Object({
  name,
  description: t.Optional(description),
  graph,
  run_setup: t.Optional(runSetupShape),
  input_schema: t.Optional(t.Unknown()),
  recording: t.Optional(recording),
})

export const patchWorkflowShape = t.Object({
  name: t.Optional(name),
  description: t.Optional(description),
  graph: t.Optional(graph),
  run_setup: t.Optional(t.Nullable(runSetupShape)),
  input_schema: t.Optional(t.Unknown()),
  recording: t.Optional(recording),
})

export const publishShape = t.Nullable(
  t.Object({
    changelog: t.Optional(t.String({ maxLength: DESCRIPTION_MAX_CHARS })),
    input_schema: t.Optional(t.Unknown()),
  }),
)

export const versionShape = t.Object({
  version: integer(),
  workflow_id: t.String(),
  changelog: t.String(),
  published_at: t.String(),
  published_by: t.String(),
  graph_snapshot: t.Unknown(),
  input_schema: t.Unknown(),
  run_setup: t.Unknown(),
})
export type VersionBody = typeof versionShape.static

export const versionListShape = t.Object({
  versions: t.Array(versionShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})

/** `GET /v1/workflows/schema`. */
export const graphSchemaShape = t.Record(t.String(), t.Unknown(), { description: "JSON Schema, draft 2020-12." })

const names = (description: string) => t.Optional(t.Array(t.String(), { description }))

export const validateShape = t.Nullable(
  t.Object({
    graph: t.Optional(t.Unknown({ description: "Default: the stored draft." })),
    params: t.Optional(
      t.Record(t.String(), t.Unknown(), { description: "As of a start; with them `input.*` of templates must resolve." }),
    ),
    checks: names("Replaces the default set."),
    skip_checks: names("Leaves some out."),
    step_ids: names("Limits the findings to these steps."),
    mock_step_outputs: t.Optional(
      t.Record(t.String(), t.Unknown(), {
        description: "Results by step id: paths into them are checked, scripts tried with them.",
      }),
    ),
    assume_placeholder_outputs: t.Optional(
      t.Boolean({ description: "Tries scripts with an empty object for every result that is not given." }),
    ),
  }),
)

const checkResult = t.Union([t.Literal("passed"), t.Literal("failed"), t.Literal("blocked"), t.Literal("not_applicable")])

export const reportShape = t.Object({
  valid: t.Boolean(),
  readiness: t.Union([t.Literal("ready"), t.Literal("blocked")]),
  blockers: t.Array(t.String()),
  checks_performed: t.Array(t.String()),
  check_results: t.Record(t.String(), checkResult),
  issues: t.Array(
    t.Object({
      severity: t.Union([t.Literal("error"), t.Literal("warning")]),
      code: t.String(),
      step_id: t.Optional(t.String()),
      message: t.String(),
      json_path: t.String(),
      suggestion: t.Optional(t.String()),
    }),
  ),
  topological_order: t.Array(t.String()),
  validation_evidence: t.Object({
    graph_hash: t.String(),
    workflow_graph_schema_hash: t.Nullable(t.String()),
    validated_at: t.String(),
    readiness: t.String(),
    checks_performed: t.Array(t.String()),
  }),
})
export type ReportBody = typeof reportShape.static
