import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_WORKFLOWS, WRITE_WORKFLOWS } from "../../http/permission.ts"
import {
  createWorkflowShape,
  graphSchemaShape,
  patchWorkflowShape,
  publishShape,
  reportShape,
  validateShape,
  versionListShape,
  versionShape,
  workflowListShape,
  workflowShape,
} from "./contract.ts"
import type { DryRun } from "./dry-run.ts"
import type { WorkflowDraft, WorkflowService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_WORKFLOWS }
const tags = ["Workflows"]

export const workflowRoutes = (deps: { gate: Gate; workflows: WorkflowService; dryRun: DryRun }) =>
  new Elysia({ prefix: "/v1/workflows" })
    .use(deps.gate)
    .get("", ({ caller, query }) => deps.workflows.list(caller, pageOf(query)), {
      permit: READ,
      query: t.Object(pageQuery),
      response: workflowListShape,
      detail: { summary: "List workflows, last changed first; archived ones are left out", tags },
    })
    .post("", async ({ caller, body, status }) => status(201, await deps.workflows.create(caller, body as WorkflowDraft)), {
      permit: WRITE,
      body: createWorkflowShape,
      response: { 201: workflowShape },
      detail: { summary: "Create a workflow as a draft", tags },
    })
    .get("/schema", () => deps.dryRun.graphSchema, {
      permit: READ,
      response: graphSchemaShape,
      detail: { summary: "JSON Schema of a workflow's graph", tags },
    })
    .get("/:id", ({ caller, params }) => deps.workflows.get(caller, params.id), {
      permit: READ,
      response: workflowShape,
      detail: { summary: "One workflow with its draft graph", tags },
    })
    .patch("/:id", ({ caller, params, body }) => deps.workflows.patch(caller, params.id, body as Partial<WorkflowDraft>), {
      permit: WRITE,
      body: patchWorkflowShape,
      response: workflowShape,
      detail: { summary: "Change the draft; each given field is replaced whole", tags },
    })
    .delete(
      "/:id",
      async ({ caller, params, set }) => {
        await deps.workflows.archive(caller, params.id)
        set.status = 204
      },
      { permit: WRITE, response: { 204: t.Void() }, detail: { summary: "Archive a workflow; its runs stay readable", tags } },
    )
    .post(
      "/:id/versions",
      async ({ caller, params, body, status }) => status(201, await deps.workflows.publish(caller, params.id, body)),
      {
        permit: WRITE,
        body: publishShape,
        response: { 201: versionShape },
        detail: { summary: "Publish the draft as the next version", tags },
      },
    )
    .get("/:id/versions", ({ caller, params, query }) => deps.workflows.versions(caller, params.id, pageOf(query)), {
      permit: READ,
      query: t.Object(pageQuery),
      response: versionListShape,
      detail: { summary: "Published versions, newest first", tags },
    })
    .post("/:id/validate", ({ caller, params, body }) => deps.dryRun.validate(caller, params.id, body), {
      permit: WRITE,
      body: validateShape,
      response: reportShape,
      detail: { summary: "Check a graph without running anything", tags },
    })
