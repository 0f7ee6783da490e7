import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_WORKFLOWS, RUN_WORKFLOWS, WRITE_WORKFLOWS } from "../../http/permission.ts"
import { PREVIEW_DEFAULT, PREVIEW_MAX } from "../../kernel/limits.ts"
import {
  createTriggerShape,
  fireListShape,
  outcomeQuery,
  patchTriggerShape,
  previewRequestShape,
  previewShape,
  runNowShape,
  triggerListShape,
  triggerShape,
} from "./contract.ts"
import type { TriggerService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_WORKFLOWS }
const RUN: Permission = { access: "project", role: "project_contributor", scopes: RUN_WORKFLOWS }
const tags = ["Triggers"]
const previewQuery = t.Object({
  count: t.Optional(t.Integer({ title: "count", minimum: 1, maximum: PREVIEW_MAX, default: PREVIEW_DEFAULT })),
})

export const triggerRoutes = ({ gate, triggers }: { gate: Gate; triggers: TriggerService }) =>
  new Elysia({ prefix: "/v1/workflows/:id/triggers" })
    .use(gate)
    .get("", ({ caller, params, query }) => triggers.list(caller, params.id, pageOf(query)), {
      permit: READ,
      query: t.Object(pageQuery),
      response: triggerListShape,
      detail: { summary: "Triggers of a workflow, newest first", tags },
    })
    .post("", async ({ caller, params, body, status }) => status(201, await triggers.create(caller, params.id, body)), {
      permit: WRITE,
      body: createTriggerShape,
      response: { 201: triggerShape },
      detail: {
        summary: "Make a schedule, or a trigger that waits for an event of the platform",
        description:
          "Its runs act as whoever makes it, or as `config.automation_user_id`; with the scopes of the token it is made with.",
        tags,
      },
    })
    .post(
      "/preview",
      ({ caller, params, body, query }) => triggers.previewConfig(caller, params.id, body.config, countOf(query)),
      {
        permit: READ,
        query: previewQuery,
        body: previewRequestShape,
        response: previewShape,
        detail: { summary: "The next moments of a schedule that is not saved yet", tags },
      },
    )
    .get("/:trigger_id", ({ caller, params }) => triggers.get(caller, params.id, params.trigger_id), {
      permit: READ,
      response: triggerShape,
      detail: { summary: "One trigger", tags },
    })
    .patch("/:trigger_id", ({ caller, params, body }) => triggers.patch(caller, params.id, params.trigger_id, body), {
      permit: WRITE,
      body: patchTriggerShape,
      response: triggerShape,
      detail: {
        summary: "Change, pause or resume a trigger; config is replaced whole",
        description: "Once this is answered, nothing fires by what was before. Switched on again, it goes on from now.",
        tags,
      },
    })
    .delete(
      "/:trigger_id",
      async ({ caller, params, set }) => {
        await triggers.delete(caller, params.id, params.trigger_id)
        set.status = 204
      },
      { permit: WRITE, response: { 204: t.Void() }, detail: { summary: "Delete a trigger; its runs stay", tags } },
    )
    .post("/:trigger_id/run_now", ({ caller, params }) => triggers.runNow(caller, params.id, params.trigger_id), {
      permit: RUN,
      response: runNowShape,
      detail: { summary: "Start a run as the trigger would, at once; also while it is switched off", tags },
    })
    .get(
      "/:trigger_id/preview",
      ({ caller, params, query }) => triggers.preview(caller, params.id, params.trigger_id, countOf(query)),
      {
        permit: READ,
        query: previewQuery,
        response: previewShape,
        detail: { summary: "The next moments of a schedule, through every change of the clocks", tags },
      },
    )
    .get(
      "/:trigger_id/fires",
      ({ caller, params, query }) => triggers.fires(caller, params.id, params.trigger_id, query.outcome ?? null, pageOf(query)),
      {
        permit: READ,
        query: t.Object({ ...pageQuery, outcome: outcomeQuery }),
        response: fireListShape,
        detail: { summary: "What became of each moment, newest first", tags },
      },
    )

function countOf(query: { count?: number }): number {
  return query.count ?? PREVIEW_DEFAULT
}
