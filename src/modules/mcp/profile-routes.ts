import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, READ_MCP, WRITE_MCP } from "../../http/permission.ts"
import { createProfileShape, patchProfileShape, profileListShape, profileShape } from "./contract.ts"
import type { McpService } from "./service.ts"

const READ: Permission = { access: "project", role: "project_contributor", scopes: READ_MCP }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_MCP }
const tags = ["MCP"]

/** The wiring of an instance; exactly one profile is active. */
export const mcpProfileRoutes = ({ gate, mcp: { profiles } }: { readonly gate: Gate; readonly mcp: McpService }) =>
  new Elysia({ prefix: "/v1/mcp/instances/:id/config-profiles" })
    .use(gate)
    .get(
      "/",
      async ({ caller, params, query }) => {
        const page = pageOf(query)
        const { items, total } = await profiles.list(caller, params.id, page)
        return { config_profiles: [...items], total, ...page }
      },
      {
        permit: READ,
        query: t.Object(pageQuery),
        response: profileListShape,
        detail: { summary: "Configuration profiles of an instance, oldest first", tags },
      },
    )
    .post("/", async ({ caller, params, body, status }) => status(201, await profiles.create(caller, params.id, body)), {
      permit: WRITE,
      body: createProfileShape,
      response: { 201: profileShape },
      detail: { summary: "Add a profile; inactive unless it says otherwise", tags },
    })
    .patch("/:profile_id", ({ caller, params, body }) => profiles.patch(caller, params.id, params.profile_id, body), {
      permit: WRITE,
      body: patchProfileShape,
      response: profileShape,
      detail: { summary: "Change a profile; each given field is replaced whole", tags },
    })
    .post("/:profile_id/set-active", ({ caller, params }) => profiles.activate(caller, params.id, params.profile_id), {
      permit: WRITE,
      response: profileShape,
      detail: { summary: "Make this the active profile; the others are switched off", tags },
    })
