import type { ColumnKit } from "../columns.ts"

export type TenantRole = "tenant_admin" | "member"
export type ProjectRole = "project_viewer" | "project_contributor" | "project_admin"
export type LinkPurpose = "setup" | "invite" | "password_reset"

export type ToolDrift = "run" | "ask" | "fail"

export const defineIdentity = (k: ColumnKit) => {
  const users = k.table("users", {
    id: k.text("id").primaryKey(),
    /** Lower case; the sign-in name. */
    email: k.text("email").notNull().unique(),
    name: k.text("name").notNull(),
    /** PHC string of argon2id; null until the person has set a password. */
    passwordHash: k.text("password_hash"),
    createdAt: k.ms("created_at").notNull(),
    updatedAt: k.ms("updated_at").notNull(),
    disabledAt: k.ms("disabled_at"),
  })

  const sessions = k.table(
    "sessions",
    {
      /** SHA-256 of the cookie's token, hex: the token itself is nowhere at rest. */
      tokenHash: k.text("token_hash").primaryKey(),
      userId: k
        .text("user_id")
        .notNull()
        .references(() => users.id),
      createdAt: k.ms("created_at").notNull(),
      lastSeenAt: k.ms("last_seen_at").notNull(),
      expiresAt: k.ms("expires_at").notNull(),
      userAgent: k.text("user_agent"),
    },
    t => [k.index("sessions_user").on(t.userId), k.index("sessions_expiry").on(t.expiresAt)],
  )

  /** A workspace. Its id is the slug that the API calls `tenant_id`. */
  const tenants = k.table("tenants", {
    id: k.text("id").primaryKey(),
    name: k.text("name").notNull(),
    createdAt: k.ms("created_at").notNull(),
    updatedAt: k.ms("updated_at").notNull(),
  })

  const projects = k.table(
    "projects",
    {
      id: k.text("id").primaryKey(),
      tenantId: k
        .text("tenant_id")
        .notNull()
        .references(() => tenants.id),
      slug: k.text("slug").notNull(),
      name: k.text("name").notNull(),
      /** What becomes of a step whose tool is not as it was when its version was published: `run`, `ask`, `fail`; null: `run`. */
      toolDrift: k.text("tool_drift").$type<ToolDrift>(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
      archivedAt: k.ms("archived_at"),
    },
    t => [k.unique("projects_slug").on(t.tenantId, t.slug)],
  )

  const tenantMembers = k.table(
    "tenant_members",
    {
      tenantId: k
        .text("tenant_id")
        .notNull()
        .references(() => tenants.id),
      userId: k
        .text("user_id")
        .notNull()
        .references(() => users.id),
      role: k.text("role").$type<TenantRole>().notNull(),
      createdAt: k.ms("created_at").notNull(),
    },
    t => [k.pk({ columns: [t.tenantId, t.userId] }), k.index("tenant_members_user").on(t.userId)],
  )

  const projectMembers = k.table(
    "project_members",
    {
      tenantId: k.text("tenant_id").notNull(),
      projectId: k
        .text("project_id")
        .notNull()
        .references(() => projects.id),
      userId: k
        .text("user_id")
        .notNull()
        .references(() => users.id),
      role: k.text("role").$type<ProjectRole>().notNull(),
      createdAt: k.ms("created_at").notNull(),
    },
    t => [k.pk({ columns: [t.projectId, t.userId] }), k.index("project_members_user").on(t.userId)],
  )

  const pats = k.table(
    "pats",
    {
      id: k.text("id").primaryKey(),
      tenantId: k
        .text("tenant_id")
        .notNull()
        .references(() => tenants.id),
      projectId: k
        .text("project_id")
        .notNull()
        .references(() => projects.id),
      /** The token that made this one, and with which it ends; null when a person or the operator did. */
      createdByPatId: k.text("created_by_pat_id"),
      /** The owner, as whom the token acts. */
      userId: k
        .text("user_id")
        .notNull()
        .references(() => users.id),
      displayName: k.text("display_name").notNull(),
      /** SHA-256 of the token, hex. The token's copy for reveal is in the vault under `pat:<id>`. */
      tokenHash: k.text("token_hash").notNull().unique(),
      tokenHint: k.text("token_hint").notNull(),
      scopes: k.json<string[]>("scopes").notNull(),
      createdAt: k.ms("created_at").notNull(),
      lastUsedAt: k.ms("last_used_at"),
      revealedAt: k.ms("revealed_at"),
      revokedAt: k.ms("revoked_at"),
    },
    t => [k.index("pats_tenant").on(t.tenantId, t.projectId), k.index("pats_maker").on(t.createdByPatId)],
  )

  /** Links that work once: first sign-in, invitation, password reset. */
  const oneTimeLinks = k.table(
    "one_time_links",
    {
      /** SHA-256 of the link's token, hex. */
      tokenHash: k.text("token_hash").primaryKey(),
      /** What a list calls it: the hash stays here. */
      id: k.text("id").notNull().unique(),
      purpose: k.text("purpose").$type<LinkPurpose>().notNull(),
      tenantId: k.text("tenant_id"),
      userId: k.text("user_id"),
      /** Whose right an invitation rests on, judged again when it is used; null: the operator's. */
      invitedBy: k.text("invited_by"),
      /** What the link grants, e.g. the invited e-mail and roles. */
      data: k.json<{ email?: string; tenantRole?: TenantRole; projectId?: string; projectRole?: ProjectRole }>("data").notNull(),
      createdAt: k.ms("created_at").notNull(),
      expiresAt: k.ms("expires_at").notNull(),
      usedAt: k.ms("used_at"),
    },
    t => [k.index("one_time_links_tenant").on(t.tenantId)],
  )

  /** Failed sign-ins by account and network, by account and by address (see attempts.ts); survives a restart, so restarting is no way around it. */
  const loginLimits = k.table("login_limits", {
    key: k.text("key").primaryKey(),
    failures: k.int("failures").notNull(),
    windowStartedAt: k.ms("window_started_at").notNull(),
  })

  return { users, sessions, tenants, projects, tenantMembers, projectMembers, pats, oneTimeLinks, loginLimits }
}
