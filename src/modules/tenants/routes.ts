import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import type { Permission } from "../../http/permission.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import type { Link } from "../auth/link-store.ts"
import type { Origins } from "../auth/origins.ts"
import type { AuthService } from "../auth/service.ts"
import {
  Invite,
  Invited,
  InviteList,
  InviteParams,
  InviteToken,
  Member,
  MemberList,
  MemberParams,
  MemberPatch,
  Project,
  ProjectList,
  ProjectParams,
  ProjectPatch,
  ProjectRequest,
  TenantParams,
} from "./contract.ts"
import type { TenantService, VisibleProject } from "./service.ts"
import type { MemberRow } from "./store.ts"

export interface ProjectRouteDeps {
  readonly gate: Gate
  readonly tenants: TenantService
}

export interface MemberRouteDeps extends ProjectRouteDeps {
  readonly auth: Pick<AuthService, "acceptInvite">
  readonly origins: Pick<Origins, "baseUrl">
}

// No scope is for administration: a leaked token must not be able to let somebody in.
const READ: Permission = { access: "tenant", role: "member", scopes: "any" }
const CHANGE: Permission = { access: "tenant", role: "member", scopes: "none" }
const OWN: Permission = { access: "tenant", role: "tenant_admin", scopes: "none" }

export const projectRoutes = ({ gate, tenants }: ProjectRouteDeps) =>
  new Elysia({ prefix: "/v1/projects" })
    .use(gate)
    .get(
      "",
      async ({ caller, query }) => {
        const page = pageOf(query)
        const { items, total } = await tenants.projects(caller, query.archived ? "with_archived" : "active", page)
        return { projects: items.map(projectOnWire), total, ...page }
      },
      {
        permit: READ,
        query: t.Object({ ...pageQuery, archived: t.Optional(t.Boolean({ description: "Archived ones, too." })) }),
        response: ProjectList,
        detail: {
          summary: "Projects of the workspace in which I have a role",
          description: "A token sees its own project; with X-Project-Id that one, if its owner has a role there.",
          tags: ["Projects"],
        },
      },
    )
    .post("", async ({ caller, body, status }) => status(201, projectOnWire(await tenants.createProject(caller, body))), {
      permit: OWN,
      body: ProjectRequest,
      response: { 201: Project },
      detail: { summary: "Make a project", tags: ["Projects"] },
    })
    .get("/:id", async ({ caller, params }) => projectOnWire(await tenants.project(caller, params.id)), {
      permit: READ,
      params: ProjectParams,
      response: Project,
      detail: { summary: "One project", tags: ["Projects"] },
    })
    .patch("/:id", async ({ caller, params, body }) => projectOnWire(await tenants.changeProject(caller, params.id, body)), {
      permit: CHANGE,
      params: ProjectParams,
      body: ProjectPatch,
      response: Project,
      detail: { summary: "Rename a project, or bring an archived one back", tags: ["Projects"] },
    })
    .delete(
      "/:id",
      async ({ caller, params, set }) => {
        await tenants.changeProject(caller, params.id, { archived: true })
        set.status = 204
      },
      {
        permit: OWN,
        params: ProjectParams,
        response: { 204: t.Void() },
        detail: { summary: "Archive a project", tags: ["Projects"] },
      },
    )

export const memberRoutes = ({ gate, tenants, auth, origins }: MemberRouteDeps) =>
  new Elysia({ prefix: "/v1/tenants" })
    .use(gate)
    .get(
      "/:slug/members",
      async ({ caller, params, query }) => {
        const page = pageOf(query)
        const { items, total } = await tenants.members(caller, params.slug, page)
        return { members: items.map(memberOnWire), total, ...page }
      },
      {
        permit: CHANGE,
        params: TenantParams,
        query: t.Object(pageQuery),
        response: MemberList,
        detail: { summary: "Members of the workspace and their roles", tags: ["Members"] },
      },
    )
    .post(
      "/:slug/members",
      async ({ caller, params, body, request, status }) => {
        const { id, email, token, expiresAt } = await tenants.invite(caller, params.slug, body)
        return status(201, {
          id,
          email,
          role: body.role,
          project_id: body.project_id ?? null,
          token,
          url: `${origins.baseUrl(request)}/invite?token=${token}`,
          expires_at: rfc3339(expiresAt),
        })
      },
      {
        permit: CHANGE,
        params: TenantParams,
        body: Invite,
        response: { 201: Invited },
        detail: {
          summary: "Invite somebody: returns a link that works once, for seven days",
          description: "It stops working when whoever made it could not invite so any more.",
          tags: ["Members"],
        },
      },
    )
    .patch(
      "/:slug/members/:user_id",
      async ({ caller, params, body }) => memberOnWire(await tenants.changeMember(caller, params.slug, params.user_id, body)),
      {
        permit: CHANGE,
        params: MemberParams,
        body: MemberPatch,
        response: Member,
        detail: { summary: "Change a member's roles", tags: ["Members"] },
      },
    )
    .delete(
      "/:slug/members/:user_id",
      async ({ caller, params, set }) => {
        await tenants.removeMember(caller, params.slug, params.user_id)
        set.status = 204
      },
      {
        permit: CHANGE,
        params: MemberParams,
        response: { 204: t.Void() },
        detail: { summary: "Remove a member, or leave; ends the member's tokens in the workspace", tags: ["Members"] },
      },
    )
    .use(inviteRoutes({ gate, tenants, auth, origins }))

const inviteRoutes = ({ gate, tenants, auth }: MemberRouteDeps) =>
  new Elysia()
    .use(gate)
    .get(
      "/:slug/invites",
      async ({ caller, params, query }) => {
        const page = pageOf(query)
        const { items, total } = await tenants.invites(caller, params.slug, page)
        return { invites: items.map(inviteOnWire), total, ...page }
      },
      {
        permit: CHANGE,
        params: TenantParams,
        query: t.Object(pageQuery),
        response: InviteList,
        detail: { summary: "Invitations that nobody has used yet, without their links", tags: ["Members"] },
      },
    )
    .delete(
      "/:slug/invites/:id",
      async ({ caller, params, set }) => {
        await tenants.removeInvite(caller, params.slug, params.id)
        set.status = 204
      },
      {
        permit: CHANGE,
        params: InviteParams,
        response: { 204: t.Void() },
        detail: { summary: "Take an invitation back: its link stops working", tags: ["Members"] },
      },
    )
    .post(
      "/invites/accept",
      async ({ caller, body, set }) => {
        await auth.acceptInvite(caller.userId, body.token)
        set.status = 204
      },
      {
        permit: { access: "user", scopes: "none" },
        body: InviteToken,
        response: { 204: t.Void() },
        detail: { summary: "Accept an invitation with the account I am signed in with", tags: ["Members"] },
      },
    )

function projectOnWire(project: VisibleProject) {
  return {
    id: project.id,
    slug: project.slug,
    name: project.name,
    role: project.role,
    created_at: rfc3339(project.createdAt),
    updated_at: rfc3339(project.updatedAt),
    archived_at: rfc3339OrNull(project.archivedAt),
    tool_drift: project.toolDrift ?? ("run" as const),
  }
}

function inviteOnWire(invite: Link) {
  const { email = "", tenantRole = "member", projectId = null, projectRole } = invite.data
  return {
    id: invite.id,
    email,
    role: projectRole ?? tenantRole,
    project_id: projectId,
    invited_by: invite.invitedBy,
    created_at: rfc3339(invite.createdAt),
    expires_at: rfc3339(invite.expiresAt),
  }
}

function memberOnWire(member: MemberRow) {
  return {
    user_id: member.userId,
    email: member.email,
    name: member.name,
    role: member.role,
    projects: member.projects.map(({ projectId, role }) => ({ project_id: projectId, role })),
    created_at: rfc3339(member.createdAt),
  }
}
