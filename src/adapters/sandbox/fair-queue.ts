/** Something that waits, and whose it is. */
export interface Owned {
  readonly owner: string
}

/**
 * What waits, by owner, each owner's in order of arrival. Owners take turns: one with a thousand waiting delays another's
 * first by one. Those who hold least go first, so that one who holds children for long does not get the next as well.
 */
export class FairQueue<T extends Owned> implements Iterable<T> {
  /** In order of turns. None of the sets is empty. */
  readonly #byOwner = new Map<string, Set<T>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  waitingOf(owner: string): number {
    return this.#byOwner.get(owner)?.size ?? 0
  }

  add(item: T): void {
    const own = this.#byOwner.get(item.owner)
    if (own === undefined) this.#byOwner.set(item.owner, new Set([item]))
    else own.add(item)
    this.#size++
  }

  /** Before all others of their owner, in their order. */
  addFirst(owner: string, items: readonly T[]): void {
    if (items.length === 0) return
    this.#byOwner.set(owner, new Set([...items, ...(this.#byOwner.get(owner) ?? [])]))
    this.#size += items.length
  }

  /** Whether it was waiting. */
  delete(item: T): boolean {
    const own = this.#byOwner.get(item.owner)
    if (!own?.delete(item)) return false
    if (own.size === 0) this.#byOwner.delete(item.owner)
    this.#size--
    return true
  }

  clear(): void {
    this.#byOwner.clear()
    this.#size = 0
  }

  /** The next one of an owner who holds less than `most`, which is then behind all other owners. */
  take(heldBy: (owner: string) => number, most: number): T | undefined {
    const owner = this.#turn(heldBy, most)
    const own = owner === undefined ? undefined : this.#byOwner.get(owner)
    if (owner === undefined || own === undefined) return undefined
    const [item] = own
    if (item === undefined) return undefined
    own.delete(item)
    this.#size--
    if (this.#byOwner.size === 1 && own.size > 0) return item // nobody to be behind of
    this.#byOwner.delete(owner)
    if (own.size > 0) this.#byOwner.set(owner, own)
    return item
  }

  /** The next one of this owner, whoever's turn it is. */
  next(owner: string): T | undefined {
    for (const item of this.#byOwner.get(owner) ?? []) return item
    return undefined
  }

  /** How many could be taken now if nothing but `most` stood in the way. */
  takeable(heldBy: (owner: string) => number, most: number): number {
    let sum = 0
    for (const [owner, own] of this.#byOwner) sum += Math.max(0, Math.min(own.size, most - heldBy(owner)))
    return sum
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const own of this.#byOwner.values()) yield* own
  }

  #turn(heldBy: (owner: string) => number, most: number): string | undefined {
    let least = most
    let found: string | undefined
    for (const owner of this.#byOwner.keys()) {
      const held = heldBy(owner)
      if (held >= least) continue
      if (held === 0) return owner
      least = held
      found = owner
    }
    return found
  }
}
