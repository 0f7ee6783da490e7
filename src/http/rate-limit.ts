import { AppError } from "../kernel/errors.ts"

/** Callers that are remembered; who was not seen for a minute has a full bucket anyway. */
const BUCKETS_MAX = 10_000
const MINUTE_MS = 60_000

interface Bucket {
  tokens: number
  at: number
}

/** What is left for a caller, as the headers of its answer say it. */
export interface Allowance {
  readonly limit: number
  readonly remaining: number
  /** When the bucket is full again, unix seconds. */
  readonly resetAt: number
}

/** Token buckets (contract G-2): so many requests a minute, as many of them at once. */
export class RateLimit {
  readonly #buckets = new Map<string, Bucket>()

  /** Takes one request from the bucket of `key`; null when it is empty. */
  take(key: string, perMinute: number, now: number): Allowance | null {
    const bucket = this.#buckets.get(key) ?? this.#newBucket(key, perMinute, now)
    const since = Math.max(0, now - bucket.at)
    bucket.tokens = Math.min(perMinute, bucket.tokens + (since * perMinute) / MINUTE_MS)
    bucket.at = now
    if (bucket.tokens < 1) return null
    bucket.tokens -= 1
    const resetAt = Math.ceil((now + ((perMinute - bucket.tokens) * MINUTE_MS) / perMinute) / 1000)
    return { limit: perMinute, remaining: Math.floor(bucket.tokens), resetAt }
  }

  #newBucket(key: string, perMinute: number, now: number): Bucket {
    const oldest = this.#buckets.size >= BUCKETS_MAX ? this.#buckets.keys().next().value : undefined
    if (oldest !== undefined) this.#buckets.delete(oldest)
    const made = { tokens: perMinute, at: now }
    this.#buckets.set(key, made)
    return made
  }
}

export function rateLimited(perMinute: number): AppError {
  const retryAfterS = Math.max(1, Math.ceil(60 / perMinute))
  return new AppError("rate_limited", `rate limited: at most ${perMinute} requests a minute`, { retryAfterS })
}
