import type { Clock } from "../../kernel/clock.ts"
import { LEASE_MS } from "../../kernel/limits.ts"
import type { Leaders } from "../ports.ts"

export interface LeadershipDeps {
  readonly leaders: Leaders
  readonly bootId: string
  readonly clock: Clock
}

/** Whether this boot does what only one may do: the schedules, deliveries, callbacks. */
export interface Leadership {
  /** A round of the loop that makes this boot the leader when there is none, and keeps it so. */
  renew(now: number): Promise<boolean>
  isLeader(): boolean
  /** The round, while this boot leads. */
  guard<T>(round: (now: number) => Promise<T>): () => Promise<T | null>
}

/**
 * A boot that could not renew in time stops by its own clock before the others may take over. What two leaders would do at once
 * must be harmless all the same: a process may stand still between the look and the deed.
 */
export function createLeadership({ leaders, bootId, clock }: LeadershipDeps): Leadership {
  let ledFrom = 0
  let leadsUntil = 0

  function isLeader(): boolean {
    const now = clock.now()
    // A clock that was put back must not make the lease longer.
    return now < leadsUntil && now >= ledFrom
  }

  return {
    async renew(now) {
      const leads = await leaders.lead("loops", bootId, now, now + LEASE_MS)
      ledFrom = now
      leadsUntil = leads ? now + LEASE_MS : 0
      return leads
    },
    isLeader,
    guard: round => async () => (isLeader() ? await round(clock.now()) : null),
  }
}
