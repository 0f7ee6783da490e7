import { createHash } from "node:crypto"
import type { JsonObject } from "../../kernel/json.ts"
import { ToolFailure } from "../kit.ts"
import { orAborted } from "./dial.ts"
import { CANCEL_MAX_MS, IDLE_MAX_MS, OPEN_MAX, WAITING_MAX } from "./limits.ts"

/** One signed-in connection. */
export interface Session {
  /** False: broken, or in a state that nobody else may get. */
  readonly usable: boolean
  /** Makes it as it was after signing in. */
  reset(): Promise<void>
  /** Tells the server to stop what it does for this session, then closes it. Returns at once. */
  abandon(): void
  close(): void
}

export interface PoolSize {
  readonly open: number
  readonly idle: number
}

export interface PoolUse<S extends Session, T> {
  /** What the connections of one pool have in common: nobody else may get one. */
  readonly key: string
  readonly size: PoolSize
  readonly signal: AbortSignal
  open(signal: AbortSignal): Promise<S>
  work(session: S): Promise<T>
}

/** The pool's name of a configuration, of which nothing can be read. */
export function poolKey(tenantId: string, config: JsonObject): string {
  const entries = Object.entries(config).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return createHash("sha256")
    .update(JSON.stringify([tenantId, entries]))
    .digest("hex")
}

/** Connections that are used again, a pool for each configuration of each workspace: a bad server holds up its own calls alone. */
export class Pools<S extends Session> {
  readonly #pools = new Map<string, Pool<S>>()
  #closed = false

  async use<T>({ key, size, signal, open, work }: PoolUse<S, T>): Promise<T> {
    if (this.#closed) throw new ToolFailure("the runtime is shutting down", { retryable: true })
    let pool = this.#pools.get(key)
    if (!pool) {
      pool = new Pool(size, () => this.#pools.delete(key))
      this.#pools.set(key, pool)
    }
    const session = await pool.take(open, signal)
    const onAbort = () => session.abandon()
    signal.addEventListener("abort", onAbort, { once: true })
    try {
      if (signal.aborted) throw signal.reason
      return await orAborted(work(session), signal)
    } finally {
      signal.removeEventListener("abort", onAbort)
      pool.give(session)
    }
  }

  /** Connections of all pools, for tests and figures. */
  get open(): number {
    return [...this.#pools.values()].reduce((sum, pool) => sum + pool.open, 0)
  }

  close(): void {
    this.#closed = true
    for (const pool of this.#pools.values()) pool.close()
  }
}

interface Waiter<S> {
  readonly hand: (session: S | null) => void
}

class Pool<S extends Session> {
  /** Being opened, at work, being reset or idle. */
  open = 0
  readonly #sessions = new Set<S>()
  readonly #idle: { readonly session: S; readonly timer: ReturnType<typeof setTimeout> }[] = []
  readonly #waiters: Waiter<S>[] = []
  #closed = false

  constructor(
    private readonly size: PoolSize,
    private readonly onEmpty: () => void,
  ) {}

  async take(open: (signal: AbortSignal) => Promise<S>, signal: AbortSignal): Promise<S> {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer)
      if (idle.session.usable) return idle.session
      // Not by `#drop`: the last one would take the pool away from under this call.
      this.#sessions.delete(idle.session)
      idle.session.close()
      this.open--
    }
    const max = Math.max(1, Math.min(this.size.open, OPEN_MAX))
    if (this.open >= max) {
      const handed = await this.#wait(signal)
      if (handed) return handed
    } else this.open++
    // A place, whether it was free or handed on, is counted already.
    try {
      const session = await open(signal)
      this.#sessions.add(session)
      if (this.#closed) session.close()
      return session
    } catch (error) {
      this.#leave()
      throw error
    }
  }

  give(session: S): void {
    if (!session.usable || this.#closed) {
      this.#drop(session)
      return
    }
    const patience = setTimeout(() => session.close(), CANCEL_MAX_MS)
    session
      .reset()
      .then(
        () => (session.usable && !this.#closed ? this.#keep(session) : this.#drop(session)),
        () => this.#drop(session),
      )
      .finally(() => clearTimeout(patience))
  }

  close(): void {
    this.#closed = true
    for (const { timer } of this.#idle.splice(0)) clearTimeout(timer)
    for (const session of this.#sessions) session.close()
    this.#sessions.clear()
  }

  /** A session, or null: a place for a new one. */
  #wait(signal: AbortSignal): Promise<S | null> {
    if (this.#waiters.length >= WAITING_MAX)
      throw new ToolFailure("too many calls wait for a connection of this configuration", { retryable: true })
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(signal.reason)
      }
      const waiter: Waiter<S> = {
        hand(session) {
          signal.removeEventListener("abort", onAbort)
          resolve(session)
        },
      }
      this.#waiters.push(waiter)
      signal.addEventListener("abort", onAbort, { once: true })
    })
  }

  #keep(session: S): void {
    const waiter = this.#waiters.shift()
    if (waiter) {
      waiter.hand(session)
      return
    }
    if (this.#idle.length >= Math.min(this.size.idle, this.size.open)) {
      this.#drop(session)
      return
    }
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex(one => one.session === session),
        1,
      )
      this.#drop(session)
    }, IDLE_MAX_MS)
    timer.unref()
    this.#idle.push({ session, timer })
  }

  #drop(session: S): void {
    this.#sessions.delete(session)
    session.close()
    this.#leave()
  }

  /** A place is free: for whoever waits longest. */
  #leave(): void {
    const waiter = this.#waiters.shift()
    if (waiter) {
      waiter.hand(null)
      return
    }
    this.open--
    if (this.open === 0) this.onEmpty()
  }
}
