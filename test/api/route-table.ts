import { NOBODY as NO_CALLER, type Permission, type Role, type Scope } from "../../src/http/permission.ts"
import { LUA_GRAPH, PASSWORD, type Person, type Place, TASK_GRAPH, type World } from "../helpers/app.ts"
import { AGENT_ROUTES } from "./agent-routes.ts"
import { CONNECTION_ROUTES } from "./connection-routes.ts"
import { LLM_ROUTES } from "./llm-routes.ts"

/** Who is asked, as the contract's tables say it (§3.1, §4, §15): `viewer+` is `project_viewer`, and so on. */
type Asked =
  | "public"
  /** Whoever signs the request. */
  | "signed"
  /** Whoever is signed in. */
  | "user"
  /** A member of the workspace. */
  | "member"
  | "tenant_admin"
  /** In one project. */
  | "project_viewer"
  | "project_contributor"
  | "project_admin"
  /** A list over all projects that the caller may view. */
  | "viewer of projects"

export interface RouteCase {
  readonly route: string
  readonly asked: Asked
  /** Scopes of a PAT, one of which is enough (contract G-1); `any`: the role decides; `none`: session only. */
  readonly scopes: readonly Scope[] | "any" | "none"
  /** What the path names, made new in the place by somebody who may. */
  readonly ids?: (world: World, place: Place, owner: Person) => Promise<Record<string, string>>
  /** What the path names, the same for everybody. */
  readonly shared?: Readonly<Record<string, string>>
  readonly body?: (ids: Record<string, string>, world: World) => unknown
  /** Status for whoever may. */
  readonly status: number
  /** What the service judges beyond the stated permission; undefined: nothing. */
  readonly judged?: (who: Person, world: World) => number | undefined
  /** What the path names belongs to the workspace, not to one project. */
  readonly ofTenant?: true
  /** Ends the session it is called with. */
  readonly endsSession?: true
}

const READ: readonly Scope[] = ["workflow:read", "workflow:run", "workflow:write"]
const WRITE: readonly Scope[] = ["workflow:write", "workflow:run"]
const RUN: readonly Scope[] = ["workflow:run"]
const MCP_READ: readonly Scope[] = ["mcp:read", "mcp:write", "mcp:execute"]
const MCP_WRITE: readonly Scope[] = ["mcp:write", "mcp:execute"]
const PAT: readonly Scope[] = ["pat:manage"]

const of = (owner: Person, place: Place) => ({ session: owner.session, place })

async function workflow(world: World, place: Place, owner: Person) {
  return { id: await world.workflow(LUA_GRAPH, {}, of(owner, place)) }
}

/** A run that waits for a person. */
async function waitingRun(world: World, place: Place, owner: Person) {
  const caller = of(owner, place)
  const id = await world.workflow(TASK_GRAPH, {}, caller)
  return { id, runID: await world.start(id, {}, caller), task_id: "ask" }
}

/** An address that somebody may deliver to, made by its owner. */
async function signedAddress(world: World, place: Place, owner: Person) {
  const caller = of(owner, place)
  const { id: workflowId } = await workflow(world, place, owner)
  const wish = { workflow_id: workflowId, automation_bearer: owner.pat }
  const made = await world.call(caller, "POST", "/v1/inbound-webhooks", wish)
  return { id: made.body.subscription.id, secret: made.body.signing_secret }
}
const subscription = async (world: World, place: Place, owner: Person) => ({ id: (await signedAddress(world, place, owner)).id })

async function delivery(world: World, place: Place, owner: Person) {
  const { id, secret } = await signedAddress(world, place, owner)
  const seconds = Math.floor(world.time.now / 1000)
  const hex = new Bun.CryptoHasher("sha256", secret).update(`${seconds}.{}`).digest("hex")
  const headers = { "x-agentruntime-signature": `t=${seconds},v1=${hex}` }
  const answer = await world.call({}, "POST", `/v1/inbound-webhooks/${id}`, "{}", headers)
  return { id, delivery_id: answer.body.delivery_id as string }
}

/** A run that ended, with a callback to where nothing is let through. */
async function refusedCallback(world: World, place: Place, owner: Person) {
  const caller = of(owner, place)
  const id = await world.workflow(TASK_GRAPH, {}, caller)
  const runID = await world.start(id, { callback_url: "http://127.0.0.1:9/" }, caller)
  await world.command(id, "stop", { run_id: runID }, caller)
  return { id, runID }
}

const SCHEDULE = { config: { cron: "0 9 * * *", timezone: "Europe/Berlin" } }

async function trigger(world: World, place: Place, owner: Person) {
  const { id } = await workflow(world, place, owner)
  const made = await world.call(of(owner, place), "POST", `/v1/workflows/${id}/triggers`, SCHEDULE)
  return { id, trigger_id: made.body.id as string }
}

const artifact = async (world: World, place: Place) => {
  const scope = { tenantId: place.tenant, projectId: place.project }
  const origin = { runId: null, stepId: null, name: crypto.randomUUID(), mimeType: "text/plain" }
  const { id } = await world.app.artifacts.keep(scope, origin, new TextEncoder().encode("kept"))
  return { id }
}

const instance = async (world: World, place: Place, owner: Person) => {
  const { body } = await world.call(of(owner, place), "POST", "/v1/mcp/instances", { server_id: "sqlite" })
  return { id: body.id as string, profile_id: body.active_profile_id as string }
}
const mcpServer = async (world: World, place: Place, owner: Person) => {
  const wish = { name: "Tools", canonical_url: `https://${crypto.randomUUID()}.invalid/mcp` }
  const { body } = await world.call(of(owner, place), "POST", "/v1/mcp/servers", wish)
  return { id: body.id as string }
}
const instanceOnly = async (world: World, place: Place, owner: Person) => ({ id: (await instance(world, place, owner)).id })
/** As the API makes it: what `patOf` makes was given out already, and cannot be revealed. */
const pat = async (world: World, place: Place, { userId }: Person) => {
  const maker = { ...NO_CALLER, userId, via: "session", tenantId: place.tenant, projectId: place.project } as const
  const made = await world.app.pats.create(maker, { displayName: "made", scopes: ["mcp:read"] })
  return { id: made.pat.id }
}
const tenant = async (_: World, place: Place) => ({ slug: place.tenant })
const member = async (world: World, place: Place) => ({
  slug: place.tenant,
  user_id: place.tenant === "acme" ? world.people.viewer.userId : world.people.otherTenant.userId,
})

async function project(world: World, place: Place) {
  const admin = place.tenant === "acme" ? world.people.tenantAdmin : world.people.otherTenant
  const slug = `p-${crypto.randomUUID().slice(0, 8)}`
  return { id: (await world.call(of(admin, place), "POST", "/v1/projects", { name: "Made", slug })).body.id as string }
}

const firstProject = async (_: World, place: Place) => ({ id: place.project })
const managesNothing = (who: Person, { people }: World) => (who === people.viewer || who === people.contributor ? 403 : undefined)
const managesFirst = (who: Person, world: World) => (who === world.people.otherProject ? 404 : managesNothing(who, world))

const page = (route: string): RouteCase => ({ route, asked: "public", scopes: "any", status: 200 })
const mail = (route: string, body: object): RouteCase => ({
  route,
  asked: "public",
  scopes: "any",
  body: () => body,
  status: 503,
})
const link = { token: "x".repeat(43) }

/** Every route of the app: what the contract asks, and a call that succeeds for whoever may. */
export const ROUTES: readonly RouteCase[] = [
  // Pages, health, documentation
  ...[
    "GET /docs",
    "GET /openapi.json",
    "GET /docs/scalar.js",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "GET /",
    "GET /login",
  ].map(page),
  ...["GET /setup", "GET /invite", "GET /reset-password"].map(route => ({ ...page(route), status: 410 })),

  // Identity (G-37)
  {
    ...page("POST /v1/auth/login"),
    body: (_, { people }) => ({ email: people.viewer.email, password: PASSWORD }),
  },
  { ...page("POST /v1/auth/logout"), status: 204, endsSession: true },
  { route: "POST /v1/auth/refresh", asked: "user", scopes: "none", status: 200 },
  { route: "GET /v1/auth/me", asked: "user", scopes: "any", status: 200 },
  { ...page("POST /v1/auth/setup"), body: () => ({ ...link, email: "a@example.test", password: PASSWORD }), status: 410 },
  {
    ...page("POST /v1/auth/register"),
    body: () => ({ invite_token: link.token, email: "a@example.test", password: PASSWORD }),
    status: 410,
  },
  {
    route: "POST /v1/auth/change-password",
    asked: "user",
    scopes: "none",
    body: () => ({ current_password: PASSWORD, new_password: PASSWORD }),
    status: 204,
  },
  { ...page("POST /v1/auth/reset-password"), body: () => ({ ...link, password: PASSWORD }), status: 410 },
  mail("POST /v1/auth/forgot-password", { email: "a@example.test" }),
  mail("POST /v1/auth/verify-email", link),
  mail("POST /v1/auth/resend-verification", { email: "a@example.test" }),
  { ...page("GET /v1/auth/oauth/google/url"), status: 503 },
  { ...page("GET /v1/auth/oauth/google/callback"), status: 503 },

  // Personal access tokens (§15)
  { route: "GET /v1/pats", asked: "project_contributor", scopes: PAT, status: 200 },
  {
    route: "POST /v1/pats",
    asked: "project_contributor",
    scopes: PAT,
    body: () => ({ display_name: "ci", scopes: ["workflow:read"] }),
    status: 201,
  },
  { route: "GET /v1/pats/:id/reveal", asked: "project_viewer", scopes: PAT, ids: pat, status: 200 },
  { route: "DELETE /v1/pats/:id", asked: "project_contributor", scopes: PAT, ids: pat, status: 204 },

  // Projects and members (G-37)
  { route: "GET /v1/projects", asked: "member", scopes: "any", status: 200 },
  {
    route: "POST /v1/projects",
    asked: "tenant_admin",
    scopes: "none",
    body: () => ({ name: "New", slug: `n-${crypto.randomUUID().slice(0, 8)}` }),
    status: 201,
  },
  {
    route: "GET /v1/projects/:id",
    asked: "member",
    scopes: "any",
    ids: firstProject,
    status: 200,
    ofTenant: true,
    judged: (who, { people }) => (who === people.otherProject ? 404 : undefined),
  },
  {
    route: "PATCH /v1/projects/:id",
    asked: "member",
    scopes: "none",
    ids: firstProject,
    body: () => ({ name: "Main" }),
    status: 200,
    ofTenant: true,
    judged: managesFirst,
  },
  { route: "DELETE /v1/projects/:id", asked: "tenant_admin", scopes: "none", ids: project, status: 204, ofTenant: true },
  {
    route: "GET /v1/tenants/:slug/members",
    asked: "member",
    scopes: "none",
    ids: tenant,
    status: 200,
    ofTenant: true,
    judged: managesNothing,
  },
  {
    route: "POST /v1/tenants/:slug/members",
    asked: "member",
    scopes: "none",
    ids: tenant,
    body: (_, { places }) => ({
      email: `${crypto.randomUUID()}@example.test`,
      role: "project_viewer",
      project_id: places.first.project,
    }),
    status: 201,
    ofTenant: true,
    judged: managesFirst,
  },
  {
    route: "PATCH /v1/tenants/:slug/members/:user_id",
    asked: "member",
    scopes: "none",
    ids: member,
    body: (_, { places }) => ({ projects: [{ project_id: places.first.project, role: "project_viewer" }] }),
    status: 200,
    ofTenant: true,
    judged: managesFirst,
  },
  {
    route: "DELETE /v1/tenants/:slug/members/:user_id",
    asked: "member",
    scopes: "none",
    ids: async (world, place) => ({ slug: place.tenant, user_id: (await leaver(world, place)).userId }),
    status: 204,
    ofTenant: true,
    judged: (who, { people }) => (who === people.tenantAdmin ? undefined : 403),
  },
  {
    route: "GET /v1/tenants/:slug/invites",
    asked: "member",
    scopes: "none",
    ids: tenant,
    status: 200,
    ofTenant: true,
    judged: managesNothing,
  },
  {
    route: "DELETE /v1/tenants/:slug/invites/:id",
    asked: "member",
    scopes: "none",
    ids: invitation,
    status: 204,
    ofTenant: true,
    judged: managesFirst,
  },
  { route: "POST /v1/tenants/invites/accept", asked: "user", scopes: "none", body: () => link, status: 410 },

  // Workflows (§3.1)
  { route: "GET /v1/workflows", asked: "project_viewer", scopes: READ, status: 200 },
  {
    route: "POST /v1/workflows",
    asked: "project_contributor",
    scopes: WRITE,
    body: () => ({ name: "n", description: "d", graph: LUA_GRAPH }),
    status: 201,
  },
  { route: "GET /v1/workflows/:id", asked: "project_viewer", scopes: READ, ids: workflow, status: 200 },
  {
    route: "PATCH /v1/workflows/:id",
    asked: "project_contributor",
    scopes: WRITE,
    ids: workflow,
    body: () => ({ name: "m" }),
    status: 200,
  },
  { route: "DELETE /v1/workflows/:id", asked: "project_contributor", scopes: WRITE, ids: workflow, status: 204 },
  {
    route: "POST /v1/workflows/:id/versions",
    asked: "project_contributor",
    scopes: WRITE,
    ids: workflow,
    body: () => ({ changelog: "c" }),
    status: 201,
  },
  { route: "GET /v1/workflows/:id/versions", asked: "project_viewer", scopes: READ, ids: workflow, status: 200 },
  {
    route: "POST /v1/workflows/:id/validate",
    asked: "project_contributor",
    scopes: WRITE,
    ids: workflow,
    body: () => ({}),
    status: 200,
  },

  // Runs (§4)
  {
    route: "POST /v1/workflows/:id/command",
    asked: "project_contributor",
    scopes: RUN,
    ids: workflow,
    body: () => ({ command: "start" }),
    status: 200,
  },
  ...["pause", "stop"].map(
    (command): RouteCase => ({
      route: "POST /v1/workflows/:id/command",
      asked: "project_contributor",
      scopes: RUN,
      ids: waitingRun,
      body: ids => ({ command, params: { run_id: ids.runID } }),
      status: 200,
    }),
  ),
  { route: "GET /v1/workflows/:id/runs", asked: "project_viewer", scopes: READ, ids: workflow, status: 200 },
  { route: "GET /v1/runs", asked: "viewer of projects", scopes: READ, status: 200 },
  ...["", "/summary", "/events", "/context"].map(
    (part): RouteCase => ({
      route: `GET /v1/workflows/:id/runs/:runID${part}`,
      asked: "project_viewer",
      scopes: READ,
      ids: waitingRun,
      status: 200,
    }),
  ),

  {
    route: "GET /v1/workflows/:id/runs/:runID/steps/:stepID/explain",
    asked: "project_viewer",
    scopes: READ,
    ids: async (world, place, owner) => ({ ...(await waitingRun(world, place, owner)), stepID: "ask" }),
    status: 200,
  },
  { route: "GET /v1/workflows/schema", asked: "project_viewer", scopes: READ, status: 200 },

  // Triggers (§5, G-42)
  { route: "GET /v1/workflows/:id/triggers", asked: "project_viewer", scopes: READ, ids: workflow, status: 200 },
  {
    route: "POST /v1/workflows/:id/triggers",
    asked: "project_contributor",
    scopes: WRITE,
    ids: workflow,
    body: () => SCHEDULE,
    status: 201,
  },
  {
    route: "POST /v1/workflows/:id/triggers/preview",
    asked: "project_viewer",
    scopes: READ,
    ids: workflow,
    body: () => SCHEDULE,
    status: 200,
  },
  ...["", "/preview", "/fires"].map(
    (part): RouteCase => ({
      route: `GET /v1/workflows/:id/triggers/:trigger_id${part}`,
      asked: "project_viewer",
      scopes: READ,
      ids: trigger,
      status: 200,
    }),
  ),
  {
    route: "PATCH /v1/workflows/:id/triggers/:trigger_id",
    asked: "project_contributor",
    scopes: WRITE,
    ids: trigger,
    body: () => ({ enabled: false, note: "holidays" }),
    status: 200,
  },
  {
    route: "DELETE /v1/workflows/:id/triggers/:trigger_id",
    asked: "project_contributor",
    scopes: WRITE,
    ids: trigger,
    status: 204,
  },
  {
    route: "POST /v1/workflows/:id/triggers/:trigger_id/run_now",
    asked: "project_contributor",
    scopes: RUN,
    ids: trigger,
    status: 200,
  },
  {
    ...{ route: "GET /v1/workflows/:id/runs/:runID/recording", asked: "project_viewer", scopes: READ },
    ...{ ids: waitingRun, status: 200 },
  },
  {
    ...{ route: "POST /v1/workflows/:id/replay", asked: "project_contributor", scopes: WRITE },
    ...{ ids: workflow, body: () => ({ last: 1 }), status: 200 },
  },
  {
    ...{ route: "DELETE /v1/workflows/:id/runs/:runID/recording", asked: "project_contributor", scopes: WRITE },
    ...{ ids: waitingRun, status: 204 },
  },
  { route: "GET /v1/artifacts", asked: "project_viewer", scopes: READ, status: 200 },
  { route: "GET /v1/artifacts/:id", asked: "project_viewer", scopes: READ, ids: artifact, status: 200 },
  { route: "GET /v1/artifacts/:id/content", asked: "project_viewer", scopes: READ, ids: artifact, status: 200 },
  { route: "DELETE /v1/artifacts/:id", asked: "project_contributor", scopes: WRITE, ids: artifact, status: 204 },
  { route: "GET /v1/alerts", asked: "project_viewer", scopes: READ, status: 200 },
  ...["policy", "attempts"].map(
    (part): RouteCase => ({ route: `GET /v1/egress/${part}`, asked: "tenant_admin", scopes: MCP_READ, status: 200 }),
  ),

  // Human tasks (§4.8)
  { route: "GET /v1/tasks/pending", asked: "viewer of projects", scopes: READ, status: 200 },
  {
    route: "GET /v1/workflows/:id/runs/:runID/tasks/pending",
    asked: "project_contributor",
    scopes: READ,
    ids: waitingRun,
    status: 200,
  },
  {
    route: "POST /v1/workflows/:id/runs/:runID/tasks/:task_id/complete",
    asked: "project_contributor",
    scopes: RUN,
    ids: waitingRun,
    body: () => ({ approved: true }),
    status: 200,
  },

  // Callbacks
  {
    route: "GET /v1/workflows/:id/runs/:runID/callbacks",
    asked: "project_viewer",
    scopes: READ,
    ids: refusedCallback,
    status: 200,
  },
  {
    route: "POST /v1/workflows/:id/runs/:runID/callbacks/retry",
    asked: "project_contributor",
    scopes: RUN,
    ids: refusedCallback,
    status: 200,
  },
  { route: "GET /v1/callback-secret", asked: "project_viewer", scopes: READ, status: 200 },
  { route: "POST /v1/callback-secret/rotate", asked: "project_admin", scopes: ["workflow:write"], status: 200 },

  // MCP (§8)
  { route: "GET /v1/mcp/platform-catalog", asked: "project_contributor", scopes: MCP_READ, status: 200 },
  { route: "GET /v1/mcp/tools", asked: "project_contributor", scopes: MCP_READ, status: 200 },
  { route: "GET /v1/mcp/servers", asked: "project_contributor", scopes: MCP_READ, status: 200 },
  {
    route: "POST /v1/mcp/servers",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    body: () => ({ name: "Tools", canonical_url: `https://${crypto.randomUUID()}.invalid/mcp` }),
    status: 201,
  },
  {
    route: "GET /v1/mcp/servers/:id",
    asked: "project_contributor",
    scopes: MCP_READ,
    ids: mcpServer,
    status: 200,
    ofTenant: true,
  },
  {
    route: "PATCH /v1/mcp/servers/:id",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: mcpServer,
    body: () => ({ description: "Ours" }),
    status: 200,
    ofTenant: true,
  },
  {
    route: "DELETE /v1/mcp/servers/:id",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: mcpServer,
    status: 204,
    ofTenant: true,
  },
  {
    // Nobody answers there.
    route: "POST /v1/mcp/servers/:id/discover",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: mcpServer,
    body: () => ({}),
    status: 422,
    ofTenant: true,
  },
  {
    route: "GET /v1/mcp/servers/:id/versions",
    asked: "project_contributor",
    scopes: MCP_READ,
    ids: mcpServer,
    status: 200,
    ofTenant: true,
  },
  {
    route: "POST /v1/mcp/servers/:id/versions",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: mcpServer,
    body: () => ({ tools: [{ name: "find", description: "Finds.", input_schema: { type: "object" } }], config_schema: {} }),
    status: 201,
    ofTenant: true,
  },
  {
    route: "POST /v1/mcp/servers/:id/validate",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: mcpServer,
    body: () => ({}),
    status: 200,
    ofTenant: true,
  },
  {
    route: "POST /v1/mcp/servers/:id/connections/:connection_id/validate",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: async (...made) => ({ ...(await mcpServer(...made)), connection_id: crypto.randomUUID() }),
    status: 404,
    ofTenant: true,
  },
  {
    route: "POST /mcp/:slug",
    asked: "project_contributor",
    scopes: ["mcp:execute"],
    shared: { slug: "sqlite" },
    body: () => ({ jsonrpc: "2.0", id: 1, method: "tools/list" }),
    status: 415, // MCP wants its content type; endpoint.test.ts sends it
  },
  ...(["GET", "DELETE"] as const).map(method => ({
    route: `${method} /mcp/:slug`,
    asked: "project_contributor" as const,
    scopes: ["mcp:execute"] as const,
    shared: { slug: "sqlite" },
    status: 405,
  })),
  { route: "POST /mcp/config", asked: "signed", scopes: "any", body: () => ({}), status: 401 },
  { route: "GET /v1/mcp/instances", asked: "project_contributor", scopes: MCP_READ, status: 200 },
  {
    route: "POST /v1/mcp/instances",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    body: () => ({ server_id: "sqlite" }),
    status: 201,
  },
  {
    route: "POST /v1/mcp/instances/resolve",
    asked: "project_contributor",
    scopes: MCP_READ,
    ids: workflow,
    body: ids => ({ workflow_id: ids.id }),
    status: 200,
  },
  { route: "GET /v1/mcp/instances/:id", asked: "project_contributor", scopes: MCP_READ, ids: instanceOnly, status: 200 },
  {
    route: "PATCH /v1/mcp/instances/:id",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: instanceOnly,
    body: () => ({ name: "i" }),
    status: 200,
  },
  { route: "DELETE /v1/mcp/instances/:id", asked: "project_contributor", scopes: MCP_WRITE, ids: instanceOnly, status: 204 },
  {
    route: "POST /v1/mcp/instances/:id/validate",
    asked: "project_contributor",
    scopes: MCP_READ,
    ids: instanceOnly,
    status: 200,
  },
  {
    route: "GET /v1/mcp/instances/:id/config-profiles",
    asked: "project_contributor",
    scopes: MCP_READ,
    ids: instanceOnly,
    status: 200,
  },
  {
    route: "POST /v1/mcp/instances/:id/config-profiles",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: instanceOnly,
    body: () => ({ name: "second", config: {} }),
    status: 201,
  },
  {
    route: "PATCH /v1/mcp/instances/:id/config-profiles/:profile_id",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: instance,
    body: () => ({ name: "renamed" }),
    status: 200,
  },
  {
    route: "POST /v1/mcp/instances/:id/config-profiles/:profile_id/set-active",
    asked: "project_contributor",
    scopes: MCP_WRITE,
    ids: instance,
    status: 200,
  },
  {
    route: "GET /v1/inbound-webhooks",
    asked: "project_contributor",
    scopes: WRITE,
    status: 200,
  },
  {
    route: "POST /v1/inbound-webhooks",
    asked: "project_contributor",
    scopes: WRITE,
    ids: workflow,
    body: ({ id }) => ({ workflow_id: id, automation_pat_id: "none" }),
    status: 422,
  },
  {
    route: "GET /v1/inbound-webhooks/:id",
    asked: "project_contributor",
    scopes: WRITE,
    ids: subscription,
    status: 200,
  },
  {
    route: "PATCH /v1/inbound-webhooks/:id",
    asked: "project_contributor",
    scopes: WRITE,
    ids: subscription,
    body: () => ({ enabled: false }),
    status: 200,
  },
  {
    route: "DELETE /v1/inbound-webhooks/:id",
    asked: "project_contributor",
    scopes: WRITE,
    ids: subscription,
    status: 204,
  },
  {
    route: "POST /v1/inbound-webhooks/:id",
    asked: "signed",
    scopes: "any",
    ids: subscription,
    body: () => ({}),
    status: 401,
  },
  {
    route: "POST /v1/inbound-webhooks/:id/rotate-secret",
    asked: "project_contributor",
    scopes: WRITE,
    ids: subscription,
    body: () => ({}),
    status: 200,
  },
  {
    route: "GET /v1/inbound-webhooks/:id/deliveries",
    asked: "project_contributor",
    scopes: WRITE,
    ids: subscription,
    status: 200,
  },
  {
    route: "GET /v1/inbound-webhooks/:id/deliveries/:delivery_id",
    asked: "project_contributor",
    scopes: WRITE,
    ids: delivery,
    status: 200,
  },
  {
    route: "POST /v1/inbound-webhooks/:id/deliveries/:delivery_id/redeliver",
    asked: "project_contributor",
    scopes: WRITE,
    ids: delivery,
    status: 200,
  },
  {
    route: "POST /v1/inbound-webhooks/:id/redeliver",
    asked: "project_contributor",
    scopes: WRITE,
    ids: subscription,
    status: 200,
  },
  ...AGENT_ROUTES,
  ...CONNECTION_ROUTES,
  ...LLM_ROUTES,
]

/** The permission that a route must state for what the contract asks. */
export function permissionOf({ asked, scopes }: RouteCase): Permission {
  switch (asked) {
    case "public":
    case "signed":
      return { access: asked }
    case "user":
      return { access: "user", scopes }
    case "member":
    case "tenant_admin":
      return { access: "tenant", role: asked, scopes }
    case "viewer of projects":
      return { access: "projects", role: "project_viewer", scopes }
    case "project_viewer":
    case "project_contributor":
    case "project_admin":
      return { access: "project", role: asked, scopes }
  }
}

/** Path with its ids filled in. */
export function pathOf(route: string, ids: Readonly<Record<string, string>>): string {
  return route.split(" ")[1]!.replaceAll(/:(\w+)/g, (_, name) => encodeURIComponent(ids[name]!))
}

/** A person's role in the first project; null: none. */
export function roleInFirst(who: Person, { people }: World): Role | null {
  if (who === people.viewer) return "project_viewer"
  if (who === people.contributor) return "project_contributor"
  if (who === people.projectAdmin) return "project_admin"
  return who === people.tenantAdmin ? "tenant_admin" : null
}

async function invitation({ app }: World, place: Place) {
  const grant = { tenantRole: "member", projectId: place.project, projectRole: "project_viewer" } as const
  const email = `${crypto.randomUUID()}@example.test`
  return { slug: place.tenant, id: (await app.auth.createInvite({ tenantId: place.tenant, email, ...grant })).id }
}

/** Somebody who can be removed: invited and registered for it. */
async function leaver(world: World, place: Place): Promise<{ userId: string }> {
  const { auth } = world.app
  const email = `${crypto.randomUUID()}@example.test`
  const grant = { tenantRole: "member", projectId: place.project, projectRole: "project_viewer" } as const
  const { token } = await auth.createInvite({ tenantId: place.tenant, email, ...grant })
  return auth.register({ email, password: PASSWORD }, token, { address: null, userAgent: null })
}
