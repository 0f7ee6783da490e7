import { and, desc, eq, gt, inArray, isNotNull, isNull, lt, or } from "drizzle-orm"
import type { ProjectRole } from "../../http/permission.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Database, Reader, Writer } from "../../storage/database.ts"
import type { LinkPurpose, TenantRole } from "../../storage/schema/identity.ts"

/** Of one workspace, at a time. */
const OPEN_INVITES_MAX = 1_000

export interface LinkData {
  readonly email?: string
  readonly tenantRole?: TenantRole
  readonly projectId?: string
  readonly projectRole?: ProjectRole
}

export interface NewLink {
  readonly tokenHash: string
  readonly id: string
  readonly purpose: LinkPurpose
  readonly tenantId: string | null
  readonly userId: string | null
  /** Whose right an invitation rests on; null: the operator's. */
  readonly invitedBy: string | null
  readonly data: LinkData
  readonly expiresAt: number
}

export type Link = NewLink & { readonly createdAt: number; readonly usedAt: number | null }

/** Links that work once. An invitation is good for as long as its inviter could make it anew. */
export class LinkStore {
  constructor(private readonly db: Database) {}

  /** Puts the link in the place of unused ones of the same purpose for the same person and workspace. */
  async put(link: NewLink, now: number): Promise<void> {
    const { oneTimeLinks: l } = this.db.tables
    const same = and(
      eq(l.purpose, link.purpose),
      isNull(l.usedAt),
      link.tenantId === null ? isNull(l.tenantId) : eq(l.tenantId, link.tenantId),
      link.userId === null ? isNull(l.userId) : eq(l.userId, link.userId),
    )
    await this.db.write(async tx => {
      const older = await tx.select({ tokenHash: l.tokenHash, data: l.data, expiresAt: l.expiresAt }).from(l).where(same)
      const replaced = older.filter(o => o.data.email === link.data.email).map(o => o.tokenHash)
      if (older.filter(o => o.expiresAt > now).length - replaced.length >= OPEN_INVITES_MAX)
        throw new AppError("conflict", `a workspace has at most ${OPEN_INVITES_MAX} open invitations; take some back first`, {
          code: "INVITE_LIMIT",
        })
      if (replaced.length > 0) await tx.delete(l).where(inArray(l.tokenHash, replaced))
      await tx.insert(l).values({ ...link, createdAt: now, usedAt: null })
    })
  }

  /** A link that can still be used. */
  async open(tokenHash: string, purpose: LinkPurpose, now: number): Promise<Link | null> {
    const { oneTimeLinks: l } = this.db.tables
    const [row] = await this.db.read
      .select()
      .from(l)
      .where(and(eq(l.tokenHash, tokenHash), eq(l.purpose, purpose), isNull(l.usedAt), gt(l.expiresAt, now)))
    return row && (await this.#stands(row, this.db.read)) ? row : null
  }

  /** One update decides: of two who come at once, one finds the link unused. Null also when the inviter's right is gone. */
  async use(tokenHash: string, purpose: LinkPurpose, now: number, tx: Writer): Promise<Link | null> {
    const { oneTimeLinks: l } = this.db.tables
    const [row] = await tx
      .update(l)
      .set({ usedAt: now })
      .where(and(eq(l.tokenHash, tokenHash), eq(l.purpose, purpose), isNull(l.usedAt), gt(l.expiresAt, now)))
      .returning()
    return row && (await this.#stands(row, tx)) ? row : null
  }

  /** Open invitations of a workspace, newest first: at most as many as it may have. */
  async invites(tenantId: string, now: number): Promise<readonly Link[]> {
    const { oneTimeLinks: l } = this.db.tables
    return await this.db.read
      .select()
      .from(l)
      .where(and(this.#invitesOf(tenantId), gt(l.expiresAt, now)))
      .orderBy(desc(l.createdAt), desc(l.id))
      .limit(OPEN_INVITES_MAX)
  }

  /** False when it was used or taken back meanwhile. */
  async removeInvite(tenantId: string, id: string): Promise<boolean> {
    const { oneTimeLinks: l } = this.db.tables
    const rows = await this.db.write(
      async tx =>
        await tx
          .delete(l)
          .where(and(this.#invitesOf(tenantId), eq(l.id, id)))
          .returning({ id: l.id }),
    )
    return rows.length > 0
  }

  /** After a change of the inviter's roles: takes back what that person could not offer any more. */
  async dropUnfounded(tenantId: string, inviterId: string, tx: Writer): Promise<void> {
    const { oneTimeLinks: l } = this.db.tables
    const mine = await tx
      .select()
      .from(l)
      .where(and(this.#invitesOf(tenantId), eq(l.invitedBy, inviterId)))
    for (const link of mine)
      if (!(await this.#stands(link, tx))) await tx.delete(l).where(and(eq(l.tokenHash, link.tokenHash), isNull(l.usedAt)))
  }

  /** Who was taken out must not come back by an older invitation. */
  async dropInvitesTo(tenantId: string, userId: string, tx: Writer): Promise<void> {
    const { oneTimeLinks: l, users } = this.db.tables
    const [user] = await tx.select({ email: users.email }).from(users).where(eq(users.id, userId))
    const open = await tx.select({ tokenHash: l.tokenHash, data: l.data }).from(l).where(this.#invitesOf(tenantId))
    const theirs = open.filter(link => link.data.email === user?.email).map(link => link.tokenHash)
    if (theirs.length > 0) await tx.delete(l).where(inArray(l.tokenHash, theirs))
  }

  async sweep(now: number, tx: Writer): Promise<void> {
    const { oneTimeLinks: l } = this.db.tables
    await tx.delete(l).where(or(lt(l.expiresAt, now), isNotNull(l.usedAt)))
  }

  /** Whether the inviter may give today what the link gives. */
  async #stands({ tenantId, invitedBy, data }: Link, from: Reader): Promise<boolean> {
    if (invitedBy === null) return true
    if (tenantId === null) return false
    const { users, tenantMembers: m, projectMembers: p } = this.db.tables
    const [inviter] = await from
      .select({ role: m.role })
      .from(m)
      .innerJoin(users, eq(users.id, m.userId))
      .where(and(eq(m.tenantId, tenantId), eq(m.userId, invitedBy), isNull(users.disabledAt)))
    if (!inviter) return false
    if (inviter.role === "tenant_admin") return true
    if (data.tenantRole === "tenant_admin" || data.projectId === undefined) return false
    const [there] = await from
      .select({ role: p.role })
      .from(p)
      .where(and(eq(p.tenantId, tenantId), eq(p.projectId, data.projectId), eq(p.userId, invitedBy)))
    return there?.role === "project_admin"
  }

  #invitesOf(tenantId: string) {
    const { oneTimeLinks: l } = this.db.tables
    return and(eq(l.tenantId, tenantId), eq(l.purpose, "invite"), isNull(l.usedAt))
  }
}
