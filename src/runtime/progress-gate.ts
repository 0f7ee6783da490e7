import type { JsonObject } from "../kernel/json.ts"
import { PROGRESS_EVERY_MS, PROGRESS_MAX_CHARS } from "../kernel/limits.ts"

/** Lets an attempt's progress through at a bearable pace: the first at once, then the newest of each interval, always the last. */
export class ProgressGate {
  #pause: ReturnType<typeof setTimeout> | undefined
  #newest: JsonObject | null = null
  #ended = false

  constructor(private readonly send: (data: JsonObject) => void) {}

  /** Throws what JSON throws, here and not in a timer. */
  show(data: JsonObject): void {
    if (this.#ended) return
    const sizeChars = JSON.stringify(data).length
    this.#newest = sizeChars <= PROGRESS_MAX_CHARS ? data : { truncated: true, size_chars: sizeChars }
    if (this.#pause === undefined) this.#next()
  }

  /** Sends what is left; nothing comes behind it. */
  end(): void {
    this.#ended = true
    clearTimeout(this.#pause)
    this.#flush()
  }

  #next(): void {
    this.#pause = undefined
    if (!this.#flush()) return
    this.#pause = setTimeout(() => this.#next(), PROGRESS_EVERY_MS)
    this.#pause.unref()
  }

  #flush(): boolean {
    const data = this.#newest
    this.#newest = null
    if (data === null) return false
    this.send(data)
    return true
  }
}
