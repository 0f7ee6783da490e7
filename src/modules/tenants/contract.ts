import { t } from "elysia"
import { integer } from "../../http/shapes.ts"

export const ProjectRoleName = t.Union([
  t.Literal("project_viewer"),
  t.Literal("project_contributor"),
  t.Literal("project_admin"),
])
const ToolDriftName = t.Union([t.Literal("run"), t.Literal("ask"), t.Literal("fail")], {
  description: "What becomes of a step whose tool has changed since the workflow's version was published.",
})
const TenantRoleName = t.Union([t.Literal("tenant_admin"), t.Literal("member")])
const id = t.String({ maxLength: 64 })
const slug = t.String({
  minLength: 1,
  maxLength: 63,
  description: "Lower-case letters, digits and dashes; unique in the workspace.",
})
const name = t.String({ minLength: 1, maxLength: 100 })
const paging = { total: integer(), limit: integer(), offset: integer() }

export const Project = t.Object({
  id: t.String(),
  slug: t.String(),
  name: t.String(),
  role: t.Nullable(t.Union([ProjectRoleName, t.Literal("tenant_admin")])),
  created_at: t.String(),
  updated_at: t.String(),
  archived_at: t.Nullable(t.String()),
  tool_drift: ToolDriftName,
})
export const ProjectList = t.Object({ projects: t.Array(Project), ...paging })
export const ProjectRequest = t.Object({ name, slug: t.Optional(slug) })
export const ProjectPatch = t.Object({
  name: t.Optional(name),
  slug: t.Optional(slug),
  tool_drift: t.Optional(ToolDriftName),
  archived: t.Optional(t.Boolean({ description: "false brings an archived project back; only for the workspace's admins." })),
})
export const ProjectParams = t.Object({ id })

export const Member = t.Object({
  user_id: t.String(),
  email: t.String(),
  name: t.String(),
  role: TenantRoleName,
  projects: t.Array(t.Object({ project_id: t.String(), role: ProjectRoleName })),
  created_at: t.String(),
})
export const MemberList = t.Object({ members: t.Array(Member), ...paging })
export const MemberPatch = t.Object({
  role: t.Optional(TenantRoleName),
  projects: t.Optional(
    t.Array(t.Object({ project_id: id, role: t.Nullable(ProjectRoleName) }), {
      maxItems: 100,
      description: "Only the named projects change; null takes the role there away.",
    }),
  ),
})
export const Invite = t.Object({
  email: t.String({ minLength: 3, maxLength: 320 }),
  role: t.Union([ProjectRoleName, t.Literal("tenant_admin")]),
  project_id: t.Optional(t.String({ maxLength: 64, description: "Needed for every role but tenant_admin." })),
})
export const Invited = t.Object({
  id: t.String({ description: "Takes the invitation back: DELETE …/invites/{id}." }),
  email: t.String(),
  role: t.String(),
  project_id: t.Nullable(t.String()),
  token: t.String({ description: "Shown once: pass it on, as there may be no mail." }),
  url: t.String({ description: "The page where the invited person sets a password." }),
  expires_at: t.String(),
})
export const OpenInvite = t.Object({
  id: t.String(),
  email: t.String(),
  role: t.Union([ProjectRoleName, TenantRoleName]),
  project_id: t.Nullable(t.String()),
  invited_by: t.Nullable(t.String({ description: "User id; null: the operator of the instance." })),
  created_at: t.String(),
  expires_at: t.String(),
})
export const InviteList = t.Object({ invites: t.Array(OpenInvite), ...paging })
export const InviteParams = t.Object({ slug: t.String({ maxLength: 64 }), id })
export const InviteToken = t.Object({ token: t.String({ minLength: 1, maxLength: 200 }) })
export const TenantParams = t.Object({ slug: t.String({ maxLength: 64 }) })
export const MemberParams = t.Object({ slug: t.String({ maxLength: 64 }), user_id: id })
