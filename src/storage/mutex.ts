/** Lets one at a time through, in the order of asking. */
export class Mutex {
  #tail: Promise<void> | null = null

  get free(): boolean {
    return this.#tail === null
  }

  async run<T>(body: () => Promise<T>): Promise<T> {
    const before = this.#tail
    let leave = () => {}
    const mine = new Promise<void>(resolve => {
      leave = resolve
    })
    this.#tail = mine
    if (before) await before
    try {
      return await body()
    } finally {
      if (this.#tail === mine) this.#tail = null
      leave()
    }
  }
}
