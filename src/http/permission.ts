import { AppError } from "../kernel/errors.ts"

/** PAT scopes (contract §2.3, G-1). */
export const SCOPES = [
  "workflow:read",
  "workflow:run",
  "workflow:write",
  "mcp:execute",
  "mcp:read",
  "mcp:write",
  "pat:manage",
  "billing:manage",
] as const
export type Scope = (typeof SCOPES)[number]

export type ProjectRole = "project_viewer" | "project_contributor" | "project_admin"
/** A caller's effective role in one project; a workspace's admin has every project. */
export type Role = ProjectRole | "tenant_admin"

const RANK: Readonly<Record<Role, number>> = { project_viewer: 0, project_contributor: 1, project_admin: 2, tenant_admin: 3 }

export function roleAtLeast(role: Role, needed: Role): boolean {
  return RANK[role] >= RANK[needed]
}

/**
 * Who may call a route. Every route states one; a test walks all routes.
 * - `public`: anybody.
 * - `signed`: whoever signs the bytes of the request; the handler reads and judges them.
 * - `user`: whoever is signed in by session (or a PAT with one of `scopes`, if named); no workspace is looked at.
 * - `tenant`: a member of the workspace named by the headers or the PAT, with at least `role` where it is `tenant_admin`.
 * - `projects`: like `tenant`, and the caller sees the projects where it has at least `role`, narrowed by `X-Project-Id`;
 *   a PAT without that header sees its own project only.
 * - `project`: the caller has at least `role` in the project named by the headers or the PAT.
 *
 * `scopes`: a PAT needs one of these; `"any"` leaves it to the role; `"none"`: no PAT at all, session only.
 */
export type Permission =
  | { readonly access: "public" }
  | { readonly access: "signed" }
  | { readonly access: "user"; readonly scopes: ScopeRule }
  | { readonly access: "tenant"; readonly role: "member" | "tenant_admin"; readonly scopes: ScopeRule }
  | { readonly access: "projects"; readonly role: ProjectRole; readonly scopes: ScopeRule }
  | {
      readonly access: "project"
      readonly role: ProjectRole
      readonly scopes: ScopeRule
      /** A PAT may also come as `?access_token=`. */
      readonly queryToken?: true
    }

export type ScopeRule = readonly Scope[] | "any" | "none"

/** Who is calling, after its right was checked. Fields that the route's `access` does not need are empty strings or lists. */
export interface Caller {
  readonly userId: string
  readonly via: "session" | "pat" | "nobody"
  /** Id of the PAT, or of nothing. */
  readonly patId: string | null
  /** Scopes of the PAT; null for a session, which has no limit but the role. */
  readonly scopes: readonly Scope[] | null
  readonly tenantId: string
  readonly projectId: string
  /** For `access: "projects"`: the projects that the caller may see. For `tenant`: the one that a PAT is held to, if any. */
  readonly projectIds: readonly string[]
  readonly role: Role | null
}

export const NOBODY: Caller = {
  userId: "",
  via: "nobody",
  patId: null,
  scopes: null,
  tenantId: "",
  projectId: "",
  projectIds: [],
  role: null,
}

/** Reading runs and workflows; changing or running them (a writer may be an older script: `workflow:run` is enough, G-1). */
export const READ_WORKFLOWS: readonly Scope[] = ["workflow:read", "workflow:run", "workflow:write"]
export const WRITE_WORKFLOWS: readonly Scope[] = ["workflow:write", "workflow:run"]
export const RUN_WORKFLOWS: readonly Scope[] = ["workflow:run"]
export const READ_MCP: readonly Scope[] = ["mcp:read", "mcp:write", "mcp:execute"]
export const WRITE_MCP: readonly Scope[] = ["mcp:write", "mcp:execute"]

/** What both may: of who asks for something, and of as whom it is done. Null: only the role limits it. */
export function commonScopes(a: Caller["scopes"], b: Caller["scopes"]): Caller["scopes"] {
  if (a === null || b === null) return a ?? b
  return a.filter(scope => b.includes(scope))
}

/** Nobody is looked up for such a route. */
export function asksNobody({ access }: Permission): boolean {
  return access === "public" || access === "signed"
}

export function insufficientScope(scope: string): AppError {
  return new AppError("forbidden", `insufficient scope: ${scope}`, { code: "INSUFFICIENT_SCOPE" })
}
