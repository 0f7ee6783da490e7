import { AppError } from "../../kernel/errors.ts"
import type { AuthStore } from "./store.ts"

const WINDOW_MS = 15 * 60_000
const PER_ACCOUNT_MAX = 10
const PER_ADDRESS_MAX = 50

/** How long a count of failed attempts is kept. */
export const ATTEMPTS_KEPT_MS = WINDOW_MS

/** Slows down who guesses passwords: by account and by address, whether the account exists or not. */
export class Attempts {
  constructor(private readonly store: Pick<AuthStore, "countAttempt" | "forgiveAttempt">) {}

  /**
   * Counts the attempt as failed until `forgive` says otherwise. Throws `rate_limited` with the seconds to wait.
   * `address` is null where there is no socket.
   */
  async begin(email: string, address: string | null, now: number): Promise<void> {
    const limits = [{ key: accountKey(email), max: PER_ACCOUNT_MAX }]
    const from = addressKey(address)
    if (from !== null) limits.push({ key: from, max: PER_ADDRESS_MAX })
    const startedAt = await this.store.countAttempt(limits, now, WINDOW_MS)
    if (startedAt === null) return
    const retryAfterS = Math.max(1, Math.ceil((startedAt + WINDOW_MS - now) / 1000))
    throw new AppError("rate_limited", `too many failed sign-ins; try again in ${retryAfterS} seconds`, { retryAfterS })
  }

  forgive(email: string, address: string | null): Promise<void> {
    return this.store.forgiveAttempt(accountKey(email), addressKey(address))
  }
}

const accountKey = (email: string) => `account:${email}`
const addressKey = (address: string | null) => (address === null ? null : `address:${address}`)
