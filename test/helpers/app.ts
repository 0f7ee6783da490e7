import { setDefaultTimeout } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import pino from "pino"
import { type AppDeps, createApp } from "../../src/app.ts"
import { readConfig } from "../../src/config.ts"
import { type ProjectRole, SCOPES, type Scope } from "../../src/http/permission.ts"
import type { JsonObject } from "../../src/kernel/json.ts"
import { SESSION_COOKIE } from "../../src/modules/auth/cookie.ts"
import { dataDirectory, prepareDataDirectory } from "../../src/storage/data-directory.ts"
import type { Database } from "../../src/storage/database.ts"
import { migrateSqlite } from "../../src/storage/migrate.ts"
import { openSqlite } from "../../src/storage/sqlite/open.ts"

// Passwords are hashed at full cost here, on a machine that may be busy.
setDefaultTimeout(60_000)

const root = join(import.meta.dir, "../..")
export const PASSWORD = "correct horse battery"
export const ASSETS = join(root, "assets")

/** A place of the API: what the headers X-Tenant-Id and X-Project-Id name. */
export interface Place {
  readonly tenant: string
  readonly project: string
}

export interface Person {
  readonly name: string
  readonly userId: string
  readonly email: string
  readonly session: string
  /** All scopes. */
  readonly pat: string
  /** Of a scope that only routes open to every PAT take. */
  readonly smallPat: string
  /** Where the person belongs, and where the PATs were made. */
  readonly place: Place
}

/** Credentials and place of one request. `null` place: no headers. */
export interface Caller {
  readonly session?: string
  readonly pat?: string
  readonly place?: Place | null
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any
}

export interface TestAppOptions {
  readonly flags?: Readonly<Record<string, unknown>>
  /** Wraps the database before the app is built on it. */
  readonly wrap?: (db: Database) => Database
}

/** The whole app in process, on a database and a data directory of its own; its clock moves one ms a look. */
export async function openApp(options: TestAppOptions = {}) {
  const folder = mkdtempSync(join(tmpdir(), "agentruntime-app-"))
  const config = readConfig({
    flags: { data: folder, "lua.children": 1, "shutdown.grace_s": 0, ...options.flags },
    environment: {},
  })
  const directory = dataDirectory(config.data)
  prepareDataDirectory(directory)
  await migrateSqlite(directory.database, join(root, "migrations", "sqlite"), Date.now())
  const onFatal = (error: Error) => {
    throw error
  }
  const opened = openSqlite(directory.database, { onFatal })
  const db = options.wrap ? options.wrap(opened) : opened
  const time = { now: Date.UTC(2026, 5, 10, 8) }
  const logged: string[] = []
  const deps: AppDeps = {
    config,
    directory,
    db,
    log: pino({ level: "error" }, { write: line => void logged.push(line) }),
    clock: { now: () => time.now++ },
    ids: {
      uuid: () => Bun.randomUUIDv7(),
      secret: bytes => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("base64url"),
    },
    version: "0.0.0-test",
    bootId: Bun.randomUUIDv7(),
    assetsFolder: ASSETS,
    onFatal,
  }
  const app = await createApp(deps)
  await app.start()

  async function handle(request: Request): Promise<Answer> {
    const response = await app.http.handle(request)
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  }

  /** `body`: sent as JSON; a string as it is. */
  function call(
    caller: Caller,
    method: string,
    path: string,
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<Answer> {
    const headers = new Headers(more)
    if (caller.session !== undefined) headers.set("cookie", `${SESSION_COOKIE}=${caller.session}`)
    if (caller.pat !== undefined) headers.set("authorization", `Bearer ${caller.pat}`)
    if (caller.place) {
      headers.set("x-tenant-id", caller.place.tenant)
      headers.set("x-project-id", caller.place.project)
    }
    const text = body === undefined ? null : typeof body === "string" ? body : JSON.stringify(body)
    return handle(new Request(`http://localhost${path}`, { method, headers, body: text }))
  }

  return {
    app,
    db,
    time,
    /** Lines of the log, errors and worse. */
    logged,
    deps,
    handle,
    call,
    async close() {
      await app.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export type TestApp = Awaited<ReturnType<typeof openApp>>

/** An app with people of every role, in two workspaces. */
export async function openWorld(options: TestAppOptions = {}) {
  const test = await openApp(options)
  const { auth, pats } = test.app
  const main = await auth.ensureWorkspace({ tenantId: "acme", name: "Acme", projectSlug: "main" })
  const foreign = await auth.ensureWorkspace({ tenantId: "globex", name: "Globex", projectSlug: "main" })
  const first: Place = { tenant: "acme", project: main.projectId }
  const otherTenantPlace: Place = { tenant: "globex", project: foreign.projectId }

  async function patOf(userId: string, place: Place, scopes: readonly Scope[]): Promise<{ id: string; token: string }> {
    const owner = { tenantId: place.tenant, projectId: place.project, userId }
    const made = await pats.ensure(owner, { displayName: crypto.randomUUID(), scopes })
    return { id: made.id, token: made.token ?? "" }
  }

  /** `role` is for the place's project, unless it is `tenant_admin`. */
  async function person(name: string, place: Place, role: ProjectRole | "tenant_admin"): Promise<Person> {
    const email = `${name.replaceAll(" ", "-")}@example.test`
    const grant = role === "tenant_admin" ? {} : { projectId: place.project, projectRole: role }
    const tenantRole = role === "tenant_admin" ? ("tenant_admin" as const) : ("member" as const)
    const invited = await auth.createInvite({ tenantId: place.tenant, email, tenantRole, ...grant })
    const visitor = { address: null, userAgent: null }
    const { userId, token } = await auth.register({ email, password: PASSWORD, name }, invited.token, visitor)
    const full = await patOf(userId, place, SCOPES)
    const small = await patOf(userId, place, ["billing:manage"])
    return { name, userId, email, session: token, pat: full.token, smallPat: small.token, place }
  }

  const tenantAdmin = await person("tenant admin", first, "tenant_admin")
  const asAdmin: Caller = { session: tenantAdmin.session, place: first }
  const side = await test.call(asAdmin, "POST", "/v1/projects", { name: "Side" })
  const second: Place = { tenant: "acme", project: side.body.id }
  const [viewer, contributor, projectAdmin, otherProject, otherTenant] = await Promise.all([
    person("viewer", first, "project_viewer"),
    person("contributor", first, "project_contributor"),
    person("project admin", first, "project_admin"),
    person("other project", second, "project_admin"),
    person("other tenant", otherTenantPlace, "tenant_admin"),
  ])
  const revoked = await patOf(contributor.userId, first, SCOPES)
  await test.call(asAdmin, "DELETE", `/v1/pats/${revoked.id}`)

  const as = (who: Person, place: Place | null = first): Caller => ({ session: who.session, place })
  const byPat = (who: Person, place: Place | null = null): Caller => ({ pat: who.pat, place })

  /** A workflow of the first project, published unless told otherwise. */
  async function workflow(graph: unknown = LUA_GRAPH, more: JsonObject & { publish?: boolean } = {}, caller = as(contributor)) {
    const { publish = true, ...fields } = more
    const made = await test.call(caller, "POST", "/v1/workflows", { name: "nightly", graph, ...fields })
    if (made.status !== 201) throw new Error(made.text)
    const id: string = made.body.id
    if (publish) {
      const published = await test.call(caller, "POST", `/v1/workflows/${id}/versions`, {})
      if (published.status !== 201) throw new Error(published.text)
    }
    return id
  }

  const command = (id: string, name: string, params: JsonObject = {}, caller = as(contributor)) =>
    test.call(caller, "POST", `/v1/workflows/${id}/command`, { command: name, params })

  async function start(id: string, params: JsonObject = {}, caller = as(contributor)): Promise<string> {
    const answer = await command(id, "start", params, caller)
    if (answer.status !== 200) throw new Error(answer.text)
    return answer.body.run_id
  }

  /** Waits until the run is as wanted. */
  async function until(id: string, runId: string, status: string, caller = as(contributor)) {
    const deadline = performance.now() + 30_000
    for (;;) {
      const { body } = await test.call(caller, "GET", `/v1/workflows/${id}/runs/${runId}`)
      if (body.status === status) return body
      if (performance.now() > deadline) throw new Error(`the run is ${body.status}, not ${status}`)
      await Bun.sleep(5)
    }
  }

  return {
    ...test,
    places: { first, second, otherTenant: otherTenantPlace },
    people: { viewer, contributor, projectAdmin, tenantAdmin, otherProject, otherTenant },
    revokedPat: revoked.token,
    patOf,
    as,
    byPat,
    workflow,
    command,
    start,
    until,
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>

export const NOBODY: Caller = {}
export const LUA_GRAPH = { steps: [{ id: "a", type: "lua_script", name: "A", script: "return { seen = input.n or 'nothing' }" }] }
export const TASK_GRAPH = {
  steps: [
    {
      id: "ask",
      type: "human_task",
      name: "Ask",
      task_type: "approval",
      task_payload: { title: 'Send {{input.what | "it"}}?' },
    },
  ],
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
