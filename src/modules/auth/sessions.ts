const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** A session ends when it was not used for this long … */
const SESSION_IDLE_MS = 30 * DAY_MS
/** … and after this long in any case. */
export const SESSION_MAX_MS = 90 * DAY_MS
/** Its use is written down at most this often. */
export const SESSION_REFRESH_MS = HOUR_MS
/** Of one person; the ones that were not used for longest give way. */
export const SESSIONS_PER_USER_MAX = 50

export function sessionEnd(createdAt: number, lastSeenAt: number): number {
  return Math.min(lastSeenAt + SESSION_IDLE_MS, createdAt + SESSION_MAX_MS)
}
