import { messageOf } from "../../kernel/errors.ts"
import { CHILD_MAX_JOBS, CHILD_RESTART_MAX_MS, CHILD_START_ATTEMPTS } from "../../kernel/limits.ts"
import { Child, type ChildOwner } from "./child-process.ts"

export interface RunOptions {
  /** From the moment a child starts on the job; waiting for a child does not count. */
  readonly deadlineMs: number
  /** Takes the job out of the queue, or kills the child that works on it; `run` rejects with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface ChildPool {
  /**
   * Sends one JSON request to a free child and resolves with its JSON answer. Jobs wait in order of arrival.
   * Throws ChildTimeout, ChildCrashed, ChildPoolFull, ChildRequestTooLarge, ChildPoolClosed, or the signal's reason.
   */
  run(request: unknown, options: RunOptions): Promise<unknown>
  /** Kills every child and waits until they are gone; jobs in hand and waiting ones fail with ChildPoolClosed. */
  close(): Promise<void>
  /** The children that live now, for tests and diagnostics. */
  readonly pids: readonly number[]
}

export interface ChildPoolOptions {
  readonly command: readonly string[]
  /** Most children at a time. They start when they are needed, and stay. */
  readonly size: number
  /** Jobs that may wait for a free child; one more is refused with ChildPoolFull. */
  readonly maxWaiting: number
  /** The children's whole environment; nothing is inherited. Default: empty. */
  readonly env?: { readonly [name: string]: string }
  /** A request that is longer as JSON is refused with ChildRequestTooLarge. */
  readonly maxRequestChars?: number
  /** Jobs after which a child is replaced. */
  readonly maxJobs?: number
}

/** The job took longer than its deadline; its child was killed. */
export class ChildTimeout extends Error {
  override readonly name = "ChildTimeout"
}

/** The child died or misbehaved during the job, or could not be started. The job may have had an effect. */
export class ChildCrashed extends Error {
  override readonly name = "ChildCrashed"
}

/** Too many jobs wait already. Nothing was started. */
export class ChildPoolFull extends Error {
  override readonly name = "ChildPoolFull"
}

/** The request is longer than the pool allows. Nothing was started. */
export class ChildRequestTooLarge extends Error {
  override readonly name = "ChildRequestTooLarge"
}

/** The pool was closed before the job was done. */
export class ChildPoolClosed extends Error {
  override readonly name = "ChildPoolClosed"
}

const RESTART_BASE_MS = 100

/** Variables that would turn our executable into something else. */
const FORBIDDEN_ENV = ["BUN_OPTIONS", "BUN_BE_BUN"]

interface Job {
  readonly line: string
  readonly deadlineMs: number
  readonly resolve: (answer: unknown) => void
  readonly reject: (error: unknown) => void
  readonly signal: AbortSignal | undefined
  readonly onAbort: (() => void) | undefined
}

/** A pool of children of one command that answer one JSON line with another, one job at a time each (see child-loop.ts). */
export function createChildPool(options: ChildPoolOptions): ChildPool {
  return new Pool(options)
}

class Pool implements ChildPool, ChildOwner {
  readonly #options: ChildPoolOptions
  readonly #env: { readonly [name: string]: string }
  /** Every child that has not exited, with the job it works on. */
  readonly #children = new Map<Child, Job | null>()
  /** Those that may be given a job; the one used last comes first, so that a quiet pool keeps one child warm. */
  readonly #free: Child[] = []
  readonly #waiting = new Set<Job>()
  #starting = 0
  #failedStarts = 0
  #restart: ReturnType<typeof setTimeout> | undefined
  #held = false
  #closed = false

  constructor(options: ChildPoolOptions) {
    this.#options = options
    this.#env = Object.fromEntries(
      Object.entries(options.env ?? {}).filter(([name]) => !FORBIDDEN_ENV.includes(name.toUpperCase())),
    )
  }

  get pids(): readonly number[] {
    return [...this.#children.keys()].flatMap(child => child.pid ?? [])
  }

  run(request: unknown, { deadlineMs, signal }: RunOptions): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ChildPoolClosed("the pool is closed"))
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#free.length === 0 && this.#waiting.size >= this.#options.maxWaiting) {
      return Promise.reject(new ChildPoolFull(`${this.#waiting.size} jobs wait for a child already`))
    }
    const line = `${JSON.stringify(request)}\n`
    if (line.length > (this.#options.maxRequestChars ?? Number.POSITIVE_INFINITY)) {
      return Promise.reject(new ChildRequestTooLarge(`the request has ${line.length} characters`))
    }
    return new Promise((resolve, reject) => {
      const onAbort = signal === undefined ? undefined : () => this.#abort(job)
      const job: Job = { line, deadlineMs, resolve, reject, signal, onAbort }
      if (onAbort !== undefined) signal?.addEventListener("abort", onAbort, { once: true })
      const child = this.#takeFree()
      if (child !== undefined) this.#give(child, job)
      else {
        this.#waiting.add(job)
        this.#startIfNeeded()
      }
      this.#hold()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    this.#restart = undefined
    const children = [...this.#children.keys()]
    for (const job of [...this.#waiting, ...this.#children.values()]) {
      if (job !== null) this.#settle(job, () => job.reject(new ChildPoolClosed("the pool was closed")))
    }
    this.#waiting.clear()
    this.#free.length = 0
    for (const child of children) {
      this.#children.set(child, null)
      child.hold(true) // or an empty event loop would end before they are gone
      child.kill("the pool was closed")
    }
    await Promise.all(children.map(child => child.exited))
  }

  onReady(child: Child): void {
    this.#starting--
    this.#next(child)
  }

  onAnswer(child: Child, json: string, last: boolean): void {
    const job = this.#children.get(child)
    this.#children.set(child, null)
    this.#failedStarts = 0
    if (job && !this.#answer(job, json)) child.kill("its answer is not JSON")
    else if (last || child.jobs >= (this.#options.maxJobs ?? CHILD_MAX_JOBS)) child.kill("it has done its share")
    else this.#next(child)
  }

  #answer(job: Job, json: string): boolean {
    try {
      const answer: unknown = JSON.parse(json)
      this.#settle(job, () => job.resolve(answer))
      return true
    } catch (error) {
      this.#settle(job, () => job.reject(new ChildCrashed(`the child's answer is not JSON: ${messageOf(error)}`)))
      return false
    }
  }

  onDeadline(child: Child): void {
    const job = this.#children.get(child)
    this.#children.set(child, null)
    if (job) this.#settle(job, () => job.reject(new ChildTimeout(`the job took longer than ${job.deadlineMs} ms`)))
  }

  onExit(child: Child, reason: string): void {
    const job = this.#children.get(child)
    this.#children.delete(child)
    const free = this.#free.indexOf(child)
    if (free !== -1) this.#free.splice(free, 1)
    if (job) this.#settle(job, () => job.reject(new ChildCrashed(`the sandbox child is gone: ${reason}`)))
    if (!child.ready) this.#starting--
    if (child.jobs === 0) this.#startFailed(reason)
    else if (this.#children.size === 0 || this.#waiting.size > 0) this.#start()
    this.#hold()
  }

  /** A free child takes the oldest job, or waits. */
  #next(child: Child): void {
    for (const job of this.#waiting) {
      this.#waiting.delete(job)
      this.#give(child, job)
      return
    }
    this.#free.push(child)
    this.#hold()
  }

  #takeFree(): Child | undefined {
    let child = this.#free.pop()
    while (child !== undefined && !child.usable) child = this.#free.pop()
    return child
  }

  #give(child: Child, job: Job): void {
    this.#children.set(child, job)
    child.send(job.line, job.deadlineMs)
  }

  #settle(job: Job, settle: () => void): void {
    if (job.onAbort !== undefined) job.signal?.removeEventListener("abort", job.onAbort)
    settle()
  }

  #abort(job: Job): void {
    const reason: unknown = job.signal?.reason
    if (!this.#waiting.delete(job)) {
      for (const [child, current] of this.#children) {
        if (current !== job) continue
        this.#children.set(child, null)
        child.kill("its job was aborted")
      }
    }
    this.#settle(job, () => job.reject(reason))
    this.#hold()
  }

  #startIfNeeded(): void {
    if (this.#starting < this.#waiting.size) this.#start()
  }

  #start(): void {
    if (this.#closed || this.#restart !== undefined || this.#children.size >= this.#options.size) return
    try {
      const child = new Child({ command: this.#options.command, env: this.#env }, this)
      this.#starting++
      this.#children.set(child, null)
      child.hold(this.#held)
    } catch (error) {
      this.#startFailed(messageOf(error))
    }
  }

  /**
   * A child that ended before it was of use. The n-th in a row makes the next try wait longer; from the third on, those who
   * wait are told, unless another child can still serve them.
   */
  #startFailed(reason: string): void {
    if (this.#closed) return
    this.#failedStarts++
    const alone = ![...this.#children.keys()].some(child => child.ready && child.usable)
    if (alone && this.#failedStarts >= CHILD_START_ATTEMPTS) {
      for (const job of this.#waiting) {
        this.#settle(job, () => job.reject(new ChildCrashed(`no sandbox child could be started: ${reason}`)))
      }
      this.#waiting.clear()
    }
    const pauseMs = Math.min(RESTART_BASE_MS * 2 ** (this.#failedStarts - 1), CHILD_RESTART_MAX_MS)
    this.#restart ??= setTimeout(() => {
      this.#restart = undefined
      if (this.#waiting.size > 0) this.#start()
      this.#hold()
    }, pauseMs)
  }

  /** The process stays alive for jobs, never for an idle pool. */
  #hold(): void {
    this.#setHeld(this.#busy())
  }

  #busy(): boolean {
    return this.#waiting.size > 0 || this.#free.length + this.#starting < this.#children.size
  }

  #setHeld(held: boolean): void {
    if (held === this.#held) return
    this.#held = held
    for (const child of this.#children.keys()) child.hold(held)
    if (held) this.#restart?.ref()
    else this.#restart?.unref()
  }
}
