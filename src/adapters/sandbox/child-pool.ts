import { messageOf } from "../../kernel/errors.ts"
import { CHILD_MAX_JOBS, CHILD_RESTART_MAX_MS, CHILD_START_ATTEMPTS } from "../../kernel/limits.ts"
import {
  ChildCrashed,
  ChildOutOfMemory,
  ChildPoolClosed,
  ChildPoolFull,
  ChildRequestTooLarge,
  ChildTimeout,
} from "./child-errors.ts"
import { Job, type RunOptions } from "./child-job.ts"
import { MemoryWatch } from "./child-memory.ts"
import { Child, type ChildOwner } from "./child-process.ts"
import { FairQueue } from "./fair-queue.ts"

export interface ChildPool {
  /**
   * Sends one JSON request to a free child and resolves with its JSON answer. Jobs of one owner wait in order of arrival.
   * Throws one of child-errors.ts, or the signal's reason.
   */
  run(request: unknown, options: RunOptions): Promise<unknown>
  /** Kills every child and waits until they are gone; jobs in hand and waiting ones fail with ChildPoolClosed. */
  close(): Promise<void>
  /** The children that live now, for tests and diagnostics. */
  readonly pids: readonly number[]
}

export interface ChildPoolOptions {
  readonly command: readonly string[]
  /**
   * Most children that one owner has at a time. There is one more for everybody else, so that nobody's endless jobs are all
   * that runs. Children start when they are needed, and stay.
   */
  readonly size: number
  /** Jobs of one owner that may wait for a free child; one more is refused with ChildPoolFull. */
  readonly maxWaiting: number
  /** A child that holds more during a job is killed (ChildOutOfMemory); it must be told the same (serveJobs). */
  readonly memoryMaxBytes?: number
  /** The children's whole environment; nothing is inherited. Default: empty. */
  readonly env?: { readonly [name: string]: string }
  /** A request that is longer as JSON is refused with ChildRequestTooLarge. */
  readonly maxRequestChars?: number
  /** Jobs after which a child is replaced. */
  readonly maxJobs?: number
}

const RESTART_BASE_MS = 100

/** Variables that would turn our executable into something else. */
const FORBIDDEN_ENV = ["BUN_OPTIONS", "BUN_BE_BUN"]

/** Beyond `size`: a child that an owner who holds `size` of them cannot get. */
const RESERVE = 1

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
  readonly #waiting = new FairQueue<Job>()
  readonly #watch: MemoryWatch<Child>
  #starting = 0
  #failedStarts = 0
  #restart: ReturnType<typeof setTimeout> | undefined
  #held = false
  #closed = false

  constructor(options: ChildPoolOptions) {
    this.#options = options
    this.#watch = new MemoryWatch(
      options.memoryMaxBytes ?? Number.POSITIVE_INFINITY,
      () => [...this.#children].flatMap(([child, job]) => (job === null ? [] : [child])),
      child => this.#tookTooMuch(child),
    )
    this.#env = Object.fromEntries(
      Object.entries(options.env ?? {}).filter(([name]) => !FORBIDDEN_ENV.includes(name.toUpperCase())),
    )
  }

  get pids(): readonly number[] {
    return [...this.#children.keys()].flatMap(child => child.pid ?? [])
  }

  run(request: unknown, options: RunOptions): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ChildPoolClosed("the pool is closed"))
    if (options.signal?.aborted) return Promise.reject(options.signal.reason)
    if (this.#waiting.waitingOf(options.owner ?? "") >= this.#options.maxWaiting) {
      return Promise.reject(new ChildPoolFull(`${this.#options.maxWaiting} jobs wait for a child already`))
    }
    const line = `${JSON.stringify(request)}\n`
    if (line.length > (this.#options.maxRequestChars ?? Number.POSITIVE_INFINITY)) {
      return Promise.reject(new ChildRequestTooLarge(`the request has ${line.length} characters`))
    }
    const job = new Job(line, options, this.#abort)
    this.#waiting.add(job)
    this.#dispatch()
    this.#hold()
    return job.answer
  }

  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#restart)
    this.#restart = undefined
    this.#watch.stop()
    const children = [...this.#children.keys()]
    for (const job of [...this.#waiting, ...this.#children.values()]) {
      if (job !== null) job.reject(new ChildPoolClosed("the pool was closed"))
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
    this.#release(child)
  }

  onAnswer(child: Child, json: string, last: boolean): void {
    const job = this.#children.get(child)
    this.#children.set(child, null)
    this.#failedStarts = 0
    if (job && !this.#answer(job, json)) child.kill("its answer is not JSON")
    else if (last || child.jobs >= (this.#options.maxJobs ?? CHILD_MAX_JOBS)) child.kill("it has done its share")
    else this.#release(child)
  }

  #answer(job: Job, json: string): boolean {
    try {
      const answer: unknown = JSON.parse(json)
      job.resolve(answer)
      return true
    } catch (error) {
      job.reject(new ChildCrashed(`the child's answer is not JSON: ${messageOf(error)}`))
      return false
    }
  }

  onDeadline(child: Child): void {
    this.#reject(child, new ChildTimeout("the job took longer than its deadline"))
  }

  onExit(child: Child, reason: string): void {
    const job = this.#children.get(child)
    this.#children.delete(child)
    const free = this.#free.indexOf(child)
    if (free !== -1) this.#free.splice(free, 1)
    if (job && child.outOfMemory) job.reject(this.#tooMuchMemory())
    else if (job) job.reject(new ChildCrashed(`the sandbox child is gone: ${reason}`))
    if (!child.ready) this.#starting--
    if (child.jobs === 0) this.#startFailed(reason)
    else if (this.#children.size === 0) this.#start()
    this.#dispatch()
    this.#hold()
  }

  #release(child: Child): void {
    this.#free.push(child)
    this.#dispatch()
    this.#hold()
  }

  /** Gives free children to those whose turn it is, and starts another when that is not enough. */
  #dispatch(): void {
    while (this.#waiting.size > 0) {
      const child = this.#takeFree()
      if (child === undefined) break
      const job = this.#waiting.take(this.#heldBy, this.#options.size)
      if (job === undefined) {
        this.#free.push(child)
        return
      }
      this.#give(child, job)
    }
    if (this.#waiting.size > 0) this.#startIfNeeded()
  }

  /** Children that work for this owner. */
  readonly #heldBy = (owner: string): number => {
    let held = 0
    for (const job of this.#children.values()) if (job?.owner === owner) held++
    return held
  }

  #takeFree(): Child | undefined {
    let child = this.#free.pop()
    while (child !== undefined && !child.usable) child = this.#free.pop()
    return child
  }

  #give(child: Child, job: Job): void {
    this.#children.set(child, job)
    child.send(job.line, job.deadlineMs)
    this.#watch.start()
  }

  #tookTooMuch(child: Child): void {
    child.kill("it took too much memory")
    this.#reject(child, this.#tooMuchMemory())
  }

  /** Fails the job of a child that is told to die already. */
  #reject(child: Child, error: Error): void {
    const job = this.#children.get(child)
    this.#children.set(child, null)
    if (job) job.reject(error)
  }

  #tooMuchMemory(): ChildOutOfMemory {
    return new ChildOutOfMemory(`the job took more than ${this.#options.memoryMaxBytes} bytes of memory`)
  }

  readonly #abort = (job: Job, reason: unknown): void => {
    if (!this.#waiting.delete(job)) {
      for (const [child, current] of this.#children) {
        if (current !== job) continue
        this.#children.set(child, null)
        child.kill("its job was aborted")
      }
    }
    job.reject(reason)
    this.#hold()
  }

  #startIfNeeded(): void {
    if (!this.#mayStart()) return
    if (this.#starting < this.#waiting.takeable(this.#heldBy, this.#options.size)) this.#start()
  }

  #mayStart(): boolean {
    return !this.#closed && this.#restart === undefined && this.#children.size < this.#options.size + RESERVE
  }

  #start(): void {
    if (!this.#mayStart()) return
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
        job.reject(new ChildCrashed(`no sandbox child could be started: ${reason}`))
      }
      this.#waiting.clear()
    }
    const pauseMs = Math.min(RESTART_BASE_MS * 2 ** (this.#failedStarts - 1), CHILD_RESTART_MAX_MS)
    this.#restart ??= setTimeout(() => {
      this.#restart = undefined
      this.#dispatch()
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
