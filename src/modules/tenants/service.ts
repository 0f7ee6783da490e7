import type { Page, PageOf } from "../../http/paging.ts"
import { type Caller, type ProjectRole, type Role, roleAtLeast } from "../../http/permission.ts"
import type { Clock } from "../../kernel/clock.ts"
import { normalEmail } from "../../kernel/email.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { checkSlug } from "../../kernel/slug.ts"
import { UniqueViolation, type Writer } from "../../storage/database.ts"
import type { TenantRole, ToolDrift } from "../../storage/schema/identity.ts"
import type { Access, TenantAccess } from "../auth/access.ts"
import type { Link } from "../auth/link-store.ts"
import type { AuthService, NewInvite } from "../auth/service.ts"
import type { PatService } from "../pats/service.ts"
import type { MemberRow, ProjectChange, ProjectRow, TenantStore } from "./store.ts"

const PROJECTS_PER_TENANT_MAX = 1_000

export interface TenantDeps {
  readonly store: TenantStore
  readonly access: Pick<Access, "changed" | "tenancies">
  readonly auth: Pick<AuthService, "createInvite" | "invites" | "removeInvite" | "dropUnfoundedInvites" | "dropInvitesTo">
  readonly pats: Pick<PatService, "revokeAllOf">
  readonly clock: Clock
  readonly ids: Ids
}

export type NewInvitation = NewInvite & { readonly email: string }

export type VisibleProject = ProjectRow & { readonly role: Role | null }

export interface ProjectWish {
  readonly name?: string | undefined
  readonly slug?: string | undefined
  readonly archived?: boolean | undefined
  readonly tool_drift?: ToolDrift | undefined
}

export interface MemberChange {
  readonly role?: TenantRole | undefined
  readonly projects?: readonly { readonly project_id: string; readonly role: ProjectRole | null }[] | undefined
}

export interface InviteWish {
  readonly email: string
  readonly role: Role
  readonly project_id?: string | undefined
}

/** Projects and members of a workspace. Who may do what inside it depends on more than one project, so it is judged here. */
export class TenantService {
  constructor(private readonly deps: TenantDeps) {}

  // Projects -------------------------------------------------------------------------------------------------------

  async projects(caller: Caller, archivedToo: "with_archived" | "active", page: Page): Promise<PageOf<VisibleProject>> {
    const mine = await this.#accessOf(caller)
    // Archived ones are for the admins: nobody else has a role in them.
    const reachable = mine.isAdmin ? null : [...mine.projects.keys()]
    const only = caller.via === "pat" ? caller.projectIds : reachable
    const { items, total } = await this.deps.store.projects(caller.tenantId, only, archivedToo, page)
    return { items: items.map(project => visible(project, mine)), total }
  }

  async project(caller: Caller, id: string): Promise<VisibleProject> {
    const mine = await this.#accessOf(caller)
    const project = await this.deps.store.project(caller.tenantId, id)
    if (!project || !(mine.isAdmin || mine.projects.has(id))) throw noProject()
    if (caller.via === "pat" && !caller.projectIds.includes(id)) throw noProject()
    return visible(project, mine)
  }

  async createProject(caller: Caller, wish: { name: string; slug?: string | undefined }): Promise<VisibleProject> {
    const { store, access, clock, ids } = this.deps
    const now = clock.now()
    const slug = wish.slug ?? slugOf(wish.name)
    checkSlug(slug)
    const { tenantId } = caller
    const project = {
      id: ids.uuid(),
      tenantId,
      slug,
      name: wish.name,
      createdAt: now,
      updatedAt: now,
      archivedAt: null,
      toolDrift: null,
    }
    await store
      .changeTenant(tenantId, now, async tx => {
        if ((await store.countProjects(tenantId, tx)) >= PROJECTS_PER_TENANT_MAX)
          throw new AppError("conflict", `a workspace has at most ${PROJECTS_PER_TENANT_MAX} projects`, { code: "PROJECT_LIMIT" })
        await store.addProject(project, tx)
      })
      .catch(slugTaken)
    access.changed()
    return { ...project, role: "tenant_admin" }
  }

  /** For runs: what becomes of a step whose tool has changed. */
  async toolDriftOf({ tenantId, projectId }: { readonly tenantId: string; readonly projectId: string }): Promise<ToolDrift> {
    return (await this.deps.store.project(tenantId, projectId))?.toolDrift ?? "run"
  }

  async changeProject(caller: Caller, id: string, { name, slug, archived, tool_drift }: ProjectWish): Promise<VisibleProject> {
    const { store, access, clock } = this.deps
    const mine = await this.#accessOf(caller)
    const { role } = await this.project(caller, id)
    if (!mine.isAdmin && (archived !== undefined || !role || !roleAtLeast(role, "project_admin")))
      throw roleTooSmall(archived === undefined ? "project_admin" : "tenant_admin")
    if (slug !== undefined) checkSlug(slug)
    const now = clock.now()
    const change: ProjectChange = {
      ...(name !== undefined && { name }),
      ...(slug !== undefined && { slug }),
      ...(archived !== undefined && { archivedAt: archived ? now : null }),
      ...(tool_drift !== undefined && { toolDrift: tool_drift }),
    }
    const changed = await store.changeProject(caller.tenantId, id, change, now).catch(slugTaken)
    if (!changed) throw noProject()
    access.changed()
    return visible(changed, mine)
  }

  // Members --------------------------------------------------------------------------------------------------------

  /** For who manages members of the workspace or of one of its projects; a project's admin sees roles in its projects only. */
  async members(caller: Caller, slug: string, page: Page): Promise<PageOf<MemberRow>> {
    const mine = await this.#managerOf(caller, slug)
    const { items, total } = await this.deps.store.members(caller.tenantId, page)
    return { items: items.map(member => shown(member, mine)), total }
  }

  /** A link that works once, returned to whoever invites: there may be no mail. */
  async invite(caller: Caller, slug: string, wish: InviteWish): Promise<NewInvitation> {
    const { store, auth } = this.deps
    const mine = await this.#managerOf(caller, slug)
    const { tenantId } = caller
    const email = normalEmail(wish.email)
    const by = { tenantId, email, invitedBy: caller.userId }
    if (await store.isMember(tenantId, email))
      throw new AppError("conflict", "this person is a member already; change the roles with PATCH", { code: "ALREADY_MEMBER" })
    if (wish.role === "tenant_admin") {
      if (!mine.isAdmin) throw roleTooSmall("tenant_admin")
      return { email, ...(await auth.createInvite({ ...by, tenantRole: "tenant_admin" })) }
    }
    if (!wish.project_id) throw new AppError("invalid", `the role ${wish.role} is for one project: name it in project_id`)
    await this.#checkManages(mine, tenantId, wish.project_id)
    const grant = { tenantRole: "member", projectId: wish.project_id, projectRole: wish.role } as const
    return { email, ...(await auth.createInvite({ ...by, ...grant })) }
  }

  /** Invitations that were not used yet; a project's admin sees those to its projects. */
  async invites(caller: Caller, slug: string, { limit, offset }: Page): Promise<PageOf<Link>> {
    const mine = await this.#managerOf(caller, slug)
    const all = (await this.deps.auth.invites(caller.tenantId)).filter(invite => manages(mine, invite))
    return { items: all.slice(offset, offset + limit), total: all.length }
  }

  async removeInvite(caller: Caller, slug: string, id: string): Promise<void> {
    const { auth } = this.deps
    const mine = await this.#managerOf(caller, slug)
    const invite = (await auth.invites(caller.tenantId)).find(known => known.id === id)
    if (!invite || !manages(mine, invite) || !(await auth.removeInvite(caller.tenantId, id))) throw noInvite()
  }

  /**
   * Roles in projects, and whether somebody is the workspace's admin. A role taken away ends the tokens made with it, and
   * the open invitations that rest on it.
   */
  async changeMember(caller: Caller, slug: string, userId: string, change: MemberChange): Promise<MemberRow> {
    const { store, access, auth, pats, clock } = this.deps
    const mine = await this.#managerOf(caller, slug)
    const { tenantId } = caller
    if (change.role !== undefined && !mine.isAdmin) throw roleTooSmall("tenant_admin")
    for (const { project_id } of change.projects ?? []) await this.#checkManages(mine, tenantId, project_id)
    const now = clock.now()
    await store.changeTenant(tenantId, now, async tx => {
      const current = await store.roleOf(tenantId, userId, tx)
      if (!current) throw noMember()
      if (change.role === "member" && current === "tenant_admin") await this.#checkNotLastAdmin(tenantId, userId, tx)
      if (change.role !== undefined) await store.setRole(tenantId, userId, change.role, tx)
      for (const { project_id, role } of change.projects ?? []) {
        if (role !== null) await store.setProjectRole(tenantId, project_id, userId, role, now, tx)
        else await store.removeFromProject(tenantId, project_id, userId, tx)
        // Who is (still) the workspace's admin keeps every project, and so the tokens made there.
        const out = role === null && (change.role ?? current) !== "tenant_admin"
        if (out) await pats.revokeAllOf(tenantId, userId, project_id, tx)
      }
      await auth.dropUnfoundedInvites(tenantId, userId, tx)
    })
    access.changed()
    const member = await store.member(tenantId, userId)
    if (!member) throw noMember()
    return shown(member, mine)
  }

  /** Out of the workspace, with all roles, tokens and open invitations in it. Oneself, too. */
  async removeMember(caller: Caller, slug: string, userId: string): Promise<void> {
    const { store, access, auth, pats, clock } = this.deps
    this.#checkOwnTenant(caller, slug)
    const mine = await this.#accessOf(caller)
    if (!mine.isAdmin && caller.userId !== userId) throw roleTooSmall("tenant_admin")
    const { tenantId } = caller
    await store.changeTenant(tenantId, clock.now(), async tx => {
      const current = await store.roleOf(tenantId, userId, tx)
      if (!current) throw noMember()
      if (current === "tenant_admin") await this.#checkNotLastAdmin(tenantId, userId, tx)
      await pats.revokeAllOf(tenantId, userId, null, tx)
      await store.removeMember(tenantId, userId, tx)
      await auth.dropUnfoundedInvites(tenantId, userId, tx)
      await auth.dropInvitesTo(tenantId, userId, tx)
    })
    access.changed()
  }

  // Rules ----------------------------------------------------------------------------------------------------------

  async #accessOf(caller: Caller): Promise<TenantAccess> {
    const mine = (await this.deps.access.tenancies(caller.userId))?.get(caller.tenantId)
    if (!mine) throw noTenant()
    return mine
  }

  async #managerOf(caller: Caller, slug: string): Promise<TenantAccess> {
    this.#checkOwnTenant(caller, slug)
    const mine = await this.#accessOf(caller)
    if (!mine.isAdmin && ![...mine.projects.values()].includes("project_admin")) throw roleTooSmall("project_admin")
    return mine
  }

  /** The path names the workspace that the caller was checked for. */
  #checkOwnTenant(caller: Caller, slug: string): void {
    if (slug !== caller.tenantId) throw noTenant()
  }

  async #checkManages(mine: TenantAccess, tenantId: string, projectId: string): Promise<void> {
    const role = mine.projects.get(projectId)
    if (!role || !(await this.deps.store.project(tenantId, projectId))) throw noProject()
    if (!roleAtLeast(role, "project_admin")) throw roleTooSmall("project_admin")
  }

  async #checkNotLastAdmin(tenantId: string, userId: string, tx: Writer): Promise<void> {
    if (await this.deps.store.hasOtherAdmin(tenantId, userId, tx)) return
    throw new AppError("conflict", "this is the last admin of the workspace; make somebody else tenant_admin first", {
      code: "LAST_ADMIN",
    })
  }
}

function visible(project: ProjectRow, mine: TenantAccess): VisibleProject {
  return { ...project, role: mine.projects.get(project.id) ?? (mine.isAdmin ? "tenant_admin" : null) }
}

function shown(member: MemberRow, mine: TenantAccess): MemberRow {
  return { ...member, projects: member.projects.filter(p => mine.isAdmin || mine.projects.get(p.projectId) === "project_admin") }
}

function manages(mine: TenantAccess, { data: { projectId } }: Link): boolean {
  return mine.isAdmin || (projectId !== undefined && mine.projects.get(projectId) === "project_admin")
}

function slugOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .slice(0, 60)
    .replaceAll(/^-+|-+$/g, "")
}

function slugTaken(error: unknown): never {
  if (error instanceof UniqueViolation)
    throw new AppError("conflict", "a project with this slug is there already", { code: "SLUG_TAKEN" })
  throw error
}

const noTenant = () => new AppError("not_found", "no such workspace")
const noProject = () => new AppError("not_found", "no such project in this workspace")
const noInvite = () => new AppError("not_found", "no such open invitation in this workspace")
const noMember = () => new AppError("not_found", "no such member in this workspace")

function roleTooSmall(needed: Role): AppError {
  return new AppError("forbidden", `this needs the role ${needed} or higher`, { code: "INSUFFICIENT_ROLE" })
}
