import type { Scope } from "../../src/http/permission.ts"
import { LUA_GRAPH, type Person, type Place, type World } from "../helpers/app.ts"
import type { RouteCase } from "./route-table.ts"

const MCP_READ: readonly Scope[] = ["mcp:read", "mcp:write", "mcp:execute"]
const MCP_WRITE: readonly Scope[] = ["mcp:write", "mcp:execute"]
const READ: readonly Scope[] = ["workflow:read", "workflow:run", "workflow:write"]
const WRITE: readonly Scope[] = ["workflow:write", "workflow:run"]

const WISH = { display_name: "Mail key", provider: "custom", service: "api_key", credentials: { api_key: "secret" } }

async function connection(world: World, place: Place, { session }: Person) {
  return { id: (await world.call({ session, place }, "POST", "/v1/connections", WISH)).body.id as string }
}

/** As signing in at Google leaves it. */
async function googleAccount({ db, time }: World, { tenant }: Place, { userId }: Person) {
  const id = Bun.randomUUIDv7()
  const made = { createdBy: userId, createdAt: time.now, updatedAt: time.now, expiresAt: null, metadata: { services: {} } }
  const row = { id, tenantId: tenant, displayName: "G", provider: "google_account", service: "oauth", account: "a@example.test" }
  await db.write(async tx => {
    await tx.insert(db.tables.connections).values({ ...row, ...made, status: "active", statusReason: null })
  })
  return { id }
}

async function workflow(world: World, place: Place, { session }: Person) {
  return { id: await world.workflow(LUA_GRAPH, {}, { session, place }) }
}

const contributor = { asked: "project_contributor" } as const
const saved = { ...contributor, ids: connection, ofTenant: true } as const
const google = { ...contributor, ids: googleAccount, ofTenant: true, status: 200 } as const

const savedAt = (base: string): readonly RouteCase[] => [
  { route: `GET ${base}`, ...contributor, scopes: MCP_READ, status: 200 },
  { route: `POST ${base}`, ...contributor, scopes: MCP_WRITE, body: () => WISH, status: 201 },
  { route: `GET ${base}/:id`, ...saved, scopes: MCP_READ, status: 200 },
  { route: `PATCH ${base}/:id`, ...saved, scopes: MCP_WRITE, body: () => ({ display_name: "Other" }), status: 200 },
  { route: `DELETE ${base}/:id`, ...saved, scopes: MCP_WRITE, status: 204 },
  { route: `GET ${base}/:id/credentials`, ...saved, scopes: MCP_READ, status: 200 },
]

/** Google and Meta are not set up in the sweep, so what would reach them says so. */
export const CONNECTION_ROUTES: readonly RouteCase[] = [
  ...savedAt("/v1/connections"),
  ...savedAt("/v1/mcp/connections"),
  { route: "GET /v1/connections/google/config", ...contributor, scopes: MCP_READ, status: 200 },
  {
    route: "POST /v1/connections/google/oauth-url",
    ...contributor,
    scopes: MCP_WRITE,
    body: () => ({ services: ["gmail"] }),
    status: 503,
  },
  {
    route: "POST /v1/connections/google/complete",
    ...contributor,
    scopes: MCP_WRITE,
    body: () => ({ code: "c", state: "s" }),
    status: 503,
  },
  { route: "GET /v1/connections/google/accounts/:id", ...google, scopes: MCP_READ },
  {
    route: "PATCH /v1/connections/google/accounts/:id/services",
    ...google,
    scopes: MCP_WRITE,
    body: () => ({ services: { gmail: false } }),
  },
  { route: "GET /v1/connections/whatsapp/config", ...contributor, scopes: MCP_READ, status: 200 },
  {
    route: "POST /v1/connections/whatsapp/complete",
    ...contributor,
    scopes: MCP_WRITE,
    body: () => ({ code: "c", waba_id: "1", phone_number_id: "2" }),
    status: 503,
  },
  // A good body would be checked at Meta.
  { route: "POST /v1/connections/whatsapp/manual", ...contributor, scopes: MCP_WRITE, body: () => ({}), status: 400 },
  // The place is in the body, and there is no such server.
  {
    route: "POST /v1/connections/mcp/oauth-url",
    ...contributor,
    scopes: MCP_WRITE,
    body: () => ({ server_id: "none" }),
    status: 404,
  },
  {
    route: "POST /v1/connections/mcp/complete",
    ...contributor,
    scopes: MCP_WRITE,
    body: () => ({ code: "c", state: "s" }),
    status: 422,
  },
  {
    route: "GET /v1/workflows/:id/connection-overrides",
    asked: "project_viewer",
    scopes: READ,
    ids: workflow,
    status: 200,
  },
  {
    route: "PUT /v1/workflows/:id/connection-overrides",
    ...contributor,
    scopes: WRITE,
    ids: workflow,
    body: () => ({ overrides: [] }),
    status: 200,
  },
  { route: "GET /connections/callback", asked: "public", scopes: "any", status: 410 },
]
