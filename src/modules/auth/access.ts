import type { Role, Scope } from "../../http/permission.ts"
import { hashToken } from "../../http/tokens.ts"
import type { Clock } from "../../kernel/clock.ts"
import { Recent } from "../../storage/recent.ts"
import { LastUse, type LastUseStore } from "./last-use.ts"

/** Tokens whose facts are held in memory; the oldest give way. */
const CACHE_MAX_TOKENS = 10_000
/** Changes made by another process (several nodes on one PostgreSQL) count after this time at the latest. */
const CACHE_MAX_AGE_MS = 5_000

export interface TenantAccess {
  readonly isAdmin: boolean
  /** By project id, without archived ones; an admin has all. */
  readonly projects: ReadonlyMap<string, Role>
  /** Ids of the same projects by slug. */
  readonly slugs: ReadonlyMap<string, string>
}

export interface SessionFacts {
  readonly userId: string
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly expiresAt: number
}

export interface PatFacts {
  readonly patId: string
  readonly userId: string
  readonly tenantId: string
  readonly projectId: string
  readonly scopes: readonly Scope[]
  readonly lastUsedAt: number | null
  readonly tokenHash: string
}

/** By tenant id. */
export type Tenancies = ReadonlyMap<string, TenantAccess>

/** Who holds a token that is good, and what its owner may. */
export type Identity =
  | { readonly via: "session"; readonly userId: string; readonly tenants: Tenancies }
  | {
      readonly via: "pat"
      readonly patId: string
      readonly userId: string
      readonly tenantId: string
      readonly projectId: string
      readonly scopes: readonly Scope[]
      readonly tenants: Tenancies
    }

export interface AccessStore extends LastUseStore {
  sessionFacts(tokenHash: string): Promise<SessionFacts | null>
  /** Null when revoked. */
  patFacts(tokenHash: string): Promise<PatFacts | null>
  /** The same by the token's id. */
  patFactsById(patId: string): Promise<PatFacts | null>
  /** Null when unknown or disabled. */
  tenancies(userId: string): Promise<Tenancies | null>
}

/** What everybody must call who changes users, members, roles, projects, sessions or PATs: after the commit. */
export interface AccessChanges {
  changed(): void
}

/** At once when it is known: most requests are then judged without leaving the turn. */
export type Answer = Identity | null | Promise<Identity | null>

interface Known {
  readonly identity: Identity
  readonly tokenHash: string
  /** Of a session; a PAT has no end. */
  readonly expiresAt: number
}

/**
 * Who holds a token and what that person may, from memory where it was read lately. Any change empties the memory:
 * changes are rare, and nobody has to work out whom one concerns.
 */
export class Access implements AccessChanges {
  readonly #known = new Recent<Known>(CACHE_MAX_TOKENS, CACHE_MAX_AGE_MS)
  readonly #lastUse: LastUse

  constructor(
    private readonly store: AccessStore,
    private readonly clock: Clock,
  ) {
    this.#lastUse = new LastUse(store)
  }

  changed(): void {
    this.#known.clear()
  }

  /** For a change that concerns one token only. */
  forget(token: string): void {
    this.#known.forget(hashToken(token))
  }

  ofSession(token: string): Answer {
    return this.#of(hashToken(token), hash => this.#loadSession(hash))
  }

  ofPat(token: string): Answer {
    return this.#of(hashToken(token), async hash => this.#knownPat(await this.store.patFacts(hash)))
  }

  /** By the id of a token, for what acts by it without showing it. */
  ofPatId(patId: string): Answer {
    return this.#of(`id:${patId}`, async () => this.#knownPat(await this.store.patFactsById(patId)))
  }

  /** For services that must judge by more than one project's role. Not from memory. */
  tenancies(userId: string): Promise<Tenancies | null> {
    return this.store.tenancies(userId)
  }

  /** Writes what is still to be written about last uses; for the end of the process and for tests. */
  flush(): Promise<void> {
    return this.#lastUse.flush()
  }

  #of(key: string, load: (key: string) => Promise<Known | null>): Answer {
    const now = this.clock.now()
    const known = this.#known.get(key, now)
    return known ? this.#used(known, now) : this.#read(key, load, now)
  }

  async #read(key: string, load: (key: string) => Promise<Known | null>, now: number): Promise<Identity | null> {
    const known = await this.#known.read(key, now, () => load(key))
    return known && this.#used(known, now)
  }

  #used({ identity, tokenHash, expiresAt }: Known, now: number): Identity | null {
    if (expiresAt <= now) return null
    this.#lastUse.note(tokenHash, identity, now)
    return identity
  }

  async #loadSession(hash: string): Promise<Known | null> {
    const session = await this.store.sessionFacts(hash)
    const tenants = session && (await this.store.tenancies(session.userId))
    if (!tenants) return null
    this.#lastUse.stored(hash, session.lastSeenAt)
    return { identity: { via: "session", userId: session.userId, tenants }, tokenHash: hash, expiresAt: session.expiresAt }
  }

  async #knownPat(pat: PatFacts | null): Promise<Known | null> {
    const tenants = pat && (await this.store.tenancies(pat.userId))
    if (!tenants) return null
    const { lastUsedAt, tokenHash, ...facts } = pat
    this.#lastUse.stored(tokenHash, lastUsedAt ?? 0)
    return { identity: { via: "pat", ...facts, tenants }, tokenHash, expiresAt: Number.POSITIVE_INFINITY }
  }
}

/** `reachable`: what was given; of a workspace's admin every project. */
export function accessOf(
  isAdmin: boolean,
  reachable: readonly { readonly id: string; readonly slug: string; readonly role: Role }[],
): TenantAccess {
  return {
    isAdmin,
    projects: new Map(reachable.map(({ id, role }) => [id, role])),
    slugs: new Map(reachable.map(({ id, slug }) => [slug, id])),
  }
}
