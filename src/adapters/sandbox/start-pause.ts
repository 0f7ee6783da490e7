import { CHILD_RESTART_MAX_MS } from "../../kernel/limits.ts"

const BASE_MS = 100

/** Keeps a pool from starting a command over and over that does not work: the n-th failure in a row makes a longer pause. */
export class StartPause {
  /** In a row. */
  failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined

  get pausing(): boolean {
    return this.#timer !== undefined
  }

  failed(whenOver: () => void): void {
    this.failures++
    const pauseMs = Math.min(BASE_MS * 2 ** (this.failures - 1), CHILD_RESTART_MAX_MS)
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      whenOver()
    }, pauseMs)
  }

  worked(): void {
    this.failures = 0
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Whether it keeps the process alive. */
  hold(alive: boolean): void {
    if (alive) this.#timer?.ref()
    else this.#timer?.unref()
  }
}
