import type { Authorizer } from "../../http/gate.ts"
import {
  asksNobody,
  type Caller,
  insufficientScope,
  NOBODY,
  type Permission,
  type Role,
  roleAtLeast,
  type ScopeRule,
} from "../../http/permission.ts"
import { isPat } from "../../http/tokens.ts"
import { AppError, assert } from "../../kernel/errors.ts"
import type { Access, Answer, Identity, TenantAccess } from "./access.ts"
import { sessionToken } from "./cookie.ts"
import type { Origins } from "./origins.ts"

export interface AuthorizerDeps {
  readonly access: Pick<Access, "ofPat" | "ofSession">
  readonly origins: Origins
}

/** Spec §2.1 and §2.2: a bearer PAT or the session's cookie; where both come, the PAT speaks. */
export function createAuthorizer({ access, origins }: AuthorizerDeps): Authorizer {
  function identify(request: Request, permission: Permission): Answer {
    const bearer = bearerToken(request) ?? queryToken(request, permission)
    if (bearer !== null) return isPat(bearer) ? access.ofPat(bearer) : null
    const token = sessionToken(request)
    if (token === null) return null
    origins.checkCookieRequest(request)
    return access.ofSession(token)
  }

  function judge(identity: Identity | null, permission: Permission, headers: Headers): Caller {
    if (!identity) throw unauthenticated()
    return permit(identity, permission, headers)
  }

  return {
    authorize(request, permission) {
      if (asksNobody(permission)) return NOBODY
      const identity = identify(request, permission)
      if (!(identity instanceof Promise)) return judge(identity, permission, request.headers)
      return identity.then(known => judge(known, permission, request.headers))
    },
  }
}

/**
 * What an identity may do with this request. Throws `forbidden`, or `bad_request` when it does not say where.
 *
 * A PAT acts in its own project. Where X-Project-Id names another one of its workspace, the owner's role there decides,
 * together with the PAT's scopes. A PAT whose own project is archived, or out of its owner's reach, is good for nothing.
 */
export function permit(identity: Identity, permission: Permission, headers: Headers): Caller {
  assert(permission.access !== "public" && permission.access !== "signed", "such a route asks nobody")
  if (identity.via === "pat") {
    if (!identity.tenants.get(identity.tenantId)?.projects.has(identity.projectId)) throw noAccess()
    checkScopes(identity.scopes, permission.scopes)
  }
  if (permission.access === "user") return { ...base(identity), tenantId: identity.via === "pat" ? identity.tenantId : "" }

  const tenantId = headers.get("x-tenant-id") || ownTenant(identity)
  const tenant = tenantOf(identity, tenantId)
  const named = headers.get("x-project-id") || (identity.via === "pat" ? identity.projectId : null)
  const projectId = named === null ? null : projectNamed(tenant, named)
  const caller: Caller = { ...base(identity), tenantId, role: tenant.isAdmin ? "tenant_admin" : null }
  switch (permission.access) {
    case "tenant":
      if (permission.role === "tenant_admin" && !tenant.isAdmin) throw roleTooSmall("tenant_admin")
      return identity.via === "pat" ? { ...caller, projectIds: reachable(tenant, projectId) } : caller
    case "projects":
      return { ...caller, ...projectsOf(tenant, permission.role, projectId) }
    case "project":
      if (projectId === null) throw projectRequired()
      return { ...caller, projectId, role: roleIn(tenant, projectId, permission.role) }
  }
}

/** The same words for whatever is not right with a token: they must not tell which of them once were good. */
export function unauthenticated(): AppError {
  return new AppError("unauthenticated", "sign in, or send a valid personal access token: Authorization: Bearer pat_…")
}

function base(identity: Identity): Caller {
  if (identity.via === "session") return { ...NOBODY, userId: identity.userId, via: "session" }
  return { ...NOBODY, userId: identity.userId, via: "pat", patId: identity.patId, scopes: identity.scopes }
}

function ownTenant(identity: Identity): string {
  if (identity.via === "pat") return identity.tenantId
  throw new AppError("bad_request", "name the workspace: send the header X-Tenant-Id with its slug", { code: "TENANT_REQUIRED" })
}

function projectRequired(): AppError {
  return new AppError("bad_request", "name the project: send the header X-Project-Id with its id", { code: "PROJECT_REQUIRED" })
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/**
 * The id that the header means, which may also be the slug of a project within the caller's reach. What looks like an id
 * is one: else a project could take another one's id for its slug and receive its requests.
 */
function projectNamed(tenant: TenantAccess, text: string): string {
  if (tenant.projects.has(text) || UUID.test(text)) return text
  return tenant.slugs.get(text) ?? text
}

function reachable(tenant: TenantAccess, projectId: string | null): readonly string[] {
  return projectId !== null && tenant.projects.has(projectId) ? [projectId] : []
}

/** A PAT is good in its own workspace only, whatever else its owner belongs to. */
function tenantOf(identity: Identity, tenantId: string): TenantAccess {
  const tenant = identity.via === "pat" && identity.tenantId !== tenantId ? undefined : identity.tenants.get(tenantId)
  if (!tenant) throw noAccess()
  return tenant
}

function roleIn(tenant: TenantAccess, projectId: string, needed: Role): Role {
  const role = tenant.projects.get(projectId)
  if (!role) throw noAccess()
  if (!roleAtLeast(role, needed)) throw roleTooSmall(needed)
  return role
}

function projectsOf(
  tenant: TenantAccess,
  needed: Role,
  only: string | null,
): Pick<Caller, "projectId" | "projectIds"> & { role?: Role } {
  if (only) return { projectId: only, projectIds: [only], role: roleIn(tenant, only, needed) }
  const projectIds = [...tenant.projects].filter(([, role]) => roleAtLeast(role, needed)).map(([id]) => id)
  if (projectIds.length === 0 && !tenant.isAdmin) throw roleTooSmall(needed)
  return { projectId: "", projectIds }
}

function checkScopes(held: readonly string[], rule: ScopeRule): void {
  if (rule === "any") return
  if (rule === "none")
    throw new AppError("forbidden", "a personal access token cannot do this; sign in and use the session", {
      code: "SESSION_REQUIRED",
    })
  if (!rule.some(scope => held.includes(scope))) throw insufficientScope(rule[0] ?? "")
}

function roleTooSmall(needed: Role): AppError {
  return new AppError("forbidden", `this needs the role ${needed} or higher`, { code: "INSUFFICIENT_ROLE" })
}

/** One answer for what does not exist and what is somebody else's. */
function noAccess(): AppError {
  return new AppError("forbidden", "no access to this workspace or project; X-Project-Id takes the id from GET /v1/projects")
}

/** The token after `Bearer`; null when there is no such header. Other schemes belong to a proxy in front, not to us. */
function bearerToken(request: Request): string | null {
  const match = /^bearer(?:\s+(.*))?$/i.exec(request.headers.get("authorization")?.trim() ?? "")
  return match ? (match[1] ?? "").trim() : null
}

/** Only for routes that browsers open without headers; it never reaches a log, which has no queries. */
function queryToken(request: Request, permission: Permission): string | null {
  if (!("queryToken" in permission) || !permission.queryToken) return null
  return new URL(request.url).searchParams.get("access_token")
}
