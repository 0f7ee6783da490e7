import { and, asc, count, eq, inArray, isNull, ne } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { ProjectRole } from "../../http/permission.ts"
import type { Database, Writer } from "../../storage/database.ts"
import type { TenantRole, ToolDrift } from "../../storage/schema/identity.ts"

export interface ProjectRow {
  readonly id: string
  readonly tenantId: string
  readonly slug: string
  readonly name: string
  readonly createdAt: number
  readonly updatedAt: number
  readonly archivedAt: number | null
  readonly toolDrift: ToolDrift | null
}

export interface MemberRow {
  readonly userId: string
  readonly email: string
  readonly name: string
  readonly role: TenantRole
  readonly createdAt: number
  readonly projects: readonly { readonly projectId: string; readonly role: ProjectRole }[]
}

export type ProjectChange = { name?: string; slug?: string; archivedAt?: number | null; toolDrift?: ToolDrift }

export class TenantStore {
  constructor(private readonly db: Database) {}

  /**
   * One change of a workspace's members or projects at a time. On PostgreSQL the update of the workspace's row is the
   * lock: two admins who demote each other at the same moment must not both succeed.
   */
  changeTenant<T>(tenantId: string, now: number, body: (tx: Writer) => Promise<T>): Promise<T> {
    const { tenants } = this.db.tables
    return this.db.write(async tx => {
      await tx.update(tenants).set({ updatedAt: now }).where(eq(tenants.id, tenantId))
      return body(tx)
    })
  }

  // Projects -------------------------------------------------------------------------------------------------------

  /** `only`: ids the reader may see; null for all. */
  async projects(
    tenantId: string,
    only: readonly string[] | null,
    archivedToo: "with_archived" | "active",
    page: Page,
  ): Promise<PageOf<ProjectRow>> {
    if (only?.length === 0) return { items: [], total: 0 }
    const { projects } = this.db.tables
    const where = and(
      eq(projects.tenantId, tenantId),
      only ? inArray(projects.id, [...only]) : undefined,
      archivedToo === "active" ? isNull(projects.archivedAt) : undefined,
    )
    const items = await this.db.read
      .select()
      .from(projects)
      .where(where)
      .orderBy(asc(projects.slug))
      .limit(page.limit)
      .offset(page.offset)
    const [counted] = await this.db.read.select({ total: count() }).from(projects).where(where)
    return { items, total: counted?.total ?? 0 }
  }

  async project(tenantId: string, id: string, tx?: Writer): Promise<ProjectRow | null> {
    const { projects } = this.db.tables
    const [row] = await (tx ?? this.db.read)
      .select()
      .from(projects)
      .where(and(eq(projects.tenantId, tenantId), eq(projects.id, id)))
    return row ?? null
  }

  async countProjects(tenantId: string, tx: Writer): Promise<number> {
    const { projects } = this.db.tables
    const [row] = await tx.select({ total: count() }).from(projects).where(eq(projects.tenantId, tenantId))
    return row?.total ?? 0
  }

  /** Throws `UniqueViolation` when the slug is taken. */
  async addProject(project: ProjectRow, tx: Writer): Promise<void> {
    await tx.insert(this.db.tables.projects).values(project)
  }

  /** Null when there is no such project; throws `UniqueViolation` when the new slug is taken. */
  async changeProject(tenantId: string, id: string, change: ProjectChange, now: number): Promise<ProjectRow | null> {
    const { projects } = this.db.tables
    return this.db.write(async tx => {
      const [row] = await tx
        .update(projects)
        .set({ ...change, updatedAt: now })
        .where(and(eq(projects.tenantId, tenantId), eq(projects.id, id)))
        .returning()
      return row ?? null
    })
  }

  // Members --------------------------------------------------------------------------------------------------------

  async members(tenantId: string, page: Page): Promise<PageOf<MemberRow>> {
    const { tenantMembers: m, users } = this.db.tables
    const found = await this.db.read
      .select({ userId: m.userId, email: users.email, name: users.name, role: m.role, createdAt: m.createdAt })
      .from(m)
      .innerJoin(users, eq(users.id, m.userId))
      .where(eq(m.tenantId, tenantId))
      .orderBy(asc(users.email))
      .limit(page.limit)
      .offset(page.offset)
    const [counted] = await this.db.read.select({ total: count() }).from(m).where(eq(m.tenantId, tenantId))
    return { items: await this.#withProjects(tenantId, found), total: counted?.total ?? 0 }
  }

  async member(tenantId: string, userId: string): Promise<MemberRow | null> {
    const { tenantMembers: m, users } = this.db.tables
    const found = await this.db.read
      .select({ userId: m.userId, email: users.email, name: users.name, role: m.role, createdAt: m.createdAt })
      .from(m)
      .innerJoin(users, eq(users.id, m.userId))
      .where(and(eq(m.tenantId, tenantId), eq(m.userId, userId)))
    return (await this.#withProjects(tenantId, found))[0] ?? null
  }

  async isMember(tenantId: string, email: string): Promise<boolean> {
    const { tenantMembers: m, users } = this.db.tables
    const rows = await this.db.read
      .select({ userId: m.userId })
      .from(m)
      .innerJoin(users, eq(users.id, m.userId))
      .where(and(eq(m.tenantId, tenantId), eq(users.email, email)))
    return rows.length > 0
  }

  async roleOf(tenantId: string, userId: string, tx: Writer): Promise<TenantRole | null> {
    const { tenantMembers: m } = this.db.tables
    const [row] = await tx
      .select({ role: m.role })
      .from(m)
      .where(and(eq(m.tenantId, tenantId), eq(m.userId, userId)))
    return row?.role ?? null
  }

  /** Whether anybody who can sign in would still be admin without this person. */
  async hasOtherAdmin(tenantId: string, userId: string, tx: Writer): Promise<boolean> {
    const { tenantMembers: m, users } = this.db.tables
    const rows = await tx
      .select({ userId: m.userId })
      .from(m)
      .innerJoin(users, eq(users.id, m.userId))
      .where(and(eq(m.tenantId, tenantId), eq(m.role, "tenant_admin"), ne(m.userId, userId), isNull(users.disabledAt)))
      .limit(1)
    return rows.length > 0
  }

  async setRole(tenantId: string, userId: string, role: TenantRole, tx: Writer): Promise<void> {
    const { tenantMembers: m } = this.db.tables
    await tx
      .update(m)
      .set({ role })
      .where(and(eq(m.tenantId, tenantId), eq(m.userId, userId)))
  }

  async setProjectRole(
    tenantId: string,
    projectId: string,
    userId: string,
    role: ProjectRole,
    now: number,
    tx: Writer,
  ): Promise<void> {
    const { projectMembers: m } = this.db.tables
    await tx
      .insert(m)
      .values({ tenantId, projectId, userId, role, createdAt: now })
      .onConflictDoUpdate({ target: [m.projectId, m.userId], set: { role } })
  }

  async removeFromProject(tenantId: string, projectId: string, userId: string, tx: Writer): Promise<void> {
    const { projectMembers: m } = this.db.tables
    await tx.delete(m).where(and(eq(m.tenantId, tenantId), eq(m.projectId, projectId), eq(m.userId, userId)))
  }

  async removeMember(tenantId: string, userId: string, tx: Writer): Promise<void> {
    const { tenantMembers, projectMembers } = this.db.tables
    await tx.delete(projectMembers).where(and(eq(projectMembers.tenantId, tenantId), eq(projectMembers.userId, userId)))
    await tx.delete(tenantMembers).where(and(eq(tenantMembers.tenantId, tenantId), eq(tenantMembers.userId, userId)))
  }

  async #withProjects(tenantId: string, members: readonly Omit<MemberRow, "projects">[]): Promise<readonly MemberRow[]> {
    if (members.length === 0) return []
    const { projectMembers: m } = this.db.tables
    const ids = members.map(member => member.userId)
    const roles = await this.db.read
      .select({ userId: m.userId, projectId: m.projectId, role: m.role })
      .from(m)
      .where(and(eq(m.tenantId, tenantId), inArray(m.userId, ids)))
    return members.map(member => ({ ...member, projects: roles.filter(role => role.userId === member.userId) }))
  }
}
