import { messageOf } from "../../kernel/errors.ts"
import type { Journal } from "../ports.ts"
import type { Runs } from "../runs.ts"

/** Runs woken in one round. */
const BATCH = 200
/** Pause before a run that could not be woken is tried again. */
const HOLD_BACK_MS = 30_000

export interface WakeDeps {
  readonly journal: Journal
  readonly runs: Pick<Runs, "send">
  /** See `STALL_DEFAULT_MS`. */
  readonly stallMs: number
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * A round of the loop that wakes the runs whose moment has come: retries, expiries, ends of draining. It resolves with how
 * many. A run that cannot be woken is held back for a while, so that however many of them do not keep the others asleep.
 */
export function createWake({ journal, runs, stallMs, log }: WakeDeps): (now: number) => Promise<number> {
  const heldBack = new Map<string, number>()

  return async now => {
    for (const [id, until] of heldBack) if (until <= now) heldBack.delete(id)
    const ids = (await journal.due(now, BATCH + heldBack.size)).filter(id => !heldBack.has(id))
    await Promise.all(
      ids.map(id =>
        runs.send(id, { type: "ClockReached", stallMs }).catch(error => {
          heldBack.set(id, now + HOLD_BACK_MS)
          log.warn({ run_id: id, error: messageOf(error) }, "a run could not be woken, trying again in a while")
        }),
      ),
    )
    return ids.length
  }
}
