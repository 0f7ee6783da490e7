import type { Identity } from "./access.ts"
import { SESSION_REFRESH_MS } from "./sessions.ts"

/** A PAT's `last_used_at` is that exact. */
const PAT_NOTE_MS = 60_000
/** Uses are written together so much later: never while a request waits. */
const WRITE_DELAY_MS = 500

export interface LastUseStore {
  /** By hash of the token, the moment of the last use. */
  noteUses(pats: ReadonlyMap<string, number>, sessions: ReadonlyMap<string, number>): Promise<void>
}

/** When tokens were last used; a session lives on by it. Best effort: what is lost with the process was minutes at most. */
export class LastUse {
  /** By hash of the token: what the database has, or is about to have. */
  readonly #noted = new Map<string, number>()
  #pats = new Map<string, number>()
  #sessions = new Map<string, number>()
  #timer: Timer | null = null

  constructor(private readonly store: LastUseStore) {}

  /** What was read from the database; never earlier than what is known to be on its way there. */
  stored(hash: string, at: number): void {
    if (this.#noted.size >= 20_000) this.#noted.clear()
    this.#noted.set(hash, Math.max(at, this.#noted.get(hash) ?? 0))
  }

  note(hash: string, identity: Identity, now: number): void {
    const interval = identity.via === "pat" ? PAT_NOTE_MS : SESSION_REFRESH_MS
    if (now - (this.#noted.get(hash) ?? 0) < interval) return
    this.#noted.set(hash, now)
    const waiting = identity.via === "pat" ? this.#pats : this.#sessions
    waiting.set(hash, now)
    this.#timer ??= setTimeout(() => void this.flush().catch(() => this.#again()), WRITE_DELAY_MS).unref()
  }

  async flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#pats.size + this.#sessions.size === 0) return
    const [pats, sessions] = [this.#pats, this.#sessions]
    this.#pats = new Map()
    this.#sessions = new Map()
    await this.store.noteUses(pats, sessions)
  }

  /** The write failed: the next use of each token tries anew. */
  #again(): void {
    this.#noted.clear()
  }
}
