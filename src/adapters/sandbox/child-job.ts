export interface RunOptions {
  /** From the moment a child starts on the job; waiting for a child does not count. */
  readonly deadlineMs: number
  /** Takes the job out of the queue, or kills the child that works on it; `run` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** On whose account, a project's id: owners take turns. Jobs without one are of one owner together. */
  readonly owner?: string | undefined
}

/** One request to a pool, from when it was accepted until it is settled. */
export class Job {
  readonly answer: Promise<unknown>
  readonly owner: string
  readonly deadlineMs: number
  readonly #signal: AbortSignal | undefined
  readonly #onAbort: (() => void) | undefined
  #resolve: (answer: unknown) => void = () => {}
  #reject: (error: unknown) => void = () => {}

  constructor(
    readonly line: string,
    { deadlineMs, signal, owner = "" }: RunOptions,
    onAbort: (job: Job, reason: unknown) => void,
  ) {
    this.owner = owner
    this.deadlineMs = deadlineMs
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.#signal = signal
    if (signal === undefined) return
    this.#onAbort = () => onAbort(this, signal.reason)
    signal.addEventListener("abort", this.#onAbort, { once: true })
  }

  resolve(answer: unknown): void {
    this.#forgetSignal()
    this.#resolve(answer)
  }

  reject(error: unknown): void {
    this.#forgetSignal()
    this.#reject(error)
  }

  #forgetSignal(): void {
    if (this.#onAbort !== undefined) this.#signal?.removeEventListener("abort", this.#onAbort)
  }
}
