import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_MCP, WRITE_MCP } from "../../http/permission.ts"
import {
  askAsBody,
  bindingValidationShape,
  createServerShape,
  discoveryShape,
  forceQuery,
  patchServerShape,
  publishBody,
  serverListShape,
  serverShape,
  serverValidationShape,
  versionListShape,
  versionShape,
} from "./server-contract.ts"
import type { ServerService } from "./servers.ts"

const READ: Permission = { access: "project", role: "project_contributor", scopes: READ_MCP }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_MCP }
const tags = ["MCP"]

/** The tool servers of the workspace, and the operator's to look at. */
export const mcpServerRoutes = ({ gate, mcpServers }: { readonly gate: Gate; readonly mcpServers: ServerService }) =>
  new Elysia({ prefix: "/v1/mcp/servers" })
    .use(gate)
    .get(
      "/",
      async ({ caller, query }) => {
        const page = pageOf(query)
        const { items, total } = await mcpServers.list(caller, page)
        return { servers: [...items], total, ...page }
      },
      {
        permit: READ,
        query: t.Object(pageQuery),
        response: serverListShape,
        detail: { summary: "Registered MCP servers, oldest first; then those that the operator declared", tags },
      },
    )
    .post("/", async ({ caller, body, status }) => status(201, await mcpServers.create(caller, body)), {
      permit: WRITE,
      body: createServerShape,
      response: { 201: serverShape },
      detail: { summary: "Register an MCP server on the network, as a draft", tags },
    })
    .get("/:id", ({ caller, params }) => mcpServers.get(caller, params.id), {
      permit: READ,
      response: serverShape,
      detail: { summary: "One server", tags },
    })
    .patch("/:id", ({ caller, params, body }) => mcpServers.patch(caller, params.id, body), {
      permit: WRITE,
      body: patchServerShape,
      response: serverShape,
      detail: { summary: "Change a server; with another address or authentication it is a draft again", tags },
    })
    .delete(
      "/:id",
      async ({ caller, params, query, set }) => {
        await mcpServers.remove(caller, params.id, query.force ?? false)
        set.status = 204
      },
      {
        permit: WRITE,
        query: forceQuery,
        response: { 204: t.Void() },
        detail: { summary: "Remove a server with its versions; 409 while instances use it", tags },
      },
    )
    .post(
      "/:id/discover",
      ({ caller, params, body, request }) => mcpServers.discover(caller, params.id, body ?? {}, request.signal),
      {
        permit: WRITE,
        body: askAsBody,
        response: discoveryShape,
        detail: { summary: "Ask the server for its tools and its configuration schema; keeps nothing", tags },
      },
    )
    .get(
      "/:id/versions",
      async ({ caller, params }) => {
        const versions = [...(await mcpServers.versions(caller, params.id))]
        return { versions, total: versions.length }
      },
      { permit: READ, response: versionListShape, detail: { summary: "Published versions, newest first", tags } },
    )
    .post(
      "/:id/versions",
      async ({ caller, params, body, request, status }) =>
        status(201, await mcpServers.publish(caller, params.id, body ?? {}, request.signal)),
      {
        permit: WRITE,
        body: publishBody,
        response: { 201: versionShape },
        detail: { summary: "Publish tools and configuration schema; what is left out is asked of the server", tags },
      },
    )
    .post(
      "/:id/validate",
      ({ caller, params, body, request }) => mcpServers.validate(caller, params.id, body ?? {}, request.signal),
      {
        permit: WRITE,
        body: askAsBody,
        response: serverValidationShape,
        detail: { summary: "Five checks; 200 even when they fail. All well: the server becomes active", tags },
      },
    )
    .post(
      "/:id/connections/:connection_id/validate",
      ({ caller, params, request }) => mcpServers.validateBinding(caller, params.id, params.connection_id, request.signal),
      {
        permit: WRITE,
        response: bindingValidationShape,
        detail: { summary: "Whether a saved connection gives what the server needs", tags },
      },
    )
