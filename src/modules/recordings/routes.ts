import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_WORKFLOWS, WRITE_WORKFLOWS } from "../../http/permission.ts"
import { recordingShape } from "./contract.ts"
import type { RecordingService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_WORKFLOWS }
const tags = ["Recordings"]

export const recordingRoutes = ({ gate, recordings }: { gate: Gate; recordings: RecordingService }) =>
  new Elysia({ prefix: "/v1/workflows/:id/runs/:runID/recording" })
    .use(gate)
    .get("", ({ caller, params, query }) => recordings.list(caller, params.id, params.runID, pageOf(query)), {
      permit: READ,
      query: t.Object(pageQuery),
      response: recordingShape,
      detail: {
        summary: "What a recorded run asked models and tools, and what they said",
        description:
          "In the order of the answers. A page of large ones is shorter than `limit`; go on at `offset` and its length.",
        tags,
      },
    })
    .delete(
      "",
      async ({ caller, params, set }) => {
        await recordings.delete(caller, params.id, params.runID)
        set.status = 204
      },
      { permit: WRITE, response: { 204: t.Void() }, detail: { summary: "Delete what was recorded of a run", tags } },
    )
