import { Elysia } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { type Permission, READ_WORKFLOWS, WRITE_WORKFLOWS } from "../../http/permission.ts"
import { overrideListShape, overridesReplacedShape } from "./override-contract.ts"
import type { ConnectionOverrides } from "./overrides.ts"

const READ: Permission = { access: "project", role: "project_viewer", scopes: READ_WORKFLOWS }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_WORKFLOWS }
const tags = ["Connections"]

export interface OverrideRoutesDeps {
  readonly gate: Gate
  readonly overrides: ConnectionOverrides
}

export const connectionOverrideRoutes = ({ gate, overrides }: OverrideRoutesDeps) =>
  new Elysia({ prefix: "/v1/workflows/:id/connection-overrides" })
    .use(gate)
    .get("", ({ caller, params }) => overrides.list(caller, params.id), {
      permit: READ,
      response: overrideListShape,
      detail: { summary: "Connections that this workflow uses in place of those of its instances", tags },
    })
    .put(
      "",
      async ({ caller, params, body }) => {
        await overrides.replace(caller, params.id, body.overrides)
        return { status: "ok" as const }
      },
      {
        permit: WRITE,
        body: overrideListShape,
        response: overridesReplacedShape,
        detail: { summary: "Replace the whole map of instances to connections", tags },
      },
    )
