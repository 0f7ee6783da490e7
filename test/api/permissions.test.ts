import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { type Permission, roleAtLeast } from "../../src/http/permission.ts"
import { type Caller, NOBODY, openWorld, type Person, type Place, type World } from "../helpers/app.ts"
import { pathOf, permissionOf, ROUTES, type RouteCase, roleInFirst } from "./route-table.ts"

let world: World
beforeAll(async () => {
  world = await openWorld()
})
afterAll(() => world.close())

interface Route {
  readonly name: string
  readonly permission: Permission | undefined
  readonly hasResponse: boolean
  readonly hasBody: boolean
}

/** The plugin's own two pages hold no data and take no hooks. */
const DOCUMENTATION = new Set(["GET /docs", "GET /openapi.json"])
const FILES = new Set([...DOCUMENTATION, "GET /docs/scalar.js"])

function routes(): readonly Route[] {
  // The stream is no request and answer: stream.test.ts has its sweep.
  const asked = world.app.http.routes.filter(r => r.method !== "WS")
  return asked.map(({ method, path, hooks }) => {
    const stated = hooks as { detail?: { "x-permission"?: Permission }; response?: unknown; body?: unknown }
    const name = `${method} ${path.length > 1 ? path.replace(/\/$/, "") : path}`
    const permission = DOCUMENTATION.has(name) ? ({ access: "public" } as const) : stated.detail?.["x-permission"]
    return { name, permission, hasResponse: stated.response !== undefined, hasBody: stated.body !== undefined }
  })
}

/** The routes that clients of the hosted API rely on, as far as this version has them. */
const DOCUMENTED = `
GET /v1/workflows | POST /v1/workflows | GET /v1/workflows/: | PATCH /v1/workflows/: | DELETE /v1/workflows/:
POST /v1/workflows/:/versions | GET /v1/workflows/:/versions | POST /v1/workflows/:/validate | POST /v1/workflows/:/command
GET /v1/workflows/:/runs | GET /v1/runs | GET /v1/workflows/:/runs/:/events | GET /v1/workflows/:/runs/:/context
GET /v1/workflows/:/runs/:/summary | GET /v1/tasks/pending | GET /v1/workflows/:/runs/:/tasks/pending
POST /v1/workflows/:/runs/:/tasks/:/complete
GET /v1/workflows/:/triggers | POST /v1/workflows/:/triggers | PATCH /v1/workflows/:/triggers/: | DELETE /v1/workflows/:/triggers/:
GET /v1/pats | POST /v1/pats | GET /v1/pats/:/reveal | DELETE /v1/pats/:
GET /v1/mcp/platform-catalog | GET /v1/mcp/tools | GET /v1/mcp/instances | POST /v1/mcp/instances | POST /v1/mcp/instances/resolve
GET /v1/mcp/servers | POST /v1/mcp/servers | GET /v1/mcp/servers/: | POST /v1/mcp/servers/:/discover
POST /v1/mcp/servers/:/versions | POST /v1/mcp/servers/:/validate | POST /v1/mcp/servers/:/connections/:/validate
GET /v1/mcp/instances/:/config-profiles | POST /v1/mcp/instances/:/config-profiles
PATCH /v1/mcp/instances/:/config-profiles/: | POST /v1/mcp/instances/:/config-profiles/:/set-active
GET /v1/connections | POST /v1/connections | PATCH /v1/connections/: | DELETE /v1/connections/: | GET /v1/connections/:/credentials
GET /v1/connections/google/config | POST /v1/connections/google/oauth-url | POST /v1/connections/google/complete
GET /v1/connections/google/accounts/: | PATCH /v1/connections/google/accounts/:/services
GET /v1/connections/whatsapp/config | POST /v1/connections/whatsapp/complete | POST /v1/connections/whatsapp/manual
GET /v1/mcp/connections | POST /v1/mcp/connections | PATCH /v1/mcp/connections/: | DELETE /v1/mcp/connections/:
GET /v1/workflows/:/connection-overrides | PUT /v1/workflows/:/connection-overrides
POST /v1/auth/register | POST /v1/auth/login | POST /v1/auth/logout | POST /v1/auth/refresh | POST /v1/auth/verify-email
POST /v1/auth/resend-verification | POST /v1/auth/forgot-password | POST /v1/auth/reset-password | POST /v1/auth/change-password
GET /v1/auth/me | GET /v1/auth/oauth/google/url | GET /v1/auth/oauth/google/callback
GET /v1/projects | POST /v1/projects | GET /v1/projects/: | PATCH /v1/projects/: | DELETE /v1/projects/:
GET /v1/tenants/:/members | POST /v1/tenants/:/members | PATCH /v1/tenants/:/members/: | DELETE /v1/tenants/:/members/:
POST /v1/tenants/invites/accept
POST /v1/inbound-webhooks | GET /v1/inbound-webhooks | DELETE /v1/inbound-webhooks/: | POST /v1/inbound-webhooks/:`

describe("every route", () => {
  test("states who may call it and what it answers", () => {
    const silent = routes().filter(r => r.permission === undefined || !(r.hasResponse || FILES.has(r.name)))
    expect(silent.map(r => r.name)).toEqual([])
  })

  test("has a line in the table of this sweep, and no line is left over", () => {
    expect([...new Set(ROUTES.map(r => r.route))].sort()).toEqual(
      routes()
        .map(r => r.name)
        .sort(),
    )
  })

  test("asks for exactly the role and the scopes of the contract", () => {
    const stated = new Map(routes().map(r => [r.name, r.permission]))
    for (const line of ROUTES)
      expect({ route: line.route, ...stated.get(line.route) }).toEqual({ route: line.route, ...permissionOf(line) })
  })

  test("of the reference that this version has is there", () => {
    const there = new Set(routes().map(r => r.name.replaceAll(/:\w+/g, ":")))
    const wanted = DOCUMENTED.split(/[|\n]/)
      .map(r => r.trim())
      .filter(r => r !== "")
    expect(wanted.filter(r => !there.has(r))).toEqual([])
  })
})

/** Not open to strangers. */
function needsCaller({ asked }: RouteCase): boolean {
  return asked !== "public" && asked !== "signed"
}

type Credentials = "session" | "pat" | "small pat"

/** What a caller with the first project's headers must get. */
function expected(line: RouteCase, who: Person, by: Credentials): number {
  const permission = permissionOf(line)
  if (permission.access === "public" || permission.access === "signed") return line.status
  if (by !== "session" && permission.scopes === "none") return 403
  if (by === "small pat" && permission.scopes !== "any") return 403
  if (!roleSuffices(permission, who)) return 403
  return line.judged?.(who, world) ?? line.status
}

function roleSuffices(permission: Permission, who: Person): boolean {
  const role = roleInFirst(who, world)
  switch (permission.access) {
    case "public":
    case "signed":
    case "user":
      return true
    case "tenant":
      return permission.role === "member" ? who !== world.people.otherTenant : who === world.people.tenantAdmin
    case "project":
    case "projects":
      return role !== null && roleAtLeast(role, permission.role)
  }
}

async function caller(line: RouteCase, who: Person, by: Credentials): Promise<Caller> {
  const place = world.places.first
  if (by !== "session") return { pat: by === "pat" ? who.pat : who.smallPat, place }
  if (!line.endsSession) return { session: who.session, place }
  const session = await world.call(NOBODY, "POST", "/v1/auth/login", { email: who.email, password: "correct horse battery" })
  return { session: /agentruntime_session=([^;]*)/.exec(session.headers.get("set-cookie") ?? "")?.[1] ?? "", place }
}

/** Resources are made by the caller where it may, so that it is their owner. */
function ownerFor(who: Person): Person {
  const { people } = world
  return [people.contributor, people.projectAdmin, people.tenantAdmin].includes(who) ? who : people.contributor
}

async function send(line: RouteCase, as: Caller, ids: Record<string, string>) {
  const [method = ""] = line.route.split(" ")
  return world.call(as, method, pathOf(line.route, { ...line.shared, ...ids }), line.body?.(ids, world))
}

describe("a call", () => {
  for (const [n, line] of ROUTES.entries()) {
    test(`${line.route} (${n}) is answered as its caller's role and scopes demand`, async () => {
      const wrong: string[] = []
      for (const who of Object.values(world.people)) {
        for (const by of ["session", "pat", "small pat"] as const) {
          const owner = line.route.includes("/reveal") && who === world.people.viewer ? who : ownerFor(who)
          const ids = (await line.ids?.(world, world.places.first, owner)) ?? {}
          const answer = await send(line, await caller(line, who, by), ids)
          const wanted = expected(line, who, by)
          if (answer.status !== wanted)
            wrong.push(`${who.name} by ${by}: ${answer.status}, not ${wanted}: ${answer.text.slice(0, 200)}`)
        }
      }
      expect(wrong).toEqual([])
    })
  }

  test("without credentials, or with bad ones, gets 401 everywhere but on public routes", async () => {
    const strangers: readonly (readonly [string, Caller])[] = [
      ["nobody", NOBODY],
      ["nobody with headers", { place: world.places.first }],
      ["a revoked PAT", { pat: world.revokedPat, place: world.places.first }],
      ["a PAT that never was", { pat: `pat_${"x".repeat(43)}`, place: world.places.first }],
      ["a session that never was", { session: "x".repeat(43), place: world.places.first }],
      [
        "a revoked PAT beside a good session",
        { pat: world.revokedPat, session: world.people.tenantAdmin.session, place: world.places.first },
      ],
    ]
    const wrong: string[] = []
    for (const line of ROUTES.filter(r => needsCaller(r))) {
      const ids = (await line.ids?.(world, world.places.first, world.people.contributor)) ?? {}
      for (const [name, as] of strangers) {
        const { status, body, headers } = await send(line, as, ids)
        const right = status === 401 && body.code === "UNAUTHORIZED" && headers.get("www-authenticate") === "Bearer"
        if (!right) wrong.push(`${line.route} for ${name}: ${status}`)
      }
    }
    expect(wrong).toEqual([])
  })

  test("with a bad body gets 401 from a stranger, not 400", async () => {
    const withBody = new Set(
      routes()
        .filter(r => r.hasBody)
        .map(r => r.name),
    )
    const lines = ROUTES.filter(r => needsCaller(r) && withBody.has(r.route))
    expect(lines.length).toBeGreaterThan(10)
    const ids = { id: "x", slug: "acme", user_id: "x", runID: "x", task_id: "x", profile_id: "x" }
    for (const line of lines) {
      for (const body of ["{", '"text"', "[]", "", "[".repeat(100_000), "x".repeat(5_000_000)]) {
        const [method = ""] = line.route.split(" ")
        const answer = await world.call(
          { place: world.places.first },
          method,
          pathOf(line.route, { ...line.shared, ...ids }),
          body,
        )
        expect({ route: line.route, status: answer.status }).toEqual({ route: line.route, status: 401 })
      }
    }
  })

  test("a viewer with a bad body is told 403, so a role too small learns nothing about shapes", async () => {
    const { viewer } = world.people
    for (const line of ROUTES.filter(r => r.asked === "project_contributor" && r.body)) {
      const [method = ""] = line.route.split(" ")
      const ids = { id: "x", runID: "x", task_id: "x", profile_id: "x" }
      const answer = await world.call(world.as(viewer), method, pathOf(line.route, { ...line.shared, ...ids }), "{")
      expect({ route: line.route, status: answer.status }).toEqual({ route: line.route, status: 403 })
    }
  })
})

describe("ids of another project or workspace", () => {
  const unknownIds = (ids: Record<string, string>) =>
    Object.fromEntries(Object.keys(ids).map(name => [name, name === "slug" ? "nowhere" : Bun.randomUUIDv7()]))

  /** Callers with every right in their own place, none of which is the first project. */
  function foreigners(line: RouteCase): readonly { name: string; as: Caller; place: Place; owner: Person }[] {
    const { people, places } = world
    const outside = {
      name: "another workspace's admin",
      as: world.as(people.otherTenant, places.otherTenant),
      place: places.otherTenant,
      owner: people.otherTenant,
    }
    if (line.ofTenant) return [outside]
    const inside = { place: places.second, owner: people.otherProject }
    return [
      outside,
      {
        name: "another workspace's admin by PAT",
        as: world.byPat(people.otherTenant),
        place: places.otherTenant,
        owner: people.otherTenant,
      },
      { name: "another project's admin", as: world.as(people.otherProject, places.second), ...inside },
      { name: "another project's admin by PAT", as: world.byPat(people.otherProject), ...inside },
      { name: "the workspace's admin in another project", as: world.as(people.tenantAdmin, places.second), ...inside },
    ]
  }

  for (const [n, line] of ROUTES.entries()) {
    if (!line.ids || !needsCaller(line)) continue
    test(`${line.route} (${n}) answers 404 in the same words as for ids that nobody has`, async () => {
      const foreign = await line.ids!(world, world.places.first, world.people.contributor)
      const unknown = unknownIds(foreign)
      for (const { name, as, place, owner } of foreigners(line)) {
        const own = await line.ids!(world, place, owner)
        // All of them foreign; then the caller's own workflow with a foreign run, and so on.
        for (let kept = 0; kept < Object.keys(foreign).length; kept++) {
          const mix = (ids: Record<string, string>) =>
            Object.fromEntries(Object.keys(ids).map((key, i) => [key, i < kept ? own[key]! : ids[key]!]))
          if (kept > 0 && mix(foreign)[Object.keys(foreign)[kept]!] === own[Object.keys(foreign)[kept]!]) continue
          const theirs = await send(line, as, mix(foreign))
          const nobodys = await send(line, as, mix(unknown))
          expect({ name, kept, status: theirs.status, text: theirs.text }).toEqual({
            name,
            kept,
            status: 404,
            text: nobodys.text,
          })
          expect(nobodys.status).toBe(404)
        }
      }
    })
  }

  test("in headers are refused in the same words as those that nobody has, without falling back to the caller's own", async () => {
    const { contributor } = world.people
    const at = (tenant: string, project: string) => ({ tenant, project })
    const { first, second, otherTenant } = world.places
    const unknown = Bun.randomUUIDv7()
    for (const credentials of [{ session: contributor.session }, { pat: contributor.pat }]) {
      for (const path of ["/v1/workflows", "/v1/runs", "/v1/tasks/pending"]) {
        const get = (place: Place) => world.call({ ...credentials, place }, "GET", path)
        const refused = await get(at("acme", unknown))
        expect(refused.status).toBe(403)
        const places = [
          at("acme", second.project),
          at("globex", otherTenant.project),
          at("nowhere", unknown),
          at("globex", first.project),
          at("acme", otherTenant.project),
        ]
        for (const place of places) {
          const answer = await get(place)
          expect({ path, place, status: answer.status, text: answer.text }).toEqual({
            path,
            place,
            status: 403,
            text: refused.text,
          })
        }
      }
    }
  })

  test("a session that names no workspace or project is asked for one; a PAT brings its own", async () => {
    const { contributor } = world.people
    const none = await world.call({ session: contributor.session }, "GET", "/v1/workflows")
    expect([none.status, none.body.code]).toEqual([400, "TENANT_REQUIRED"])
    const half = await world.call({ session: contributor.session }, "GET", "/v1/workflows", undefined, { "x-tenant-id": "acme" })
    expect([half.status, half.body.code]).toEqual([400, "PROJECT_REQUIRED"])
    expect((await world.call({ pat: contributor.pat }, "GET", "/v1/workflows")).status).toBe(200)
  })

  test("in a body are told apart by nobody: a graph that names another project's instance resolves like one that names none", async () => {
    const { contributor, otherProject } = world.people
    const made = await world.call(world.as(contributor), "POST", "/v1/mcp/instances", { server_id: "sqlite" })
    const resolve = async (instance_id: string) => {
      const graph = { steps: [{ id: "a", type: "mcp_call", tool_name: "sqlite_query", instance_id }] }
      const answer = await world.call(world.as(otherProject, world.places.second), "POST", "/v1/mcp/instances/resolve", { graph })
      return { status: answer.status, text: answer.text.replaceAll(instance_id, "ID") }
    }
    expect(await resolve(made.body.id)).toEqual(await resolve(Bun.randomUUIDv7()))
  })
})

describe("scopes", () => {
  test("a PAT of each single scope opens exactly the routes that name it", async () => {
    const { projectAdmin, tenantAdmin } = world.people
    for (const scope of ["workflow:read", "workflow:run", "workflow:write", "mcp:read", "mcp:write", "mcp:execute"] as const) {
      const ofProject = await world.patOf(projectAdmin.userId, world.places.first, [scope])
      const ofTenant = await world.patOf(tenantAdmin.userId, world.places.first, [scope])
      for (const line of ROUTES.filter(r => Array.isArray(r.scopes) && needsCaller(r))) {
        const { token } = line.asked === "tenant_admin" ? ofTenant : ofProject
        const ids = (await line.ids?.(world, world.places.first, projectAdmin)) ?? {}
        const answer = await send(line, { pat: token }, ids)
        const wanted = line.scopes.includes(scope as never) ? line.status : 403
        expect({ scope, route: line.route, status: answer.status }).toEqual({ scope, route: line.route, status: wanted })
        if (wanted === 403)
          expect(answer.body).toEqual({ error: `insufficient scope: ${line.scopes[0]}`, code: "INSUFFICIENT_SCOPE" })
      }
    }
  })

  test("starting a graph that calls tools needs mcp:execute beside workflow:run", async () => {
    const { contributor } = world.people
    const graph = {
      steps: [{ id: "a", type: "mcp_call", tool_name: "sqlite_query", server_url: "https://router.agentruntime.io/sqlite/mcp" }],
    }
    const id = await world.workflow(graph)
    const start = async (...scopes: ("workflow:run" | "mcp:execute")[]) => {
      const { token } = await world.patOf(contributor.userId, world.places.first, scopes)
      return world.command(id, "start", {}, { pat: token })
    }
    const refused = await start("workflow:run")
    expect([refused.status, refused.body]).toEqual([
      403,
      { error: "insufficient scope: mcp:execute", code: "INSUFFICIENT_SCOPE" },
    ])
    expect((await start("workflow:run", "mcp:execute")).status).toBe(200)
  })

  test("a PAT that may only read MCP cannot make an instance by resolving one", async () => {
    const { token } = await world.patOf(world.people.contributor.userId, world.places.first, ["mcp:read"])
    const body = { server_urls: ["https://router.agentruntime.io/sqlite/mcp"] }
    expect((await world.call({ pat: token }, "POST", "/v1/mcp/instances/resolve", body)).status).toBe(200)
    expect(
      (await world.call({ pat: token }, "POST", "/v1/mcp/instances/resolve", { ...body, create_missing: true })).status,
    ).toBe(403)
  })

  test("a cookie request from another web site changes nothing", async () => {
    const { contributor } = world.people
    for (const headers of [{ "sec-fetch-site": "cross-site" }, { origin: "https://evil.example" }, { origin: "null" }]) {
      const answer = await world.call(
        world.as(contributor),
        "POST",
        "/v1/workflows",
        { name: "n", graph: { steps: [] } },
        headers as Record<string, string>,
      )
      expect([answer.status, answer.body.code]).toEqual([403, "CROSS_SITE_REQUEST"])
    }
  })
})
