import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_MCP, WRITE_MCP } from "../../http/permission.ts"
import {
  connectionFilter,
  connectionListShape,
  connectionShape,
  createConnectionShape,
  credentialListShape,
  deleteQuery,
  patchConnectionShape,
} from "./contract.ts"
import type { ConnectionService } from "./service.ts"

export const READ: Permission = { access: "project", role: "project_contributor", scopes: READ_MCP }
export const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_MCP }

export interface ConnectionRoutesDeps {
  readonly gate: Gate
  readonly connections: ConnectionService
}

export const connectionRoutes = (deps: ConnectionRoutesDeps) =>
  new Elysia().use(savedConnectionRoutes("/v1/connections", deps)).use(savedConnectionRoutes("/v1/mcp/connections", deps))

/** The same at both addresses: older clients know the second (contract §7). */
const savedConnectionRoutes = <const Prefix extends string>(prefix: Prefix, { gate, connections }: ConnectionRoutesDeps) => {
  const tags = ["Connections"]
  return new Elysia({ prefix })
    .use(gate)
    .get("", ({ caller, query }) => connections.list(caller, query, pageOf(query)), {
      permit: READ,
      query: t.Object({ ...pageQuery, ...connectionFilter }),
      response: connectionListShape,
      detail: { summary: "Saved connections of the workspace, newest first, without secrets", tags },
    })
    .post("", async ({ caller, body, status }) => status(201, await connections.create(caller, body)), {
      permit: WRITE,
      body: createConnectionShape,
      response: { 201: connectionShape },
      detail: { summary: "Save the credentials of a service", tags },
    })
    .get("/:id", ({ caller, params }) => connections.get(caller, params.id), {
      permit: READ,
      response: connectionShape,
      detail: { summary: "One connection, without secrets", tags },
    })
    .patch("/:id", ({ caller, params, body }) => connections.patch(caller, params.id, body), {
      permit: WRITE,
      body: patchConnectionShape,
      response: connectionShape,
      detail: { summary: "Rename a connection, or change its credentials: they are merged, null removes one", tags },
    })
    .delete(
      "/:id",
      async ({ caller, params, query, set }) => {
        await connections.delete(caller, params.id, query.force === "true" ? "forced" : "guarded")
        set.status = 204
      },
      {
        permit: WRITE,
        query: deleteQuery,
        response: { 204: t.Void() },
        detail: { summary: "Delete a connection and its secrets; refused while runs use it, unless forced", tags },
      },
    )
    .get("/:id/credentials", ({ caller, params }) => connections.credentials(caller, params.id), {
      permit: READ,
      response: credentialListShape,
      detail: { summary: "Which credentials a connection has, never the secrets themselves", tags },
    })
}
