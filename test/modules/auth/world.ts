import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs"
import { mkdtemp } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Elysia } from "elysia"
import { openVault } from "../../../src/adapters/vault/open.ts"
import { toWire } from "../../../src/http/errors.ts"
import { createGate } from "../../../src/http/gate.ts"
import type { ProjectRole, Scope } from "../../../src/http/permission.ts"
import type { Clock } from "../../../src/kernel/clock.ts"
import type { Ids } from "../../../src/kernel/ids.ts"
import { Access } from "../../../src/modules/auth/access.ts"
import type { AddressLog } from "../../../src/modules/auth/address.ts"
import { createAuthorizer } from "../../../src/modules/auth/authorizer.ts"
import { SESSION_COOKIE } from "../../../src/modules/auth/cookie.ts"
import { Origins } from "../../../src/modules/auth/origins.ts"
import { pageRoutes } from "../../../src/modules/auth/page-routes.ts"
import { createPasswords, type HashingCost } from "../../../src/modules/auth/password.ts"
import { authRoutes } from "../../../src/modules/auth/routes.ts"
import { AuthService } from "../../../src/modules/auth/service.ts"
import { AuthStore } from "../../../src/modules/auth/store.ts"
import { patRoutes } from "../../../src/modules/pats/routes.ts"
import { PatService } from "../../../src/modules/pats/service.ts"
import { PatStore } from "../../../src/modules/pats/store.ts"
import { memberRoutes, projectRoutes } from "../../../src/modules/tenants/routes.ts"
import { TenantService } from "../../../src/modules/tenants/service.ts"
import { TenantStore } from "../../../src/modules/tenants/store.ts"
import type { Database } from "../../../src/storage/database.ts"
import { VaultStore } from "../../../src/storage/vault-store.ts"

export const ORIGIN = "http://localhost:8420"
export const PASSWORD = "correct horse battery"
/** Cheap on purpose: what is tested is not the hash. */
const CHEAP: HashingCost = { memoryKib: 64, passes: 1 }

export interface WorldOptions {
  readonly publicUrl?: string
  readonly openRegistration?: boolean
  readonly cost?: HashingCost
  /** The setting `host`. */
  readonly host?: string
  readonly log?: AddressLog
}

/** Everything of identity over one database, with a clock that stands until it is moved. */
export async function createWorld(database: Database, options: WorldOptions = {}) {
  const writes = { count: 0 }
  const db = counted(database, writes)
  const folder = await mkdtemp(join(tmpdir(), "agentruntime-key-"))
  const time = { now: Date.UTC(2026, 0, 15, 12) }
  const clock: Clock = { now: () => time.now }
  const ids: Ids = {
    uuid: () => Bun.randomUUIDv7(),
    secret: bytes => Buffer.from(crypto.getRandomValues(new Uint8Array(bytes))).toString("base64url"),
  }
  const vault = await openVault({ keyFile: join(folder, "master.key"), rows: new VaultStore(db), clock })
  const store = new AuthStore(db)
  const access = new Access(store, clock)
  const origins = new Origins({
    publicUrl: options.publicUrl ?? null,
    trustProxy: false,
    ...(options.host !== undefined && { host: options.host }),
  })
  const passwords = createPasswords(options.cost ?? CHEAP)
  const auth = new AuthService({ store, access, passwords, clock, ids, openRegistration: options.openRegistration ?? false })
  const pats = new PatService({ store: new PatStore(db), vault, access, clock, ids })
  const tenants = new TenantService({ store: new TenantStore(db), access, auth, pats, clock, ids })
  const authorizer = createAuthorizer({ access, origins })
  const gate = createGate(authorizer)
  const app = new Elysia()
    .onError(({ error, code, set }) => {
      const wire = toWire(error, code, "test")
      if (wire.unexpected) console.error(error)
      set.status = wire.status
      Object.assign(set.headers, wire.headers)
      return wire.body
    })
    .use(authRoutes({ gate, auth, origins, trustProxy: false, ...(options.log && { log: options.log }) }))
    .use(pageRoutes({ gate, auth, origins, version: "0.0.0" }))
    .use(patRoutes({ gate, pats }))
    .use(projectRoutes({ gate, tenants }))
    .use(memberRoutes({ gate, tenants, auth, origins }))

  async function send(method: string, path: string, how: Sending = {}): Promise<Answer> {
    const headers = new Headers(how.headers)
    if (how.as) headers.set("cookie", `${SESSION_COOKIE}=${how.as}`)
    if (how.pat) headers.set("authorization", `Bearer ${how.pat}`)
    if (how.tenant !== undefined) headers.set("x-tenant-id", how.tenant)
    if (how.project !== undefined) headers.set("x-project-id", how.project)
    const body = how.body === undefined ? null : JSON.stringify(how.body)
    const response = await app.handle(new Request(`${ORIGIN}${path}`, { method, headers, body }))
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  }

  /** A member with a session; `role` in `project`, or admin of the workspace. */
  async function person(email: string, tenantId: string, role: ProjectRole | "tenant_admin" | "member", projectId = "") {
    const invited = await auth.createInvite({
      tenantId,
      email,
      tenantRole: role === "tenant_admin" ? "tenant_admin" : "member",
      ...(role !== "tenant_admin" && role !== "member" && { projectId, projectRole: role }),
    })
    const session = await auth.register({ email, password: PASSWORD }, invited.token, { address: null, userAgent: null })
    return { userId: session.userId, session: session.token, email }
  }

  async function pat(
    userId: string,
    tenantId: string,
    projectId: string,
    scopes: readonly Scope[],
  ): Promise<{ id: string; token: string }> {
    const made = await pats.ensure({ tenantId, projectId, userId }, { displayName: ids.uuid(), scopes })
    return { id: made.id, token: made.token ?? "" }
  }

  return {
    db,
    /** Write transactions so far. */
    writes,
    time,
    clock,
    ids,
    vault,
    store,
    access,
    origins,
    auth,
    pats,
    tenants,
    authorizer,
    gate,
    app,
    send,
    person,
    pat,
    close: () => rmSync(folder, { recursive: true, force: true }),
  }
}

export type World = Awaited<ReturnType<typeof createWorld>>

export interface Sending {
  /** Token of a session. */
  readonly as?: string
  readonly pat?: string
  readonly tenant?: string
  readonly project?: string
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any
}

export function cookieOf(answer: Answer): string {
  return /agentruntime_session=([^;]*)/.exec(answer.headers.get("set-cookie") ?? "")?.[1] ?? ""
}

/** Every byte at rest of a SQLite database: the file, its log, and what else lies beside it. */
export function bytesAtRest(databaseFile: string): Buffer {
  const folder = dirname(databaseFile)
  if (!existsSync(databaseFile)) throw new Error("no such database")
  return Buffer.concat(readdirSync(folder).map(name => readFileSync(join(folder, name))))
}

function counted(db: Database, writes: { count: number }): Database {
  return new Proxy(db, {
    get(target, key) {
      if (key === "write") writes.count++
      const value = Reflect.get(target, key, target)
      return typeof value === "function" ? value.bind(target) : value
    },
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
