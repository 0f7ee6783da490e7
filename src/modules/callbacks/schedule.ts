import { CALLBACK_RETRY_AFTER_MAX_MS } from "../../kernel/limits.ts"

const S = 1_000
const MIN = 60 * S
const H = 60 * MIN
/** After the first attempt, after the second, and so on: eleven attempts within a day and a half. */
const PAUSES_MS = [10 * S, 30 * S, 2 * MIN, 10 * MIN, 30 * MIN, 1 * H, 2 * H, 4 * H, 8 * H, 16 * H]
/** So that what failed together does not come back together. */
const JITTER = 0.2

/** Pause before the next attempt, ms; null when there is none. `random` is from 0 to 1. */
export function pauseAfter(attempts: number, random: number): number | null {
  const pause = PAUSES_MS[attempts - 1]
  return pause === undefined ? null : Math.round(pause * (1 + JITTER * (2 * random - 1)))
}

/** `Retry-After` as seconds or as a date, in ms from `now`; 0 for anything else. */
export function retryAfterMs(header: string | null, now: number): number {
  if (header === null) return 0
  const wished = /^\d+$/.test(header) ? Number(header) * S : Date.parse(header) - now
  return Number.isFinite(wished) ? Math.min(Math.max(wished, 0), CALLBACK_RETRY_AFTER_MAX_MS) : 0
}
