import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { idempotencyKeyOf } from "../../http/idempotency.ts"
import { momentOf } from "../../http/moment.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_WORKFLOWS, RUN_WORKFLOWS } from "../../http/permission.ts"
import { waitMsOf } from "../../http/prefer.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { EVENTS_PAGE_MAX } from "../../kernel/limits.ts"
import type { WorkflowService } from "../workflows/service.ts"
import type { RunCommands } from "./command.ts"
import {
  commandAnswerShape,
  commandShape,
  contextShape,
  eventListShape,
  explanationShape,
  runListShape,
  runShape,
  summaryShape,
} from "./contract.ts"
import type { RunService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const FEED: Permission = { access: "projects", role: "project_viewer", scopes: READ_WORKFLOWS }
const RUN: Permission = { access: "project", role: "project_contributor", scopes: RUN_WORKFLOWS }
const PLACE = "A token sees its own project; X-Project-Id may name another, where its owner's role decides."
const tags = ["Runs"]

const filterQuery = {
  status: t.Optional(t.Union([t.String(), t.Array(t.String())], { description: "One status, several, or comma-separated." })),
  since: t.Optional(t.String({ description: "RFC 3339; started at or after." })),
}

export interface RunRoutesDeps {
  readonly gate: Gate
  readonly commands: RunCommands
  readonly service: RunService
  readonly workflows: WorkflowService
}

export const runRoutes = (deps: RunRoutesDeps) =>
  new Elysia({ prefix: "/v1" })
    .use(deps.gate)
    .get(
      "/runs",
      ({ caller, query }) =>
        deps.service.list(
          {
            tenantId: caller.tenantId,
            projectIds: caller.projectIds,
            ...filterOf(query),
            ...(query.workflow_id !== undefined && { workflowId: query.workflow_id }),
            ...(query.parent_run_id !== undefined && { parentRunId: query.parent_run_id.toLowerCase() }),
          },
          pageOf(query),
        ),
      {
        permit: FEED,
        query: t.Object({
          ...pageQuery,
          ...filterQuery,
          workflow_id: t.Optional(t.String()),
          parent_run_id: t.Optional(t.String()),
        }),
        response: runListShape,
        detail: { summary: "Runs of all projects that the caller may view, newest first", description: PLACE, tags },
      },
    )
    .post(
      "/workflows/:id/command",
      ({ caller, params, body, request }) =>
        deps.commands.execute(caller, params.id, body.command, (body.params ?? {}) as JsonObject, {
          idempotencyKey: idempotencyKeyOf(request.headers),
          waitMs: waitMsOf(request.headers.get("prefer")),
        }),
      {
        permit: RUN,
        body: commandShape,
        response: commandAnswerShape,
        detail: { summary: "Start, pause, resume or stop a run", tags },
      },
    )
    .get(
      "/workflows/:id/runs",
      async ({ caller, params, query }) => {
        await deps.workflows.row(caller, params.id)
        const place = { tenantId: caller.tenantId, projectIds: [caller.projectId], workflowId: params.id }
        return await deps.service.list({ ...place, ...filterOf(query) }, pageOf(query))
      },
      {
        permit: READ,
        query: t.Object({ ...pageQuery, ...filterQuery }),
        response: runListShape,
        detail: { summary: "Runs of one workflow, newest first", tags },
      },
    )
    .get("/workflows/:id/runs/:runID", ({ caller, params }) => deps.service.get(caller, params.id, params.runID), {
      permit: READ,
      response: runShape,
      detail: { summary: "One run", tags },
    })
    .get("/workflows/:id/runs/:runID/summary", ({ caller, params }) => deps.service.summary(caller, params.id, params.runID), {
      permit: READ,
      response: summaryShape,
      detail: { summary: "One run with counts of its steps", tags },
    })
    .get(
      "/workflows/:id/runs/:runID/events",
      ({ caller, params, query }) =>
        deps.service.events(caller, params.id, params.runID, query.after_seq ?? 0, query.limit ?? EVENTS_PAGE_MAX),
      {
        permit: READ,
        query: t.Object({
          after_seq: t.Optional(t.Integer({ title: "after_seq", minimum: 0 })),
          limit: t.Optional(t.Integer({ title: "limit", minimum: 1, maximum: EVENTS_PAGE_MAX })),
        }),
        response: eventListShape,
        detail: { summary: "What happened in a run, oldest first", tags },
      },
    )
    .get("/workflows/:id/runs/:runID/context", ({ caller, params }) => deps.service.context(caller, params.id, params.runID), {
      permit: READ,
      response: contextShape,
      detail: { summary: "A run's input and the results of its steps", tags },
    })
    .get(
      "/workflows/:id/runs/:runID/steps/:stepID/explain",
      ({ caller, params }) => deps.service.explain(caller, params.id, params.runID, params.stepID),
      {
        permit: READ,
        response: explanationShape,
        detail: { summary: "Why a step did or did not run", tags },
      },
    )

function filterOf(query: { status?: string | string[]; since?: string }) {
  const statuses =
    query.status === undefined
      ? undefined
      : [query.status]
          .flat()
          .flatMap(s => s.split(","))
          .filter(s => s !== "")
  const since = query.since === undefined ? undefined : momentOf("since", query.since)
  return { ...(statuses && statuses.length > 0 && { statuses }), ...(since !== undefined && { since }) }
}
