/**
 * Values in memory by name, the latest kept last. What strangers say may be a few bytes or megabytes: the oldest give way beyond
 * so many values, and beyond so many characters of all together.
 */
export class Shelf<T> {
  readonly #kept = new Map<string, { readonly value: T; readonly chars: number }>()
  #chars = 0

  constructor(
    private readonly max: number,
    private readonly maxChars: number,
  ) {}

  get(key: string): T | undefined {
    return this.#kept.get(key)?.value
  }

  keep(key: string, value: T, chars: number): void {
    this.delete(key)
    this.#kept.set(key, { value, chars })
    this.#chars += chars
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= this.max && this.#chars <= this.maxChars) break
      this.delete(oldest)
    }
  }

  delete(key: string): void {
    this.#chars -= this.#kept.get(key)?.chars ?? 0
    this.#kept.delete(key)
  }

  keys(): Iterable<string> {
    return this.#kept.keys()
  }
}
