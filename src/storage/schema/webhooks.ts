import { isNotNull } from "drizzle-orm"
import type { JsonObject } from "../../kernel/json.ts"
import type { ColumnKit } from "../columns.ts"

/** How a delivery was signed: over the body alone, with a token (A), or over a timestamp and the body (B). */
export type SignatureScheme = "body" | "timestamp"
/** Which of the two good secrets signed it: as long as the one before is used, some sender does not know the new one. */
export type SignedWith = "current" | "previous"
/** `parked`: stored, and its run could not be started; it can be redelivered. */
export type DeliveryStatus = "accepted" | "parked"

export const defineWebhooks = (k: ColumnKit) => {
  /** What an ingress address stands for. Signing secrets are in the vault, under `webhook:<id>` and `webhook:<id>:previous`. */
  const inboundSubscriptions = k.table(
    "inbound_subscriptions",
    {
      id: k.text("id").primaryKey(),
      tenantId: k.text("tenant_id").notNull(),
      projectId: k.text("project_id").notNull(),
      workflowId: k.text("workflow_id").notNull(),
      name: k.text("name").notNull(),
      enabled: k.bool("enabled").notNull(),
      /** The token as whose owner the runs act. */
      automationPatId: k.text("automation_pat_id").notNull(),
      /** Defaults of every start (contract §6.1). */
      extras: k.json<JsonObject>("extras").notNull(),
      callbackUrl: k.text("callback_url"),
      /** In place of the instance's own limit. */
      ratePerMinute: k.int("rate_per_minute"),
      /** Until when the secret before the last rotation is good, too; null: there is none. */
      previousSecretUntil: k.ms("previous_secret_until"),
      /** Requests whose signature or token was not good, and what was wrong with the last one. */
      refused: k.int("refused").notNull(),
      lastRefusedAt: k.ms("last_refused_at"),
      lastRefusal: k.text("last_refusal"),
      createdBy: k.text("created_by").notNull(),
      createdAt: k.ms("created_at").notNull(),
      updatedAt: k.ms("updated_at").notNull(),
    },
    t => [k.index("inbound_subscriptions_project").on(t.tenantId, t.projectId, t.createdAt)],
  )

  /** Requests whose signature was good, as they came. Written in the transaction of the run that each one starts. */
  const webhookDeliveries = k.table(
    "webhook_deliveries",
    {
      id: k.text("id").primaryKey(),
      /** Written as null, which is refused, when the subscription is not there or not enabled any more. */
      subscriptionId: k.text("subscription_id").notNull(),
      receivedAt: k.ms("received_at").notNull(),
      scheme: k.text("scheme").$type<SignatureScheme>().notNull(),
      signedWith: k.text("signed_with").$type<SignedWith>().notNull(),
      idempotencyKey: k.text("idempotency_key"),
      /** The key as long as it counts; null for a delivery without one, a redelivery, and when its time is over. */
      dedupeKey: k.text("dedupe_key"),
      /** SHA-256 of the body, hex. */
      bodyHash: k.text("body_hash").notNull(),
      headers: k.json<{ [name: string]: string }>("headers").notNull(),
      body: k.bytes("body").notNull(),
      status: k.text("status").$type<DeliveryStatus>().notNull(),
      /** Why it is parked; null when it is not. */
      reasonCode: k.text("reason_code"),
      reason: k.text("reason"),
      /** The run it started; of a parked one the id that its run will have, so that two redeliveries cannot start two. */
      runId: k.text("run_id").notNull(),
      /** When a parked one is tried again by itself; null: only when somebody asks. */
      retryAt: k.ms("retry_at"),
      /** The delivery that this one repeats, and who asked for it. */
      redeliveryOf: k.text("redelivery_of"),
      redeliveredBy: k.text("redelivered_by"),
    },
    t => [
      k.index("webhook_deliveries_list").on(t.subscriptionId, t.receivedAt, t.id),
      k.unique("webhook_deliveries_key").on(t.subscriptionId, t.dedupeKey).where(isNotNull(t.dedupeKey)),
      k.index("webhook_deliveries_parked").on(t.subscriptionId, t.status, t.receivedAt).where(isNotNull(t.reasonCode)),
      k.index("webhook_deliveries_retry").on(t.retryAt).where(isNotNull(t.retryAt)),
    ],
  )

  return { inboundSubscriptions, webhookDeliveries }
}
