import { messageOf } from "../../kernel/errors.ts"
import type { Actors } from "../auth/actors.ts"
import type { Deliveries } from "./deliveries.ts"
import type { DeliveryStore } from "./delivery-store.ts"
import type { SubscriptionStore } from "./store.ts"

/** Deliveries tried again in one round. */
const BATCH = 100
const DAY_MS = 86_400_000

export interface RetryDeps {
  readonly store: Pick<SubscriptionStore, "ofAddress">
  readonly deliveryStore: Pick<DeliveryStore, "due" | "parkAgain">
  readonly deliveries: Pick<Deliveries, "retry">
  readonly actors: Actors
  readonly log: { warn(fields: object, message: string): void }
}

/**
 * A round of the loop that starts what was parked because there was too much at once, or the server was about to stop. It
 * resolves with how many were tried. What fails for another reason waits for somebody.
 */
export function createDeliveryRetry(deps: RetryDeps): (now: number) => Promise<number> {
  return async now => {
    const rows = await deps.deliveryStore.due(now, BATCH)
    for (const row of rows) {
      const subscription = await deps.store.ofAddress(row.subscriptionId)
      const starter = subscription && (await deps.actors.ofPatId(subscription.automationPatId))
      if (!subscription?.enabled || !starter) {
        const why = subscription?.enabled ? "its token is not good any more" : "its subscription is switched off"
        await deps.deliveryStore.parkAgain(row.id, { reasonCode: "NOT_STARTED", reason: why, retryAt: null })
        continue
      }
      try {
        await deps.deliveries.retry(subscription, starter, row)
      } catch (error) {
        deps.log.warn(
          { delivery_id: row.id, error: messageOf(error) },
          "a parked delivery could not be tried again, trying later",
        )
      }
    }
    return rows.length
  }
}

/** Deletes deliveries that are kept long enough. */
export function createDeliverySweep(
  store: Pick<DeliveryStore, "sweep">,
  keepDays: number,
  keepParkedDays: number,
): (now: number) => Promise<number> {
  return async now => await store.sweep(now - keepDays * DAY_MS, now - keepParkedDays * DAY_MS)
}
