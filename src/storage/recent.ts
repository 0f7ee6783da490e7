interface Kept<T> {
  readonly value: T
  readonly readAt: number
}

/**
 * Values read lately, so that hot paths need not read them again. Whoever changes what they were read from calls `clear`;
 * changes of another process count after `maxAgeMs` at the latest. What was read before a change and arrives after it is used
 * once at most, and not kept.
 */
export class Recent<T> {
  readonly #kept = new Map<string, Kept<T>>()
  #version = 0

  /** The oldest give way beyond `max`. */
  constructor(
    private readonly max: number,
    private readonly maxAgeMs: number,
  ) {}

  /** `now` in ms; undefined when it has to be read. */
  get(key: string, now: number): T | undefined {
    const kept = this.#kept.get(key)
    return kept && now - kept.readAt < this.maxAgeMs ? kept.value : undefined
  }

  /** Null is not kept. */
  async read(key: string, now: number, load: () => Promise<T | null>): Promise<T | null> {
    const known = this.get(key, now)
    if (known !== undefined) return known
    const version = this.#version
    const value = await load()
    if (value === null || version !== this.#version) return value
    this.#kept.delete(key)
    const oldest = this.#kept.size >= this.max ? this.#kept.keys().next().value : undefined
    if (oldest !== undefined) this.#kept.delete(oldest)
    this.#kept.set(key, { value, readAt: now })
    return value
  }

  clear(): void {
    this.#version++
    this.#kept.clear()
  }

  forget(key: string): void {
    this.#version++
    this.#kept.delete(key)
  }
}
