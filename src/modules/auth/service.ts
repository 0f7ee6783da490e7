import type { Role } from "../../http/permission.ts"
import { hashToken, isToken, newToken } from "../../http/tokens.ts"
import type { Clock } from "../../kernel/clock.ts"
import { normalEmail } from "../../kernel/email.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { checkSlug } from "../../kernel/slug.ts"
import { UniqueViolation, type Writer } from "../../storage/database.ts"
import type { LinkPurpose } from "../../storage/schema/identity.ts"
import type { Access } from "./access.ts"
import { ATTEMPTS_KEPT_MS, Attempts } from "./attempts.ts"
import { unauthenticated } from "./authorizer.ts"
import type { Link, LinkData } from "./link-store.ts"
import { checkPassword, type Passwords } from "./password.ts"
import { sessionEnd } from "./sessions.ts"
import type { AuthStore, NewUser, Refusal } from "./store.ts"

const MINUTE_MS = 60_000
const LINK_LIFETIME_MS: Readonly<Record<LinkPurpose, number>> = {
  setup: 30 * MINUTE_MS,
  invite: 7 * 24 * 60 * MINUTE_MS,
  password_reset: 60 * MINUTE_MS,
}
const NAME_MAX_CHARS = 100
const USER_AGENT_MAX_CHARS = 200

export interface AuthDeps {
  readonly store: AuthStore
  readonly access: Access
  readonly passwords: Passwords
  readonly clock: Clock
  readonly ids: Ids
  /** Anybody may make an account, without an invitation. */
  readonly openRegistration: boolean
}

/** Where a sign-in comes from. */
export interface Visitor {
  readonly address: string | null
  readonly userAgent: string | null
}

export interface Session {
  readonly userId: string
  /** For the cookie; nowhere else. */
  readonly token: string
  readonly expiresAt: number
}

export interface Profile {
  readonly user: { readonly id: string; readonly email: string; readonly name: string }
  readonly tenants: readonly {
    readonly id: string
    readonly name: string
    readonly role: "tenant_admin" | "member"
    readonly projects: readonly { readonly id: string; readonly slug: string; readonly name: string; readonly role: Role }[]
  }[]
}

export interface NewPerson {
  readonly email: string
  readonly password: string
  readonly name?: string | undefined
}

export interface InviteDetails extends LinkData {
  readonly email: string
  readonly tenantId: string
  /** Whose right it rests on: it ends when that person could not invite so any more. Absent: the operator of the instance. */
  readonly invitedBy?: string
}

export interface NewInvite {
  readonly id: string
  readonly token: string
  readonly expiresAt: number
}

/** Accounts, sessions and links that work once. */
export class AuthService {
  readonly #attempts: Attempts

  constructor(private readonly deps: AuthDeps) {
    this.#attempts = new Attempts(deps.store.attempts)
  }

  // Sessions -------------------------------------------------------------------------------------------------------

  /** The same words and about the same time for a wrong password and for an e-mail that nobody has. */
  async login(email: string, password: string, visitor: Visitor): Promise<Session> {
    const { store, passwords, clock } = this.deps
    const name = normalEmail(email)
    await this.#attempts.begin(name, visitor.address, clock.now())
    const user = await store.userByEmail(name)
    const matches = await passwords.verify(password, user?.passwordHash ?? null)
    if (!user || !matches || user.disabledAt !== null)
      throw new AppError("unauthenticated", "wrong e-mail or password", { code: "WRONG_CREDENTIALS" })
    await this.#attempts.forgive(name, visitor.address)
    if (user.passwordHash !== null && passwords.isOutdated(user.passwordHash))
      await store.renewHash(user.id, user.passwordHash, await passwords.hash(password))
    return this.#startSession(user.id, visitor)
  }

  /** Anybody may ask: what is no session changes nothing. */
  async logout(token: string): Promise<void> {
    if (await this.deps.store.endSession(hashToken(token))) this.deps.access.forget(token)
  }

  /** Says until when the session lasts, and writes down that it is in use. */
  async refresh(token: string): Promise<{ expiresAt: number }> {
    const { store, access, clock } = this.deps
    const hash = hashToken(token)
    const session = await store.sessionFacts(hash)
    if (!session) throw unauthenticated()
    const now = clock.now()
    await store.noteUses(new Map(), new Map([[hash, now]]))
    access.forget(token)
    return { expiresAt: sessionEnd(session.createdAt, now) }
  }

  /** `onlyTenant`: a PAT sees its own workspace, not what else its owner belongs to. */
  async profile(userId: string, onlyTenant?: string): Promise<Profile> {
    const { store, access } = this.deps
    const user = await store.userById(userId)
    const tenancies = await access.tenancies(userId)
    if (!user || !tenancies) throw unauthenticated()
    const places = await store.places([...tenancies.keys()].filter(id => !onlyTenant || id === onlyTenant))
    const tenants = places.map(({ id, name, projects }) => {
      const tenancy = tenancies.get(id)
      return {
        id,
        name,
        role: tenancy?.isAdmin ? ("tenant_admin" as const) : ("member" as const),
        projects: projects.flatMap(project => {
          const role = tenancy?.projects.get(project.id)
          return role ? [{ ...project, role }] : []
        }),
      }
    })
    return { user: { id: user.id, email: user.email, name: user.name }, tenants }
  }

  // Passwords ------------------------------------------------------------------------------------------------------

  /** Ends all other sessions. `token` is the session in which it happens. */
  async changePassword(userId: string, token: string, current: string, next: string, visitor: Visitor): Promise<void> {
    const { store, passwords, access, clock } = this.deps
    const user = await store.userById(userId)
    if (!user) throw unauthenticated()
    checkPassword(next)
    await this.#attempts.begin(user.email, visitor.address, clock.now())
    if (!(await passwords.verify(current, user.passwordHash)))
      throw new AppError("forbidden", "the current password is wrong", { code: "WRONG_PASSWORD" })
    await this.#attempts.forgive(user.email, visitor.address)
    await store.changePassword(userId, await passwords.hash(next), hashToken(token), clock.now())
    access.changed()
  }

  /** With a link from `createPasswordResetLink`; ends all sessions. */
  async resetPassword(token: string, password: string): Promise<void> {
    const { store, access } = this.deps
    const linkHash = await this.#openLink(token, "password_reset")
    const passwordHash = await this.#hash(password)
    const done = await store.redeemReset(linkHash, passwordHash, this.deps.clock.now())
    if (!done) throw linkIsOver()
    access.changed()
  }

  /** For the operator's command line, as there may be no mail. Null when nobody has this e-mail. */
  async createPasswordResetLink(email: string): Promise<string | null> {
    const user = await this.deps.store.userByEmail(normalEmail(email))
    return user && (await this.#createLink({ purpose: "password_reset", tenantId: null, userId: user.id, data: {} })).token
  }

  // Links ----------------------------------------------------------------------------------------------------------

  /** The token of the first sign-in (30 minutes, once); an older one of the same workspace stops working. */
  async createSetupLink(tenantId: string): Promise<string> {
    const known = await this.workspaces()
    if (!known.includes(tenantId)) {
      throw new AppError("not_found", `there is no workspace ${tenantId}; there is ${known.join(", ") || "none yet"}`)
    }
    return (await this.#createLink({ purpose: "setup", tenantId, userId: null, data: {} })).token
  }

  /** Whoever uses it becomes admin of the link's workspace, and is signed in. */
  async setup(token: string, person: NewPerson, visitor: Visitor): Promise<Session> {
    const { store, access, clock } = this.deps
    const linkHash = await this.#openLink(token, "setup")
    const user = await this.#newUser(person)
    const done = await store.redeemSetup(linkHash, user, clock.now())
    if (!done) throw linkIsOver()
    access.changed()
    return this.#startSession(done.userId, visitor)
  }

  /** An older invitation of the same person to the same workspace stops working. */
  createInvite({ tenantId, invitedBy, ...data }: InviteDetails): Promise<NewInvite> {
    return this.#createLink({ purpose: "invite", tenantId, userId: null, data }, invitedBy)
  }

  /** The open invitations of a workspace, newest first. */
  invites(tenantId: string): Promise<readonly Link[]> {
    return this.deps.store.links.invites(tenantId, this.deps.clock.now())
  }

  /** False when it was used or taken back meanwhile. */
  removeInvite(tenantId: string, id: string): Promise<boolean> {
    return this.deps.store.links.removeInvite(tenantId, id)
  }

  /** When a person's roles change: ends the invitations that rest on a right which is gone. The caller's transaction. */
  dropUnfoundedInvites(tenantId: string, inviterId: string, tx: Writer): Promise<void> {
    return this.deps.store.links.dropUnfounded(tenantId, inviterId, tx)
  }

  /** When a person is taken out: no older invitation leads back in. The caller's transaction. */
  dropInvitesTo(tenantId: string, userId: string, tx: Writer): Promise<void> {
    return this.deps.store.links.dropInvitesTo(tenantId, userId, tx)
  }

  /** Limited like signing in: it tells who has an account, and hashes. */
  async register(person: NewPerson, inviteToken: string | undefined, visitor: Visitor): Promise<Session> {
    const { store, access, clock } = this.deps
    if (inviteToken === undefined && !this.deps.openRegistration)
      throw new AppError("forbidden", "registration is by invitation: ask an admin of the workspace for an invitation link", {
        code: "REGISTRATION_CLOSED",
      })
    const linkHash = inviteToken === undefined ? null : await this.#openLink(inviteToken, "invite")
    const email = normalEmail(person.email)
    checkPassword(person.password)
    await this.#attempts.begin(email, visitor.address, clock.now())
    const user = await this.#newUser(person)
    const refusal = await store.register(linkHash, user, clock.now()).catch(emailTaken)
    if (refusal) throw refused(refusal)
    if (linkHash === null) await this.#attempts.forgiveAccount(email, visitor.address)
    else await this.#attempts.forgive(email, visitor.address)
    access.changed()
    return this.#startSession(user.id, visitor)
  }

  /** For somebody who has an account already. */
  async acceptInvite(userId: string, token: string): Promise<void> {
    const { store, access, clock } = this.deps
    const user = await store.userById(userId)
    if (!user) throw unauthenticated()
    const linkHash = await this.#openLink(token, "invite")
    const refusal = await store.acceptInvite(linkHash, user, clock.now())
    if (refusal) throw refused(refusal)
    access.changed()
  }

  /** For the pages: whether a link can still be used, and for which e-mail it is. */
  async peekLink(token: string, purpose: LinkPurpose): Promise<{ email: string | null } | null> {
    if (!isToken(token)) return null
    const link = await this.deps.store.links.open(hashToken(token), purpose, this.deps.clock.now())
    return link && { email: link.data.email ?? null }
  }

  // First steps ----------------------------------------------------------------------------------------------------

  /** Idempotent; changes nothing that is there. */
  async ensureWorkspace(w: {
    tenantId: string
    name: string
    projectSlug: string
  }): Promise<{ tenantId: string; projectId: string }> {
    for (const slug of [w.tenantId, w.projectSlug]) checkSlug(slug)
    const { store, access, clock, ids } = this.deps
    const projectId = await store.ensureWorkspace({ ...w, projectId: ids.uuid() }, clock.now())
    access.changed()
    return { tenantId: w.tenantId, projectId }
  }

  /** Idempotent; an account that is there keeps its password and becomes admin. */
  async ensureAdmin(admin: {
    email: string
    password: string
    tenantId: string
    projectId: string
  }): Promise<{ userId: string }> {
    const { store, access, clock } = this.deps
    const known = await store.userByEmail(normalEmail(admin.email))
    const user = known?.passwordHash ? { ...known, passwordHash: known.passwordHash } : await this.#newUser(admin)
    const userId = await store.ensureAdmin(user, admin.tenantId, admin.projectId, clock.now())
    access.changed()
    return { userId }
  }

  /** For programs that come with the instance, such as the example: an account that cannot sign in, only hold tokens. */
  async ensureServiceAccount(account: {
    email: string
    name: string
    tenantId: string
    projectId: string
  }): Promise<{ userId: string }> {
    const { store, access, clock, ids } = this.deps
    const wish = { ...account, id: ids.uuid(), role: "project_contributor" as const }
    const userId = await store.ensureServiceAccount(wish, clock.now())
    access.changed()
    return { userId }
  }

  /** Ids of all workspaces of this instance. */
  workspaces(): Promise<readonly string[]> {
    return this.deps.store.workspaces()
  }

  hasUsers(): Promise<boolean> {
    return this.deps.store.hasUsers()
  }

  /** For a background loop, every hour or so. */
  async sweep(): Promise<void> {
    const now = this.deps.clock.now()
    await this.deps.store.sweep(now, now - ATTEMPTS_KEPT_MS)
  }

  // Parts ----------------------------------------------------------------------------------------------------------

  async #startSession(userId: string, { userAgent }: Visitor): Promise<Session> {
    const { store, clock, ids } = this.deps
    const token = newToken(ids)
    const session = { tokenHash: hashToken(token), userId, userAgent: userAgent?.slice(0, USER_AGENT_MAX_CHARS) ?? null }
    return { userId, token, expiresAt: await store.startSession(session, clock.now()) }
  }

  async #createLink(
    wish: Pick<Link, "purpose" | "tenantId" | "userId" | "data">,
    invitedBy: string | null = null,
  ): Promise<NewInvite> {
    const { store, clock, ids } = this.deps
    const token = newToken(ids)
    const id = ids.uuid()
    const now = clock.now()
    const expiresAt = now + LINK_LIFETIME_MS[wish.purpose]
    await store.links.put({ ...wish, tokenHash: hashToken(token), id, invitedBy, expiresAt }, now)
    return { id, token, expiresAt }
  }

  /** Looked at before a password is hashed, so that a stranger costs nothing. Using it up decides later. */
  async #openLink(token: string, purpose: LinkPurpose): Promise<string> {
    if (!(await this.peekLink(token, purpose))) throw linkIsOver()
    return hashToken(token)
  }

  async #newUser({ email, password, name }: NewPerson): Promise<NewUser> {
    const address = normalEmail(email)
    const shown = name?.trim() || address.slice(0, address.indexOf("@"))
    if (shown.length > NAME_MAX_CHARS)
      throw new AppError("invalid", `the name is too long: use at most ${NAME_MAX_CHARS} characters`)
    return { id: this.deps.ids.uuid(), email: address, name: shown, passwordHash: await this.#hash(password) }
  }

  #hash(password: string): Promise<string> {
    checkPassword(password)
    return this.deps.passwords.hash(password)
  }
}

function linkIsOver(): AppError {
  return new AppError("gone", "this link was used already or is too old; ask for a new one", { code: "LINK_EXPIRED" })
}

function refused(refusal: Refusal): AppError {
  switch (refusal) {
    case "no_link":
      return linkIsOver()
    case "other_email":
      return new AppError("forbidden", "this invitation is for another e-mail address", { code: "INVITE_FOR_ANOTHER" })
    case "email_taken":
      return new AppError("conflict", "there is an account with this e-mail: sign in and open the invitation again", {
        code: "EMAIL_TAKEN",
      })
  }
}

/** On PostgreSQL two registrations may find the e-mail free at the same time. */
function emailTaken(error: unknown): Refusal {
  if (error instanceof UniqueViolation) return "email_taken"
  throw error
}
