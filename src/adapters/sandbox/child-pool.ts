import { assert, messageOf } from "../../kernel/errors.ts"
import { CHILD_MAX_JOBS, CHILD_START_ATTEMPTS } from "../../kernel/limits.ts"
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
import { type Answer, Child, type ChildOwner } from "./child-process.ts"
import { FairQueue } from "./fair-queue.ts"
import { Paces, pack } from "./packing.ts"
import { FORGOTTEN_MAX_MS, HoldUpWatch, Parcel } from "./parcel.ts"
import { StartPause } from "./start-pause.ts"

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
  /**
   * Whether a child may be given several quick jobs of one owner together. Only for jobs that may be begun twice: one that was
   * given and not begun is given to another child when the first has died or takes long.
   */
  readonly parcels?: boolean
}

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
  /** Every child that has not exited, with the jobs it was given. */
  readonly #children = new Map<Child, Parcel | null>()
  /** Those that may be given a job; the one used last comes first, so that a quiet pool keeps one child warm. */
  readonly #free: Child[] = []
  readonly #waiting = new FairQueue<Job>()
  readonly #watch: MemoryWatch<Child>
  readonly #holdUps: HoldUpWatch
  readonly #paces = new Paces()
  #dispatching = false
  readonly #pause = new StartPause()
  #starting = 0
  #held = false
  #closed = false

  constructor(options: ChildPoolOptions) {
    this.#options = options
    this.#watch = new MemoryWatch(
      options.memoryMaxBytes ?? Number.POSITIVE_INFINITY,
      () => [...this.#children].flatMap(([child, parcel]) => (parcel === null ? [] : [child])),
      child => this.#tookTooMuch(child),
    )
    this.#holdUps = new HoldUpWatch(
      () => [...this.#children.values()].filter(parcel => parcel !== null),
      parcel => this.#requeue(parcel.owner, parcel.takeBack(1)),
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
    this.#hold()
    this.#dispatchSoon()
    return job.answer
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#pause.stop()
    this.#watch.stop()
    this.#holdUps.stop()
    const children = [...this.#children.keys()]
    const given = [...this.#children.values()].flatMap(parcel => parcel?.takeBack(0) ?? [])
    for (const job of [...this.#waiting, ...given]) job.reject(new ChildPoolClosed("the pool was closed"))
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

  onAnswer(child: Child, { json, tookUs, last }: Answer): void {
    const parcel = this.#children.get(child)
    if (!parcel) return
    this.#pause.worked()
    this.#paces.saw(parcel.owner, tookUs)
    const { job, takenBack } = parcel.next()
    // One that was taken back counts as done if it was not given to another child in the meantime.
    const awaited = job !== null && (!takenBack || this.#waiting.delete(job))
    if (awaited && !this.#answer(job, json)) this.#retire(child, "its answer is not JSON")
    else if (last) this.#retire(child, "it has done its share")
    else this.#goOn(child, parcel)
  }

  onHandedBack(child: Child): void {
    const parcel = this.#children.get(child)
    if (!parcel) return
    this.#requeue(parcel.owner, parcel.takeBack(0)) // those behind it have waited as long
    parcel.next()
    this.#goOn(child, parcel)
  }

  #goOn(child: Child, parcel: Parcel): void {
    if (parcel.left > 0) {
      child.allow(parcel.inHand?.deadlineMs ?? FORGOTTEN_MAX_MS)
      return
    }
    this.#children.set(child, null)
    if (child.jobs >= this.#maxJobs) child.kill("it has done its share")
    else this.#release(child)
  }

  /** Ends a child between two jobs. */
  #retire(child: Child, reason: string): void {
    child.kill(reason)
    const parcel = this.#children.get(child)
    this.#children.set(child, null)
    if (parcel) this.#requeue(parcel.owner, parcel.takeBack(0))
  }

  #requeue(owner: string, jobs: readonly Job[]): void {
    this.#waiting.addFirst(owner, jobs)
    this.#dispatchSoon()
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
    const parcel = this.#children.get(child)
    this.#children.delete(child)
    const free = this.#free.indexOf(child)
    if (free !== -1) this.#free.splice(free, 1)
    const crashed = () => new ChildCrashed(`the sandbox child is gone: ${reason}`)
    if (parcel) this.#failInHand(parcel, child.outOfMemory ? this.#tooMuchMemory() : crashed())
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

  /** When all that this turn brings is there: what arrives together should be shared out together. */
  #dispatchSoon(): void {
    if (this.#dispatching) return
    this.#dispatching = true
    queueMicrotask(() => {
      this.#dispatching = false
      this.#dispatch()
      this.#hold()
    })
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
      this.#give(child, this.#parcelFrom(job, child))
    }
    if (this.#waiting.size > 0) this.#startIfNeeded()
  }

  /** Children that work for this owner. */
  readonly #heldBy = (owner: string): number => {
    let held = 0
    for (const parcel of this.#children.values()) if (parcel?.owner === owner) held++
    return held
  }

  #takeFree(): Child | undefined {
    let child = this.#free.pop()
    while (child !== undefined && !child.usable) child = this.#free.pop()
    return child
  }

  /** More than one only as leaves the other children their part. */
  #parcelFrom(first: Job, child: Child): readonly Job[] {
    if (!this.#options.parcels) return [first]
    const part = Math.ceil((this.#waiting.waitingOf(first.owner) + 1) / this.#options.size)
    return pack(first, this.#waiting, this.#paces, Math.min(part, this.#maxJobs - child.jobs))
  }

  #give(child: Child, jobs: readonly Job[]): void {
    const [first] = jobs
    assert(first, "a job to give")
    const parcel = new Parcel(first.owner, jobs)
    this.#children.set(child, parcel)
    child.send(jobs.length === 1 ? first.line : jobs.map(job => job.line).join(""), jobs.length, first.deadlineMs)
    this.#watch.start()
    if (jobs.length > 1) this.#holdUps.start()
  }

  get #maxJobs(): number {
    return this.#options.maxJobs ?? CHILD_MAX_JOBS
  }

  #tookTooMuch(child: Child): void {
    child.kill("it took too much memory")
    this.#reject(child, this.#tooMuchMemory())
  }

  /** Fails the job in hand of a child that is told to die already. */
  #reject(child: Child, error: Error): void {
    const parcel = this.#children.get(child)
    this.#children.set(child, null)
    if (parcel) this.#failInHand(parcel, error)
  }

  /** Those behind it were not begun, and are no worse for it. */
  #failInHand(parcel: Parcel, error: Error): void {
    parcel.inHand?.reject(error)
    this.#requeue(parcel.owner, parcel.takeBack(1))
  }

  #tooMuchMemory(): ChildOutOfMemory {
    return new ChildOutOfMemory(`the job took more than ${this.#options.memoryMaxBytes} bytes of memory`)
  }

  readonly #abort = (job: Job, reason: unknown): void => {
    if (!this.#waiting.delete(job)) {
      for (const [child, parcel] of this.#children) {
        if (parcel?.inHand === job) {
          parcel.forget(job)
          this.#retire(child, "its job was aborted")
        } else parcel?.forget(job)
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
    return !this.#closed && !this.#pause.pausing && this.#children.size < this.#options.size + RESERVE
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
   * A child that ended before it was of use. From the third in a row on, those who wait are told, unless another child can
   * still serve them.
   */
  #startFailed(reason: string): void {
    if (this.#closed) return
    this.#pause.failed(() => {
      this.#dispatch()
      this.#hold()
    })
    const alone = ![...this.#children.keys()].some(child => child.ready && child.usable)
    if (!alone || this.#pause.failures < CHILD_START_ATTEMPTS) return
    for (const job of this.#waiting) job.reject(new ChildCrashed(`no sandbox child could be started: ${reason}`))
    this.#waiting.clear()
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
    this.#pause.hold(held)
  }
}
