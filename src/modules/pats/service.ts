import type { Vault } from "../../adapters/vault/vault.ts"
import type { Page, PageOf } from "../../http/paging.ts"
import { type Caller, insufficientScope, roleAtLeast, SCOPES, type Scope } from "../../http/permission.ts"
import { hashToken, newPat } from "../../http/tokens.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { Writer } from "../../storage/database.ts"
import type { AccessChanges } from "../auth/access.ts"
import type { PatRow, PatStore, ProjectKey } from "./store.ts"

/** Of one person in one project, not counting revoked ones. */
const PATS_PER_OWNER_MAX = 100
const HINT_CHARS = 4

export interface PatDeps {
  readonly store: PatStore
  readonly vault: Vault<Writer>
  readonly access: AccessChanges
  readonly clock: Clock
  readonly ids: Ids
}

/** A PAT without its secret. */
export type PatInfo = Omit<PatRow, "tokenHash">

export interface PatWish {
  readonly displayName: string
  readonly scopes: readonly string[]
}

/** Personal access tokens: the database keeps the hash, the vault the copy that can be revealed once. */
export class PatService {
  constructor(private readonly deps: PatDeps) {}

  /** One's own; an admin of the project sees everybody's. */
  list(caller: Caller, revoked: "with_revoked" | "good", page: Page): Promise<PageOf<PatInfo>> {
    return this.deps.store.page(caller, isAdmin(caller) ? null : caller.userId, revoked, page)
  }

  /** A token that makes a token cannot give it more than it has, and takes it along when it is revoked. */
  async create(caller: Caller, wish: PatWish): Promise<{ pat: PatInfo; token: string }> {
    const scopes = checkScopes(wish.scopes)
    checkCovers(caller, scopes)
    const maker = caller.patId
    const made = this.#make(caller, caller.userId, checkName(wish.displayName), scopes, maker)
    await this.deps.store.transaction(async tx => {
      if (maker !== null && !(await this.deps.store.holdGood(caller.tenantId, maker, tx)))
        throw new AppError("unauthenticated", "the token that makes this one was revoked")
      if ((await this.deps.store.countGood(caller, caller.userId, tx)) >= PATS_PER_OWNER_MAX)
        throw new AppError("conflict", `you have ${PATS_PER_OWNER_MAX} tokens in this project already; revoke one first`, {
          code: "PAT_LIMIT",
        })
      await this.deps.store.insert(made.pat, tx)
      await this.deps.vault.put(caller.tenantId, secretName(made.pat.id), made.token, tx)
    })
    return made
  }

  /**
   * For `agentruntime init`: the owner's PAT of this name, made where there is none. Its token is null when it was there
   * already: a secret is given out once, so the vault keeps no copy and there is nothing to reveal.
   */
  async ensure(owner: ProjectKey & { readonly userId: string }, wish: PatWish): Promise<{ id: string; token: string | null }> {
    const { store } = this.deps
    const made = this.#make(owner, owner.userId, checkName(wish.displayName), checkScopes(wish.scopes), null)
    return store.transaction(async tx => {
      const known = await store.findGood(owner, owner.userId, made.pat.displayName, tx)
      if (known) return { id: known.id, token: null }
      await store.insert({ ...made.pat, revealedAt: made.pat.createdAt }, tx)
      return { id: made.pat.id, token: made.token }
    })
  }

  /**
   * Once, and only for the owner; then the vault's copy has served its purpose and goes. By a token only where that has
   * every scope of the other: else one that may only manage tokens would be worth all of them.
   */
  async reveal(caller: Caller, id: string): Promise<string> {
    const { store, vault, clock } = this.deps
    return store.transaction(async tx => {
      const pat = await store.get(caller, id, tx)
      if (!pat) throw notFound()
      if (pat.userId !== caller.userId)
        throw new AppError("forbidden", "only its owner can reveal a token", { code: "NOT_THE_OWNER" })
      checkCovers(caller, pat.scopes)
      if (!(await store.markRevealed(caller, id, clock.now(), tx)))
        throw new AppError("gone", "this token was revealed already; make a new one if it is lost", { code: "ALREADY_REVEALED" })
      const token = await vault.get(caller.tenantId, secretName(id), tx)
      if (token === null)
        throw new AppError("not_found", "the vault holds no copy of this token; make a new one", {
          code: "pat_secret_not_in_vault",
        })
      await vault.delete(caller.tenantId, secretName(id), tx)
      return token
    })
  }

  /**
   * For what shall act by a token that its setter names by id only: it must be the caller's own, with no scope that the caller
   * lacks. Where the vault has no copy (it was shown again, or is older than the vault's) the caller has to show the token.
   */
  async lend(caller: Caller, id: string): Promise<void> {
    const pat = await this.deps.store.get(caller, id)
    if (!pat || pat.revokedAt !== null) throw new AppError("invalid", "no such token in this project", { code: "AUTOMATION_PAT" })
    if (pat.userId !== caller.userId) {
      const sentence = "this is somebody else's token; whoever holds it can send it as automation_bearer"
      throw new AppError("forbidden", sentence, { code: "NOT_THE_OWNER" })
    }
    checkCovers(caller, pat.scopes)
    if ((await this.deps.vault.get(caller.tenantId, secretName(id))) === null) {
      const sentence = "the vault holds no copy of this token; send the token itself once as automation_bearer"
      throw new AppError("unavailable", sentence, { code: "pat_secret_not_in_vault" })
    }
  }

  /** The owner or an admin of the project; with it all tokens that it made. Again does nothing. */
  async revoke(caller: Caller, id: string): Promise<void> {
    const { store, access, clock } = this.deps
    const revoked = await store.transaction(async tx => {
      const pat = await store.get(caller, id, tx)
      if (!pat) throw notFound()
      if (pat.userId !== caller.userId && !isAdmin(caller))
        throw new AppError("forbidden", "only its owner or an admin of the project can revoke a token", { code: "NOT_THE_OWNER" })
      return this.#dropCopies(caller.tenantId, await store.revoke(caller, id, clock.now(), tx), tx)
    })
    if (revoked > 0) access.changed()
  }

  /** When a person leaves a workspace, or one project of it. The caller's transaction; the caller also says `changed`. */
  async revokeAllOf(tenantId: string, userId: string, projectId: string | null, tx: Writer): Promise<void> {
    const { store, clock } = this.deps
    await this.#dropCopies(tenantId, await store.revokeAllOf(tenantId, userId, projectId, clock.now(), tx), tx)
  }

  async #dropCopies(tenantId: string, ids: readonly string[], tx: Writer): Promise<number> {
    for (const id of ids) await this.deps.vault.delete(tenantId, secretName(id), tx)
    return ids.length
  }

  #make(
    { tenantId, projectId }: ProjectKey,
    userId: string,
    displayName: string,
    scopes: Scope[],
    createdByPatId: string | null,
  ): { pat: PatRow; token: string } {
    const token = newPat(this.deps.ids)
    const pat = {
      id: this.deps.ids.uuid(),
      tenantId,
      projectId,
      userId,
      createdByPatId,
      displayName,
      tokenHash: hashToken(token),
      tokenHint: token.slice(-HINT_CHARS),
      scopes,
      createdAt: this.deps.clock.now(),
      lastUsedAt: null,
      revealedAt: null,
      revokedAt: null,
    }
    return { pat, token }
  }
}

const secretName = (id: string) => `pat:${id}`

function isAdmin({ role }: Caller): boolean {
  return role !== null && roleAtLeast(role, "project_admin")
}

/** A session covers every scope, as only the role limits it. */
function checkCovers({ scopes }: Caller, wanted: readonly string[]): void {
  const held: readonly string[] | null = scopes
  const beyond = wanted.find(scope => held !== null && !held.includes(scope))
  if (beyond !== undefined) throw insufficientScope(beyond)
}

function checkName(text: string): string {
  const name = text.trim()
  if (name === "") throw new AppError("invalid", "give the token a display_name")
  return name
}

function checkScopes(wanted: readonly string[]): Scope[] {
  const known: readonly string[] = SCOPES
  if (wanted.length === 0)
    throw new AppError("invalid", `name at least one scope of: ${SCOPES.join(", ")}`, { code: "SCOPES_MISSING" })
  if (wanted.some(scope => !known.includes(scope)))
    throw new AppError("invalid", `unknown scope; there are: ${SCOPES.join(", ")}`, { code: "UNKNOWN_SCOPE" })
  return SCOPES.filter(scope => wanted.includes(scope))
}

function notFound(): AppError {
  return new AppError("not_found", "no such token in this project")
}
