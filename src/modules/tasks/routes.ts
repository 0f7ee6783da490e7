import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_WORKFLOWS, RUN_WORKFLOWS } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { completedShape, completeShape, taskListShape } from "./contract.ts"
import type { TaskService } from "./service.ts"

const INBOX: Permission = { access: "projects", role: "project_viewer", scopes: READ_WORKFLOWS }
const OF_RUN: Permission = { access: "project", role: "project_contributor", scopes: READ_WORKFLOWS }
const COMPLETE: Permission = { access: "project", role: "project_contributor", scopes: RUN_WORKFLOWS }
const PLACE = "A token sees its own project; X-Project-Id may name another, where its owner's role decides."
const tags = ["Human tasks"]

export const taskRoutes = (deps: { gate: Gate; tasks: TaskService }) =>
  new Elysia({ prefix: "/v1" })
    .use(deps.gate)
    .get("/tasks/pending", ({ caller, query }) => deps.tasks.inbox(caller, pageOf(query)), {
      permit: INBOX,
      query: t.Object(pageQuery),
      response: taskListShape,
      detail: { summary: "Everything that waits for a person, oldest first", description: PLACE, tags },
    })
    .get(
      "/workflows/:id/runs/:runID/tasks/pending",
      ({ caller, params, query }) => deps.tasks.ofRun(caller, params.id, params.runID, pageOf(query)),
      {
        permit: OF_RUN,
        query: t.Object(pageQuery),
        response: taskListShape,
        detail: { summary: "What waits for a person in one run", tags },
      },
    )
    .post(
      "/workflows/:id/runs/:runID/tasks/:task_id/complete",
      ({ caller, params, body }) => {
        refuseContextEdits(body.context_edits)
        return deps.tasks.complete(
          caller,
          params.id,
          params.runID,
          params.task_id,
          body.approved,
          (body.result ?? {}) as JsonObject,
        )
      },
      {
        permit: COMPLETE,
        body: completeShape,
        response: completedShape,
        detail: { summary: "Approve or reject a human task", tags },
      },
    )

/** Dropping a person's edits without a word would be worse than refusing them. */
function refuseContextEdits(edits: object | null | undefined): void {
  if (!edits || Object.keys(edits).length === 0) return
  throw new AppError("invalid", "this version cannot apply context_edits; put the edited values into result", {
    code: "CONTEXT_EDITS_UNAVAILABLE",
  })
}
