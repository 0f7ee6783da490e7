import type { Refusals, SubscriptionStore } from "./store.ts"

/** Counts are written together so much later: whoever sends rubbish must not make the disk busy. */
const WRITE_DELAY_MS = 1_000

/** Requests that were refused because of their signature or token. Best effort: what is lost with the process was a second. */
export class RefusalCounts {
  #waiting = new Map<string, Refusals>()
  #timer: Timer | null = null

  constructor(private readonly store: Pick<SubscriptionStore, "addRefusals">) {}

  add(subscriptionId: string, why: string, now: number): void {
    const count = (this.#waiting.get(subscriptionId)?.count ?? 0) + 1
    this.#waiting.set(subscriptionId, { count, lastAt: now, why })
    this.#timer ??= setTimeout(() => void this.flush().catch(() => {}), WRITE_DELAY_MS).unref()
  }

  async flush(): Promise<void> {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#waiting.size === 0) return
    const waiting = this.#waiting
    this.#waiting = new Map()
    await this.store.addRefusals(waiting)
  }
}
