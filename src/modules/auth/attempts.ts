import { AppError } from "../../kernel/errors.ts"
import { networkOf } from "./address.ts"
import type { AttemptStore } from "./attempt-store.ts"

const WINDOW_MS = 15 * 60_000
/** Of one account from one network: a stranger elsewhere must not lock its owner out. */
const PER_ACCOUNT_AND_NETWORK_MAX = 10
const PER_ADDRESS_MAX = 50
/** Of one account from everywhere: what many networks together may guess. */
const PER_ACCOUNT_MAX = 100

/** How long a count of failed attempts is kept. */
export const ATTEMPTS_KEPT_MS = WINDOW_MS

/** Slows down who guesses passwords, whether the account exists or not. */
export class Attempts {
  constructor(private readonly store: Pick<AttemptStore, "count" | "forgive">) {}

  /**
   * Counts the attempt as failed until `forgive` says otherwise. Throws `rate_limited` with the seconds to wait.
   * `address` is null where there is no socket.
   */
  async begin(email: string, address: string | null, now: number): Promise<void> {
    const startedAt = await this.store.count(limitsOf(email, address), now, WINDOW_MS)
    if (startedAt === null) return
    const retryAfterS = Math.max(1, Math.ceil((startedAt + WINDOW_MS - now) / 1000))
    throw new AppError("rate_limited", `too many failed attempts; try again in ${retryAfterS} seconds`, { retryAfterS })
  }

  /** The account starts anew in this network; elsewhere, and for the address, only this attempt is given back. */
  forgive(email: string, address: string | null): Promise<void> {
    const from = addressKey(address)
    return this.store.forgive(accountAndNetworkKey(email, address), [accountKey(email), ...(from === null ? [] : [from])])
  }

  /** As `forgive`, but the address keeps its count: making accounts is limited also where each of them is good. */
  forgiveAccount(email: string, address: string | null): Promise<void> {
    return this.store.forgive(accountAndNetworkKey(email, address), [accountKey(email)])
  }
}

/** The narrow ones first: see `AttemptStore.count`. */
function limitsOf(email: string, address: string | null) {
  const from = addressKey(address)
  return [
    { key: accountAndNetworkKey(email, address), max: PER_ACCOUNT_AND_NETWORK_MAX },
    ...(from === null ? [] : [{ key: from, max: PER_ADDRESS_MAX }]),
    { key: accountKey(email), max: PER_ACCOUNT_MAX },
  ]
}

const accountKey = (email: string) => `account:${email}`
const addressKey = (address: string | null) => (address === null ? null : `address:${address}`)
// An e-mail address has no space: no account's key is another's.
const accountAndNetworkKey = (email: string, address: string | null) =>
  `account:${email} from ${address === null ? "unknown" : networkOf(address)}`
