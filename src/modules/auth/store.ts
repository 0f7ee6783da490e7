import { and, desc, eq, inArray, isNotNull, isNull, lt, ne, type SQL } from "drizzle-orm"
import type { ProjectRole, Scope } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Database, Reader, Writer } from "../../storage/database.ts"
import type { TenantRole } from "../../storage/schema/identity.ts"
import { type AccessStore, accessOf, type PatFacts, type SessionFacts, type Tenancies } from "./access.ts"
import { AttemptStore } from "./attempt-store.ts"
import { type Link, LinkStore } from "./link-store.ts"
import { SESSIONS_PER_USER_MAX, sessionEnd } from "./sessions.ts"

export interface User {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly passwordHash: string | null
  readonly disabledAt: number | null
}

export interface NewUser {
  readonly id: string
  readonly email: string
  readonly name: string
  readonly passwordHash: string
}

export interface NewSession {
  readonly tokenHash: string
  readonly userId: string
  readonly userAgent: string | null
}

/** Why an invitation brought nothing. */
export type Refusal = "no_link" | "other_email" | "email_taken"

export interface Place {
  readonly id: string
  readonly name: string
  readonly projects: readonly { readonly id: string; readonly slug: string; readonly name: string }[]
}

/** Revoked PATs are kept for this long, for whoever looks into what happened. */
const REVOKED_PATS_KEPT_MS = 30 * 86_400_000

export class AuthStore implements AccessStore {
  readonly attempts: AttemptStore
  readonly links: LinkStore

  constructor(private readonly db: Database) {
    this.attempts = new AttemptStore(db)
    this.links = new LinkStore(db)
  }

  // Who is calling -------------------------------------------------------------------------------------------------

  async sessionFacts(tokenHash: string): Promise<SessionFacts | null> {
    const { sessions } = this.db.tables
    const [row] = await this.db.read.select().from(sessions).where(eq(sessions.tokenHash, tokenHash))
    return row ?? null
  }

  patFacts(tokenHash: string): Promise<PatFacts | null> {
    return this.#goodPat(eq(this.db.tables.pats.tokenHash, tokenHash))
  }

  patFactsById(patId: string): Promise<PatFacts | null> {
    return this.#goodPat(eq(this.db.tables.pats.id, patId))
  }

  async #goodPat(which: SQL): Promise<PatFacts | null> {
    const { pats } = this.db.tables
    const [row] = await this.db.read
      .select()
      .from(pats)
      .where(and(which, isNull(pats.revokedAt)))
    if (!row) return null
    const { id, userId, tenantId, projectId, lastUsedAt, tokenHash } = row
    return { patId: id, userId, tenantId, projectId, scopes: row.scopes as Scope[], lastUsedAt, tokenHash }
  }

  async tenancies(userId: string): Promise<Tenancies | null> {
    const { users, tenantMembers, projectMembers, projects } = this.db.tables
    const read = this.db.read
    const [user] = await read.select({ disabledAt: users.disabledAt }).from(users).where(eq(users.id, userId))
    if (!user || user.disabledAt !== null) return null
    const tenants = await read.select().from(tenantMembers).where(eq(tenantMembers.userId, userId))
    const given = await read
      .select({ tenantId: projects.tenantId, id: projects.id, slug: projects.slug, role: projectMembers.role })
      .from(projectMembers)
      .innerJoin(projects, and(eq(projects.id, projectMembers.projectId), eq(projects.tenantId, projectMembers.tenantId)))
      .where(and(eq(projectMembers.userId, userId), isNull(projects.archivedAt)))
    const owned = tenants.filter(t => t.role === "tenant_admin").map(t => t.tenantId)
    const all = (await this.#projectsIn(owned)).map(project => ({ ...project, role: "tenant_admin" as const }))
    return new Map(
      tenants.map(({ tenantId, role }) => {
        const isAdmin = role === "tenant_admin"
        return [tenantId, accessOf(isAdmin, isAdmin ? all.filter(isIn(tenantId)) : given.filter(isIn(tenantId)))]
      }),
    )
  }

  /** Names for what `tenancies` gave. */
  async places(tenantIds: readonly string[]): Promise<readonly Place[]> {
    if (tenantIds.length === 0) return []
    const { tenants } = this.db.tables
    const found = await this.db.read
      .select({ id: tenants.id, name: tenants.name })
      .from(tenants)
      .where(inArray(tenants.id, [...tenantIds]))
      .orderBy(tenants.id)
    const projects = await this.#projectsIn(tenantIds)
    return found.map(tenant => ({ ...tenant, projects: projects.filter(p => p.tenantId === tenant.id) }))
  }

  async noteUses(uses: ReadonlyMap<string, number>, seen: ReadonlyMap<string, number>): Promise<void> {
    const { pats, sessions } = this.db.tables
    await this.db.write(async tx => {
      for (const [hash, at] of uses) await tx.update(pats).set({ lastUsedAt: at }).where(eq(pats.tokenHash, hash))
      for (const [hash, at] of seen) {
        const [row] = await tx.select({ createdAt: sessions.createdAt }).from(sessions).where(eq(sessions.tokenHash, hash))
        if (!row) continue
        const expiresAt = sessionEnd(row.createdAt, at)
        await tx.update(sessions).set({ lastSeenAt: at, expiresAt }).where(eq(sessions.tokenHash, hash))
      }
    })
  }

  // Users and sessions ---------------------------------------------------------------------------------------------

  async userByEmail(email: string): Promise<User | null> {
    return this.#userByEmail(email, this.db.read)
  }

  async userById(id: string): Promise<User | null> {
    const { users } = this.db.tables
    const [row] = await this.db.read.select().from(users).where(eq(users.id, id))
    return row ?? null
  }

  /** Somebody who can sign in. */
  async hasUsers(): Promise<boolean> {
    const { users } = this.db.tables
    const rows = await this.db.read.select({ id: users.id }).from(users).where(isNotNull(users.passwordHash)).limit(1)
    return rows.length > 0
  }

  async startSession(session: NewSession, now: number): Promise<number> {
    const { sessions } = this.db.tables
    const expiresAt = sessionEnd(now, now)
    await this.db.write(async tx => {
      await tx.insert(sessions).values({ ...session, createdAt: now, lastSeenAt: now, expiresAt })
      const kept = await tx
        .select({ tokenHash: sessions.tokenHash })
        .from(sessions)
        .where(eq(sessions.userId, session.userId))
        .orderBy(desc(sessions.lastSeenAt), desc(sessions.createdAt))
        .limit(SESSIONS_PER_USER_MAX + 10)
      const surplus = kept.slice(SESSIONS_PER_USER_MAX).map(row => row.tokenHash)
      if (surplus.length > 0) await tx.delete(sessions).where(inArray(sessions.tokenHash, surplus))
    })
    return expiresAt
  }

  /** False when there is no such session: looked up first, so that a made-up token costs no write. */
  async endSession(tokenHash: string): Promise<boolean> {
    const { sessions } = this.db.tables
    if (!(await this.sessionFacts(tokenHash))) return false
    const mine = eq(sessions.tokenHash, tokenHash)
    const ended = await this.db.write(
      async tx => await tx.delete(sessions).where(mine).returning({ tokenHash: sessions.tokenHash }),
    )
    return ended.length > 0
  }

  /** After a sign-in with a hash of older parameters; the password is the same, so sessions stay. */
  async renewHash(userId: string, from: string, to: string): Promise<void> {
    const { users } = this.db.tables
    const same = and(eq(users.id, userId), eq(users.passwordHash, from))
    await this.db.write(async tx => void (await tx.update(users).set({ passwordHash: to }).where(same)))
  }

  async changePassword(userId: string, passwordHash: string, keptSession: string | null, now: number): Promise<void> {
    await this.db.write(tx => this.#setPassword(userId, passwordHash, keptSession, now, tx))
  }

  // One-time links -------------------------------------------------------------------------------------------------

  /**
   * The person behind the setup link becomes admin of its workspace. Who has an account already gets the new password:
   * the link comes from the operator's own console. Null when the link was used, replaced or is too old.
   */
  async redeemSetup(linkHash: string, user: NewUser, now: number): Promise<{ userId: string } | null> {
    const { users } = this.db.tables
    return this.db.write(async tx => {
      const link = await this.links.use(linkHash, "setup", now, tx)
      if (!link?.tenantId) return null
      const known = await this.#userByEmail(user.email, tx)
      if (known) {
        await this.#setPassword(known.id, user.passwordHash, null, now, tx)
        await tx.update(users).set({ disabledAt: null }).where(eq(users.id, known.id))
      } else await this.#addUser(user, now, tx)
      const userId = known?.id ?? user.id
      await this.#setTenantRole(link.tenantId, userId, "tenant_admin", now, tx)
      return { userId }
    })
  }

  /** A new person. With `linkHash` by invitation, whose e-mail must be the same; without, where everybody may come. */
  async register(linkHash: string | null, user: NewUser, now: number): Promise<Refusal | null> {
    return this.#refusable(async tx => {
      const link = linkHash === null ? null : await this.links.use(linkHash, "invite", now, tx)
      if (linkHash !== null && !link) throw new Refused("no_link")
      if (link?.data.email !== undefined && link.data.email !== user.email) throw new Refused("other_email")
      if (await this.#userByEmail(user.email, tx)) throw new Refused("email_taken")
      await this.#addUser(user, now, tx)
      if (link) await this.#grant(link, user.id, now, tx)
    })
  }

  /** An invitation to somebody who has an account. */
  async acceptInvite(linkHash: string, user: Pick<User, "id" | "email">, now: number): Promise<Refusal | null> {
    return this.#refusable(async tx => {
      const link = await this.links.use(linkHash, "invite", now, tx)
      if (!link) throw new Refused("no_link")
      if (link.data.email !== undefined && link.data.email !== user.email) throw new Refused("other_email")
      await this.#grant(link, user.id, now, tx)
    })
  }

  async redeemReset(linkHash: string, passwordHash: string, now: number): Promise<{ userId: string } | null> {
    return this.db.write(async tx => {
      const link = await this.links.use(linkHash, "password_reset", now, tx)
      if (!link?.userId) return null
      await this.#setPassword(link.userId, passwordHash, null, now, tx)
      return { userId: link.userId }
    })
  }

  /** Ids of all workspaces. */
  async workspaces(): Promise<readonly string[]> {
    const { tenants } = this.db.tables
    const rows = await this.db.read.select({ id: tenants.id }).from(tenants).orderBy(tenants.id)
    return rows.map(r => r.id)
  }

  // First steps ----------------------------------------------------------------------------------------------------

  /** Makes what is missing and changes nothing that is there. */
  async ensureWorkspace(
    w: { tenantId: string; name: string; projectId: string; projectSlug: string },
    now: number,
  ): Promise<string> {
    const { tenants, projects } = this.db.tables
    return this.db.write(async tx => {
      await tx.insert(tenants).values({ id: w.tenantId, name: w.name, createdAt: now, updatedAt: now }).onConflictDoNothing()
      await tx
        .insert(projects)
        .values({
          id: w.projectId,
          tenantId: w.tenantId,
          slug: w.projectSlug,
          name: w.projectSlug,
          createdAt: now,
          updatedAt: now,
        })
        .onConflictDoNothing()
      const [project] = await tx
        .select({ id: projects.id })
        .from(projects)
        .where(and(eq(projects.tenantId, w.tenantId), eq(projects.slug, w.projectSlug)))
      return project?.id ?? w.projectId
    })
  }

  /** Returns the user's id. An account that has a password keeps it. */
  async ensureAdmin(user: NewUser, tenantId: string, projectId: string, now: number): Promise<string> {
    const { projectMembers } = this.db.tables
    return this.db.write(async tx => {
      const known = await this.#userByEmail(user.email, tx)
      if (!known) await this.#addUser(user, now, tx)
      else if (known.passwordHash === null) await this.#setPassword(known.id, user.passwordHash, null, now, tx)
      const userId = known?.id ?? user.id
      await this.#setTenantRole(tenantId, userId, "tenant_admin", now, tx)
      await tx
        .insert(projectMembers)
        .values({ tenantId, projectId, userId, role: "project_admin", createdAt: now })
        .onConflictDoNothing()
      return userId
    })
  }

  /** An account without a password: it acts by tokens only and cannot sign in. Returns its id. */
  async ensureServiceAccount(
    account: { id: string; email: string; name: string; tenantId: string; projectId: string; role: ProjectRole },
    now: number,
  ): Promise<string> {
    const { users, tenantMembers, projectMembers } = this.db.tables
    const { tenantId, projectId, role } = account
    return this.db.write(async tx => {
      const known = await this.#userByEmail(account.email, tx)
      if (known?.passwordHash) throw new AppError("conflict", `${account.email} is a person's account already`)
      const userId = known?.id ?? account.id
      const times = { createdAt: now, updatedAt: now }
      if (!known) await tx.insert(users).values({ id: userId, email: account.email, name: account.name, ...times })
      const member = { tenantId, userId, role: "member" as const, createdAt: now }
      await tx.insert(tenantMembers).values(member).onConflictDoNothing()
      await tx.insert(projectMembers).values({ tenantId, projectId, userId, role, createdAt: now }).onConflictDoNothing()
      return userId
    })
  }

  /** Takes away what is over: sessions, links, windows of failed attempts, PATs that were revoked long ago. */
  async sweep(now: number, limitsBefore: number): Promise<void> {
    const { sessions, pats } = this.db.tables
    await this.db.write(async tx => {
      await tx.delete(sessions).where(lt(sessions.expiresAt, now))
      await tx.delete(pats).where(lt(pats.revokedAt, now - REVOKED_PATS_KEPT_MS))
      await this.links.sweep(now, tx)
      await this.attempts.sweep(limitsBefore, tx)
    })
  }

  // Parts of transactions ------------------------------------------------------------------------------------------

  async #projectsIn(tenantIds: readonly string[]) {
    if (tenantIds.length === 0) return []
    const { projects } = this.db.tables
    return await this.db.read
      .select({ id: projects.id, tenantId: projects.tenantId, slug: projects.slug, name: projects.name })
      .from(projects)
      .where(and(inArray(projects.tenantId, [...tenantIds]), isNull(projects.archivedAt)))
      .orderBy(projects.slug)
  }

  async #userByEmail(email: string, from: Reader): Promise<User | null> {
    const { users } = this.db.tables
    const [row] = await from.select().from(users).where(eq(users.email, email))
    return row ?? null
  }

  async #addUser(user: NewUser, now: number, tx: Writer): Promise<void> {
    await tx.insert(this.db.tables.users).values({ ...user, createdAt: now, updatedAt: now })
  }

  /** Whoever knew the old password is out, except for the session in which it was changed. */
  async #setPassword(userId: string, passwordHash: string, keptSession: string | null, now: number, tx: Writer): Promise<void> {
    const { users, sessions } = this.db.tables
    await tx.update(users).set({ passwordHash, updatedAt: now }).where(eq(users.id, userId))
    const others = keptSession === null ? undefined : ne(sessions.tokenHash, keptSession)
    await tx.delete(sessions).where(and(eq(sessions.userId, userId), others))
  }

  /** An invitation adds rights and never takes any. */
  async #grant(link: Link, userId: string, now: number, tx: Writer): Promise<void> {
    if (link.tenantId === null) return
    await this.#setTenantRole(link.tenantId, userId, link.data.tenantRole ?? "member", now, tx)
    const { projectId, projectRole } = link.data
    if (!projectId || !projectRole) return
    const { projects, projectMembers } = this.db.tables
    const [project] = await tx
      .select({ id: projects.id })
      .from(projects)
      .where(and(eq(projects.id, projectId), eq(projects.tenantId, link.tenantId)))
    if (!project) return
    await tx
      .insert(projectMembers)
      .values({ tenantId: link.tenantId, projectId, userId, role: projectRole, createdAt: now })
      .onConflictDoNothing()
  }

  async #setTenantRole(tenantId: string, userId: string, role: TenantRole, now: number, tx: Writer): Promise<void> {
    const { tenantMembers: m } = this.db.tables
    const insert = tx.insert(m).values({ tenantId, userId, role, createdAt: now })
    if (role === "member") await insert.onConflictDoNothing()
    else await insert.onConflictDoUpdate({ target: [m.tenantId, m.userId], set: { role } })
  }

  async #refusable(body: (tx: Writer) => Promise<void>): Promise<Refusal | null> {
    try {
      await this.db.write(body)
      return null
    } catch (error) {
      if (error instanceof Refused) return error.refusal
      throw error
    }
  }
}

const isIn = (tenantId: string) => (project: { readonly tenantId: string }) => project.tenantId === tenantId

/** Thrown in a transaction to leave the link unused. */
class Refused extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal)
  }
}
