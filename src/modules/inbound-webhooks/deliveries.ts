import type { Clock } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import { PARKED_DELIVERIES_MAX } from "../../kernel/limits.ts"
import { type AlsoStored, RunExists, StartOutdated } from "../../runtime/ports.ts"
import type { RunStarts, Starter } from "../runs/start.ts"
import { acceptDelivery, type DeliveryRow, type DeliveryStore, insertDelivery, type Parking } from "./delivery-store.ts"
import type { SubscriptionRow } from "./store.ts"

/** Pause before a delivery that was parked because of too much at once is tried again. */
const RETRY_MS = 10_000

export interface DeliveriesDeps {
  readonly store: DeliveryStore
  readonly starts: Pick<RunStarts, "start">
  readonly clock: Clock
  readonly ids: Ids
}

/** What became of a delivery. */
export type Fate =
  | { readonly status: "accepted"; readonly id: string; readonly runId: string }
  | { readonly status: "parked"; readonly id: string; readonly reasonCode: string; readonly reason: string }

/** Starts the runs of deliveries: delivery and run are stored together, or the delivery alone with why it has no run. */
export class Deliveries {
  constructor(private readonly deps: DeliveriesDeps) {}

  /**
   * `row` as it came; `freeBefore` as of `insertDelivery`. `taken`: another delivery came under its key meanwhile. `gone`: the
   * subscription was deleted or switched off. Throws `AppError` when nothing could be stored.
   */
  async take(
    subscription: SubscriptionRow,
    starter: Starter,
    row: DeliveryRow,
    payload: JsonObject,
    freeBefore: number | null,
  ): Promise<Fate | "taken" | "gone"> {
    const also = insertDelivery(row, freeBefore, "enabled")
    let refusal: AppError | null
    try {
      refusal = await this.#start(subscription, starter, row, payload, also)
    } catch (error) {
      if (error instanceof RunExists) return "taken"
      if (error instanceof StartOutdated) return "gone"
      throw error
    }
    if (refusal === null) return { status: "accepted", id: row.id, runId: row.runId }
    const parking = this.#parking(refusal)
    if (await this.deps.store.parkedReach(subscription.id, PARKED_DELIVERIES_MAX)) {
      const sentence = `${PARKED_DELIVERIES_MAX} deliveries are parked already; redeliver them, or mend what keeps them from starting`
      throw new AppError("unavailable", sentence, { code: "WEBHOOK_BACKLOG_FULL", retryAfterS: 60 })
    }
    const stored = await this.deps.store.park({ ...row, status: "parked", ...parking }, freeBefore)
    return stored !== "parked" ? stored : { status: "parked", id: row.id, ...parking }
  }

  /**
   * Starts the run of a parked delivery; another run for one that has its own, as a delivery that names the first. Throws
   * the `AppError` of the start.
   */
  async redeliver(subscription: SubscriptionRow, starter: Starter, row: DeliveryRow, by: string): Promise<Fate> {
    if (row.status === "parked") {
      const fate = await this.retry(subscription, starter, row)
      if (fate.status === "accepted") return fate
      throw new AppError("conflict", `the run could not be started: ${fate.reason}`, { code: fate.reasonCode })
    }
    const again: DeliveryRow = {
      ...row,
      id: this.deps.ids.uuid(),
      runId: this.deps.ids.uuid(),
      receivedAt: this.deps.clock.now(),
      dedupeKey: null,
      redeliveryOf: row.redeliveryOf ?? row.id,
      redeliveredBy: by,
    }
    const refusal = await this.#start(subscription, starter, again, payloadOf(row), insertDelivery(again, null, "there"))
    if (refusal) throw refusal
    return { status: "accepted", id: again.id, runId: again.runId }
  }

  /** Of a parked one: its run has its id already, so whoever else tries at the same time starts nothing more. */
  async retry(subscription: SubscriptionRow, starter: Starter, row: DeliveryRow): Promise<Fate> {
    try {
      const refusal = await this.#start(subscription, starter, row, payloadOf(row), [acceptDelivery(row.id)])
      if (refusal) return await this.parkAgain(row, refusal)
    } catch (error) {
      if (!(error instanceof RunExists)) throw error
    }
    return { status: "accepted", id: row.id, runId: row.runId }
  }

  async parkAgain(row: DeliveryRow, refusal: AppError): Promise<Fate> {
    const parking = this.#parking(refusal)
    await this.deps.store.parkAgain(row.id, parking)
    return { status: "parked", id: row.id, ...parking }
  }

  /** Null when the run has started; why not, when the start was refused. */
  async #start(
    { id, workflowId, extras, callbackUrl }: SubscriptionRow,
    starter: Starter,
    delivery: DeliveryRow,
    payload: JsonObject,
    also: readonly AlsoStored[],
  ): Promise<AppError | null> {
    const { trigger_payload: under, ...saved } = extras
    const params: JsonObject = {
      ...saved,
      trigger_type: "webhook",
      trigger_payload: { ...(isJsonObject(under) && under), ...payload },
      ...(callbackUrl !== null && { callback_url: callbackUrl }),
    }
    try {
      const origin = { type: "webhook", subscription_id: id, delivery_id: delivery.id } as const
      await this.deps.starts.start(starter, workflowId, params, { runId: delivery.runId, also, origin })
      return null
    } catch (error) {
      if (error instanceof AppError) return error
      throw error
    }
  }

  #parking(refusal: AppError): Parking {
    const temporary = refusal.kind === "unavailable"
    return {
      reasonCode: refusal.extras.code ?? refusal.kind.toUpperCase(),
      reason: refusal.message,
      retryAt: temporary ? this.deps.clock.now() + RETRY_MS : null,
    }
  }
}

/** The signature was checked before it was stored, and so was that it is an object. */
function payloadOf({ body }: DeliveryRow): JsonObject {
  return JSON.parse(Buffer.from(body).toString("utf8")) as JsonObject
}
