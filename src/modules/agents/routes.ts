import { Elysia, t } from "elysia"
import { featureDisabled } from "../../http/feature.ts"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import type { Permission } from "../../http/permission.ts"
import { agentListShape, agentShape, createAgentShape, patchAgentShape } from "./contract.ts"
import type { AgentService } from "./service.ts"

/** Of a PAT any scope does, the role decides (contract G-1). */
const READ: Permission = { access: "project", role: "project_viewer", scopes: "any" }
const WRITE: Permission = { access: "project", role: "project_contributor", scopes: "any" }
const tags = ["Agents"]

export interface AgentRoutesDeps {
  readonly gate: Gate
  readonly agents: AgentService
  /** False: every route of them answers 404 (contract §2.5). */
  readonly agentsEnabled: boolean
}

export const agentRoutes = ({ gate, agents, agentsEnabled }: AgentRoutesDeps) =>
  new Elysia({ prefix: "/v1/agents" })
    .use(gate)
    .onBeforeHandle(() => {
      if (!agentsEnabled) throw featureDisabled()
    })
    .get("", ({ caller, query }) => agents.list(caller, pageOf(query)), {
      permit: READ,
      query: t.Object(pageQuery),
      response: agentListShape,
      detail: { summary: "The project's agents, oldest first", tags },
    })
    .post("", async ({ caller, body, status }) => status(201, await agents.create(caller, body)), {
      permit: WRITE,
      body: createAgentShape,
      response: { 201: agentShape },
      detail: { summary: "Define an agent: its model, its instructions, the tools that it may call", tags },
    })
    .get("/:id", ({ caller, params }) => agents.get(caller, params.id), {
      permit: READ,
      response: agentShape,
      detail: { summary: "One agent, with what would keep it from working now", tags },
    })
    .patch("/:id", ({ caller, params, body }) => agents.patch(caller, params.id, body), {
      permit: WRITE,
      body: patchAgentShape,
      response: agentShape,
      detail: { summary: "Change an agent; what is left out stays as it is", tags },
    })
    .delete(
      "/:id",
      async ({ caller, params, set }) => {
        await agents.remove(caller, params.id)
        set.status = 204
      },
      { permit: WRITE, response: { 204: t.Void() }, detail: { summary: "Remove an agent; steps that name it fail then", tags } },
    )
