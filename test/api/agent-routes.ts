import type { Person, Place, World } from "../helpers/app.ts"
import type { RouteCase } from "./route-table.ts"

const WISH = { name: "Clerk", model_ref: "local.builtin.echo-1" }

async function agent(world: World, place: Place, { session }: Person) {
  return { id: (await world.call({ session, place }, "POST", "/v1/agents", WISH)).body.id as string }
}

const viewer = { asked: "project_viewer", scopes: "any" } as const
const contributor = { asked: "project_contributor", scopes: "any" } as const
const base = "/v1/agents"

export const AGENT_ROUTES: readonly RouteCase[] = [
  { route: `GET ${base}`, ...viewer, status: 200 },
  { route: `POST ${base}`, ...contributor, body: () => WISH, status: 201 },
  { route: `GET ${base}/:id`, ...viewer, ids: agent, status: 200 },
  { route: `PATCH ${base}/:id`, ...contributor, ids: agent, body: () => ({ name: "Other" }), status: 200 },
  { route: `DELETE ${base}/:id`, ...contributor, ids: agent, status: 204 },
]
