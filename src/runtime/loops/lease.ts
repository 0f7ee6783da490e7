import { LEASE_MS } from "../../kernel/limits.ts"
import type { Leases } from "../ports.ts"
import type { Runs } from "../runs.ts"

export interface LeaseDeps {
  readonly leases: Leases
  readonly runs: Pick<Runs, "recover" | "forgetLost">
  readonly bootId: string
}

/**
 * A round of the loop that keeps this boot the owner of its runs, and takes over those of boots whose lease ran out. It
 * resolves with how many were taken over. After a round that came too late, others may have taken over ours.
 */
export function createLease({ leases, runs, bootId }: LeaseDeps): (now: number) => Promise<number> {
  return async now => {
    const held = await leases.hold(bootId, now, now + LEASE_MS)
    if (!held) await runs.forgetLost()
    await leases.end(now)
    return await runs.recover()
  }
}
