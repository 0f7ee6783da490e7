import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Caller, type Permission, READ_MCP, WRITE_MCP } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"
import {
  catalogShape,
  createInstanceShape,
  instanceListShape,
  instanceShape,
  patchInstanceShape,
  resolutionShape,
  resolveRequestShape,
  toolListShape,
  toolQuery,
  validationShape,
} from "./contract.ts"
import type { McpService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_contributor", scopes: READ_MCP }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_MCP }
const tags = ["MCP"]

/** The catalog and the project's instances; their profiles are in profile-routes.ts. */
export const mcpRoutes = (deps: { readonly gate: Gate; readonly mcp: McpService }) =>
  new Elysia({ prefix: "/v1/mcp" })
    .use(deps.gate)
    .get("/platform-catalog", async ({ caller }) => ({ servers: [...(await deps.mcp.catalog(caller))] }), {
      permit: READ,
      response: catalogShape,
      detail: { summary: "Platform adapters, and whether this version has their tools", tags },
    })
    .get(
      "/tools",
      async ({ caller, query }) => {
        const tools = [...(await deps.mcp.tools(caller, query))]
        return { tools, total: tools.length }
      },
      { permit: READ, query: toolQuery, response: toolListShape, detail: { summary: "Tools with their input schemas", tags } },
    )
    .get(
      "/instances",
      async ({ caller, query }) => {
        const page = pageOf(query)
        const { items, total } = await deps.mcp.list(caller, page)
        return { instances: [...items], total, ...page }
      },
      {
        permit: READ,
        query: t.Object(pageQuery),
        response: instanceListShape,
        detail: { summary: "The project's instances, oldest first", tags },
      },
    )
    .post(
      "/instances",
      async ({ caller, body, status }) => {
        const { config, ...rest } = body
        return status(201, await deps.mcp.create(caller, { ...rest, config: config as JsonObject | undefined })) // it came as JSON
      },
      {
        permit: WRITE,
        body: createInstanceShape,
        response: { 201: instanceShape },
        detail: { summary: "Add a server to the project, with an active profile `default`", tags },
      },
    )
    .post(
      "/instances/resolve",
      ({ caller, body }) => {
        if (body.create_missing) requireWrite(caller)
        return deps.mcp.resolve(caller, body)
      },
      {
        permit: READ,
        body: resolveRequestShape,
        response: resolutionShape,
        detail: { summary: "Which instance serves each server that a workflow names", tags },
      },
    )
    .get("/instances/:id", ({ caller, params }) => deps.mcp.get(caller, params.id), {
      permit: READ,
      response: instanceShape,
      detail: { summary: "One instance", tags },
    })
    .patch("/instances/:id", ({ caller, params, body }) => deps.mcp.patch(caller, params.id, body), {
      permit: WRITE,
      body: patchInstanceShape,
      response: instanceShape,
      detail: { summary: "Rename an instance", tags },
    })
    .delete(
      "/instances/:id",
      async ({ caller, params, set }) => {
        await deps.mcp.remove(caller, params.id)
        set.status = 204
      },
      { permit: WRITE, response: { 204: t.Void() }, detail: { summary: "Remove an instance with its profiles", tags } },
    )
    .post("/instances/:id/validate", ({ caller, params, request }) => deps.mcp.validate(caller, params.id, request.signal), {
      permit: READ,
      response: validationShape,
      detail: { summary: "Check configuration, credentials and reachability; changes nothing", tags },
    })

/** Looking is for every MCP scope, making is not. */
function requireWrite(caller: Caller): void {
  if (caller.scopes === null || caller.scopes.some(scope => WRITE_MCP.includes(scope))) return
  throw new AppError("forbidden", "insufficient scope: mcp:write", { code: "INSUFFICIENT_SCOPE" })
}
