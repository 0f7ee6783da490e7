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
  list(caller: Caller, page: Page): Promise<PageOf<PatInfo>> {
    return this.deps.store.page(caller, isAdmin(caller) ? null : caller.userId, page)
  }

  /** A token that makes a token cannot give it more than it has. */
  async create(caller: Caller, wish: PatWish): Promise<{ pat: PatInfo; token: string }> {
    const scopes = checkScopes(wish.scopes)
    const beyond = scopes.find(scope => caller.scopes !== null && !caller.scopes.includes(scope))
    if (beyond) throw insufficientScope(beyond)
    const made = this.#make(caller, caller.userId, checkName(wish.displayName), scopes)
    await this.deps.store.transaction(async tx => {
      if ((await this.deps.store.countGood(caller, caller.userId, tx)) >= PATS_PER_OWNER_MAX)
        throw new AppError("conflict", `you have ${PATS_PER_OWNER_MAX} tokens in this project already; revoke one first`, {
          code: "PAT_LIMIT",
        })
      await this.#insert(made, tx)
    })
    return made
  }

  /**
   * For `agentruntime init`: the owner's PAT of this name, made where there is none. Its token is null when it was there
   * already: a secret is given out once.
   */
  async ensure(owner: ProjectKey & { readonly userId: string }, wish: PatWish): Promise<{ id: string; token: string | null }> {
    const { store } = this.deps
    const made = this.#make(owner, owner.userId, checkName(wish.displayName), checkScopes(wish.scopes))
    return store.transaction(async tx => {
      const known = await store.findGood(owner, owner.userId, made.pat.displayName, tx)
      if (known) return { id: known.id, token: null }
      await this.#insert(made, tx)
      return { id: made.pat.id, token: made.token }
    })
  }

  /** Once, and only for the owner; then the vault's copy has served its purpose and goes. */
  async reveal(caller: Caller, id: string): Promise<string> {
    const { store, vault, clock } = this.deps
    return store.transaction(async tx => {
      const pat = await store.get(caller, id, tx)
      if (!pat) throw notFound()
      if (pat.userId !== caller.userId)
        throw new AppError("forbidden", "only its owner can reveal a token", { code: "NOT_THE_OWNER" })
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

  /** The owner or an admin of the project. Again does nothing. */
  async revoke(caller: Caller, id: string): Promise<void> {
    const { store, vault, access, clock } = this.deps
    await store.transaction(async tx => {
      const pat = await store.get(caller, id, tx)
      if (!pat) throw notFound()
      if (pat.userId !== caller.userId && !isAdmin(caller))
        throw new AppError("forbidden", "only its owner or an admin of the project can revoke a token", { code: "NOT_THE_OWNER" })
      await store.revoke(caller, id, clock.now(), tx)
      await vault.delete(caller.tenantId, secretName(id), tx)
    })
    access.changed()
  }

  /** When a person leaves a workspace, or one project of it. The caller's transaction; the caller also says `changed`. */
  async revokeAllOf(tenantId: string, userId: string, projectId: string | null, tx: Writer): Promise<void> {
    const { store, vault, clock } = this.deps
    const ids = await store.revokeAllOf(tenantId, userId, projectId, clock.now(), tx)
    for (const id of ids) await vault.delete(tenantId, secretName(id), tx)
  }

  #make(
    { tenantId, projectId }: ProjectKey,
    userId: string,
    displayName: string,
    scopes: Scope[],
  ): { pat: PatRow; token: string } {
    const token = newPat(this.deps.ids)
    const pat = {
      id: this.deps.ids.uuid(),
      tenantId,
      projectId,
      userId,
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

  async #insert({ pat, token }: { pat: PatRow; token: string }, tx: Writer): Promise<void> {
    await this.deps.store.insert(pat, tx)
    await this.deps.vault.put(pat.tenantId, secretName(pat.id), token, tx)
  }
}

const secretName = (id: string) => `pat:${id}`

function isAdmin({ role }: Caller): boolean {
  return role !== null && roleAtLeast(role, "project_admin")
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
