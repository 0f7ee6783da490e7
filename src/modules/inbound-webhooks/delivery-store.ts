import { and, asc, desc, eq, getTableColumns, gt, inArray, isNotNull, lt, lte, min } from "drizzle-orm"
import type { Page, PageOf } from "../../http/paging.ts"
import type { AlsoStored } from "../../runtime/ports.ts"
import { type Database, MissingValue, UniqueViolation } from "../../storage/database.ts"
import { hotSelect } from "../../storage/hot-select.ts"
import type { DeliveryStatus } from "../../storage/schema/webhooks.ts"
import type { Tables } from "../../storage/tables.ts"

export type DeliveryRow = Tables["webhookDeliveries"]["$inferSelect"]
/** As lists show it: a body may be large. */
export type DeliveryHead = Omit<DeliveryRow, "body" | "headers">

/** What an earlier delivery under the same key came to. */
export type EarlierDelivery = Pick<DeliveryRow, "id" | "bodyHash" | "receivedAt" | "status" | "runId" | "reasonCode" | "reason">

export interface Parking {
  readonly reasonCode: string
  readonly reason: string
  /** When it is tried again by itself, ms. */
  readonly retryAt: number | null
}

/** Rows deleted in one transaction: nobody else writes meanwhile. */
const DELETED_AT_ONCE = 500

const INSERT = `INSERT INTO webhook_deliveries (id, received_at, scheme, signed_with, idempotency_key, dedupe_key, body_hash, headers, body, status,
  reason_code, reason, run_id, retry_at, redelivery_of, redelivered_by, subscription_id)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, `
/** Nothing, which is refused, when the subscription was deleted, or switched off, before this is committed. */
const INSERT_WHILE_ENABLED = `${INSERT} (SELECT id FROM inbound_subscriptions WHERE id = ? AND enabled))`
/** A person may redeliver what came to a subscription that is switched off by now. */
const INSERT_WHILE_THERE = `${INSERT} (SELECT id FROM inbound_subscriptions WHERE id = ?))`
const FREE_KEY =
  "UPDATE webhook_deliveries SET dedupe_key = NULL WHERE subscription_id = ? AND dedupe_key = ? AND received_at <= ?"
const ACCEPT = `UPDATE webhook_deliveries SET status = 'accepted', reason_code = NULL, reason = NULL, retry_at = NULL WHERE id = ?`

/** `freeBefore`: an earlier one, received at that moment or before, gives its key away; null: there is none. */
export function insertDelivery(
  row: DeliveryRow,
  freeBefore: number | null,
  whenever: "enabled" | "there",
): readonly AlsoStored[] {
  const sql = whenever === "enabled" ? INSERT_WHILE_ENABLED : INSERT_WHILE_THERE
  const insert = {
    sql,
    params: [
      ...[row.id, row.receivedAt, row.scheme, row.signedWith, row.idempotencyKey, row.dedupeKey, row.bodyHash],
      JSON.stringify(row.headers),
      ...[row.body, row.status, row.reasonCode, row.reason, row.runId, row.retryAt, row.redeliveryOf, row.redeliveredBy],
      row.subscriptionId,
    ],
  }
  if (row.dedupeKey === null || freeBefore === null) return [insert]
  return [{ sql: FREE_KEY, params: [row.subscriptionId, row.dedupeKey, freeBefore] }, insert]
}

export function acceptDelivery(id: string): AlsoStored {
  return { sql: ACCEPT, params: [id] }
}

export interface DeliveryStore {
  /** Under a key that still counts, or did until lately. */
  earlier(subscriptionId: string, key: string): Promise<EarlierDelivery | null>
  /** `taken`: another delivery has the key. `gone`: the subscription is not there, or not enabled. */
  park(row: DeliveryRow, freeBefore: number | null): Promise<"parked" | "taken" | "gone">
  /** Of one that is parked already. */
  parkAgain(id: string, parking: Parking): Promise<void>
  find(subscriptionId: string, id: string): Promise<DeliveryRow | null>
  /** Newest first. */
  page(subscriptionId: string, status: DeliveryStatus | null, page: Page): Promise<PageOf<DeliveryHead>>
  /** Whether so many are parked. */
  parkedReach(subscriptionId: string, max: number): Promise<boolean>
  /** Parked ones of a subscription, oldest first. */
  parked(subscriptionId: string, limit: number): Promise<readonly DeliveryRow[]>
  /** Parked ones that are to be tried again, earliest first. */
  due(now: number, limit: number): Promise<readonly DeliveryRow[]>
  /** Deletes those of a subscription. */
  forget(subscriptionId: string): Promise<void>
  /** Deletes what was received before; how many. */
  sweep(acceptedBefore: number, parkedBefore: number): Promise<number>
}

export function createDeliveryStore(db: Database): DeliveryStore {
  const { webhookDeliveries: deliveries } = db.tables
  const { body: _body, headers: _headers, ...head } = getTableColumns(deliveries)
  const { id, subscriptionId, bodyHash, receivedAt, status, runId, reasonCode, reason } = deliveries
  const findEarlier = hotSelect(
    db,
    { id, bodyHash, receivedAt, status, runId, reasonCode, reason },
    "subscription_id = ? AND dedupe_key = ?",
  )
  const isParked = (ofWhich: string) =>
    and(eq(subscriptionId, ofWhich), eq(deliveries.status, "parked"), isNotNull(deliveries.reasonCode))

  /** In slices, with the writer let go between them. */
  async function deleteAll(where: ReturnType<typeof and>): Promise<number> {
    let total = 0
    for (;;) {
      const which = db.read.select({ id }).from(deliveries).where(where).limit(DELETED_AT_ONCE)
      const gone = await db.write(async tx => await tx.delete(deliveries).where(inArray(id, which)).returning({ id }))
      total += gone.length
      if (gone.length < DELETED_AT_ONCE) return total
    }
  }

  return {
    async earlier(ofWhich, key) {
      const [row] = await findEarlier([ofWhich, key])
      return row ?? null
    },

    async park(row, freeBefore) {
      try {
        await db.commit(insertDelivery(row, freeBefore, "enabled"))
        return "parked"
      } catch (error) {
        if (error instanceof UniqueViolation) return "taken"
        if (error instanceof MissingValue) return "gone"
        throw error
      }
    },

    async parkAgain(deliveryId, parking) {
      await db.write(async tx => {
        await tx
          .update(deliveries)
          .set(parking)
          .where(and(eq(id, deliveryId), eq(status, "parked")))
      })
    },

    async find(ofWhich, deliveryId) {
      const [row] = await db.read
        .select()
        .from(deliveries)
        .where(and(eq(subscriptionId, ofWhich), eq(id, deliveryId)))
      return row ?? null
    },

    async page(ofWhich, wanted, { limit, offset }) {
      const all = eq(subscriptionId, ofWhich)
      const where = wanted === "parked" ? isParked(ofWhich) : wanted === null ? all : and(all, eq(deliveries.status, wanted))
      const rows = db.read.select(head).from(deliveries).where(where).orderBy(desc(receivedAt), desc(id))
      return { items: await rows.limit(limit).offset(offset), total: await db.read.$count(deliveries, where) }
    },

    async parkedReach(ofWhich, max) {
      const rows = db.read.select({ id }).from(deliveries).where(isParked(ofWhich))
      return (await rows.limit(1).offset(max - 1)).length > 0
    },

    async parked(ofWhich, limit) {
      return await db.read.select().from(deliveries).where(isParked(ofWhich)).orderBy(asc(receivedAt), asc(id)).limit(limit)
    },

    async due(now, limit) {
      return await db.read
        .select()
        .from(deliveries)
        .where(lte(deliveries.retryAt, now))
        .orderBy(asc(deliveries.retryAt))
        .limit(limit)
    },

    async forget(ofWhich) {
      await deleteAll(eq(subscriptionId, ofWhich))
    },

    async sweep(acceptedBefore, parkedBefore) {
      let total = 0
      // From one subscription to the next, also of those that were deleted: each is one range of the list's index.
      for (let last = ""; ; ) {
        const [next] = await db.read
          .select({ id: min(subscriptionId) })
          .from(deliveries)
          .where(gt(subscriptionId, last))
        if (!next?.id) return total
        last = next.id
        const ofNext = eq(subscriptionId, last)
        total += await deleteAll(and(ofNext, lt(receivedAt, acceptedBefore), eq(status, "accepted")))
        total += await deleteAll(and(ofNext, lt(receivedAt, parkedBefore), eq(status, "parked")))
      }
    },
  }
}
