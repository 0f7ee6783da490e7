import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { createDeliveryStore, type DeliveryRow, insertDelivery } from "../../../src/modules/inbound-webhooks/delivery-store.ts"
import { createSubscriptionStore, type SubscriptionRow } from "../../../src/modules/inbound-webhooks/store.ts"
import { MissingValue, UniqueViolation } from "../../../src/storage/database.ts"
import { dialects, type TemporaryDatabase } from "../../helpers/database.ts"

const NOW = Date.UTC(2026, 5, 10, 8)
const DAY = 86_400_000
const place = { tenantId: "acme", projectId: "p1" }

function subscriptionRow(more: Partial<SubscriptionRow> = {}): SubscriptionRow {
  return {
    ...place,
    id: crypto.randomUUID(),
    workflowId: "w",
    name: "orders",
    enabled: true,
    automationPatId: "pat",
    extras: {},
    callbackUrl: null,
    ratePerMinute: null,
    previousSecretUntil: null,
    refused: 0,
    lastRefusedAt: null,
    lastRefusal: null,
    createdBy: "u",
    createdAt: NOW,
    updatedAt: NOW,
    ...more,
  }
}

function deliveryRow(subscriptionId: string, more: Partial<DeliveryRow> = {}): DeliveryRow {
  return {
    id: crypto.randomUUID(),
    subscriptionId,
    receivedAt: NOW,
    scheme: "body",
    signedWith: "current",
    idempotencyKey: null,
    dedupeKey: null,
    bodyHash: "h",
    headers: { "content-type": "application/json" },
    body: Buffer.from([0x7b, 0x7d, 0xff]),
    status: "accepted",
    reasonCode: null,
    reason: null,
    runId: crypto.randomUUID(),
    retryAt: null,
    redeliveryOf: null,
    redeliveredBy: null,
    ...more,
  }
}

for (const dialect of dialects) {
  describe(`the stores of webhooks on ${dialect.name}`, () => {
    let temporary: TemporaryDatabase
    beforeEach(async () => {
      temporary = await dialect.open()
    })
    afterEach(() => temporary.close())

    const stores = () => ({ subs: createSubscriptionStore(temporary.db), dels: createDeliveryStore(temporary.db) })
    const added = async (more: Partial<SubscriptionRow> = {}) => {
      const row = subscriptionRow(more)
      const { subs } = stores()
      await subs.transaction(tx => subs.insert(row, tx))
      return row
    }

    test("a subscription comes back as it went in, by its address and in its project only", async () => {
      const row = await added({ extras: { a: [1] }, ratePerMinute: 5 })
      const { subs } = stores()
      expect(await subs.ofAddress(row.id)).toEqual(row)
      expect(await subs.find(place, row.id)).toEqual(row)
      expect(await subs.find({ ...place, projectId: "p2" }, row.id)).toBeNull()
      expect((await subs.page(place, { limit: 10, offset: 0 })).total).toBe(1)
      await subs.addRefusals(new Map([[row.id, { count: 3, lastAt: NOW, why: "bad" }]]))
      await subs.addRefusals(new Map([[row.id, { count: 2, lastAt: NOW + 1, why: "worse" }]]))
      expect(await subs.ofAddress(row.id)).toMatchObject({ refused: 5, lastRefusedAt: NOW + 1, lastRefusal: "worse" })
    })

    test("a delivery is stored while its subscription is there and enabled, and otherwise refused", async () => {
      const [on, off] = [await added(), await added({ enabled: false })]
      const { dels } = stores()
      const row = deliveryRow(on.id)
      await temporary.db.commit(insertDelivery(row, 0, "enabled"))
      expect(await dels.find(on.id, row.id)).toEqual(row)
      expect(await dels.find(off.id, row.id)).toBeNull()
      const insert = (id: string, whenever: "enabled" | "there") =>
        temporary.db.commit(insertDelivery(deliveryRow(id), 0, whenever)).catch(e => e)
      expect(await insert(off.id, "enabled")).toBeInstanceOf(MissingValue)
      expect(await insert(off.id, "there")).toBeUndefined()
      expect(await insert("nobody", "there")).toBeInstanceOf(MissingValue)
      expect(await dels.park(deliveryRow(off.id), 0)).toBe("gone")
    })

    test("a key is taken once in a subscription until its time is over", async () => {
      const [one, two] = [await added(), await added()]
      const { dels } = stores()
      const keyed = (id: string, at: number) => deliveryRow(id, { idempotencyKey: "k", dedupeKey: "k", receivedAt: at })
      const first = keyed(one.id, NOW)
      await temporary.db.commit(insertDelivery(first, NOW - DAY, "enabled"))
      await temporary.db.commit(insertDelivery(keyed(two.id, NOW), NOW - DAY, "enabled"))
      const twin = await temporary.db.commit(insertDelivery(keyed(one.id, NOW + 5), NOW + 5 - DAY, "enabled")).catch(e => e)
      expect(twin).toBeInstanceOf(UniqueViolation)
      expect(await dels.park(keyed(one.id, NOW + 5), NOW + 5 - DAY)).toBe("taken")
      expect(await dels.earlier(one.id, "k")).toMatchObject({ id: first.id, runId: first.runId, status: "accepted" })
      const later = keyed(one.id, NOW + DAY)
      await temporary.db.commit(insertDelivery(later, NOW, "enabled"))
      expect(await dels.earlier(one.id, "k")).toMatchObject({ id: later.id })
      expect((await dels.find(one.id, first.id))?.idempotencyKey).toBe("k")
    })

    test("parked ones are counted, listed oldest first, due when they say, and swept later than the others", async () => {
      const sub = await added()
      const { dels } = stores()
      const parked = [1, 2, 3].map(n =>
        deliveryRow(sub.id, {
          receivedAt: NOW + n,
          status: "parked",
          reasonCode: "R",
          reason: "r",
          retryAt: n === 2 ? NOW : null,
        }),
      )
      for (const row of parked) await dels.park(row, 0)
      await temporary.db.commit(insertDelivery(deliveryRow(sub.id), 0, "enabled"))
      expect(await dels.parkedReach(sub.id, 3)).toBe(true)
      expect(await dels.parkedReach(sub.id, 4)).toBe(false)
      expect((await dels.parked(sub.id, 2)).map(r => r.id)).toEqual(parked.slice(0, 2).map(r => r.id))
      expect((await dels.due(NOW, 10)).map(r => r.id)).toEqual([parked[1]!.id])
      expect((await dels.due(NOW - 1, 10)).length).toBe(0)
      expect((await dels.page(sub.id, "parked", { limit: 2, offset: 0 })).total).toBe(3)
      expect((await dels.page(sub.id, "accepted", { limit: 2, offset: 0 })).total).toBe(1)
      expect(await dels.sweep(NOW + 10, NOW + 2)).toBe(2)
      expect((await dels.page(sub.id, null, { limit: 10, offset: 0 })).items.map(r => r.id)).toEqual([
        parked[2]!.id,
        parked[1]!.id,
      ])
      await dels.forget(sub.id)
      expect((await dels.page(sub.id, null, { limit: 10, offset: 0 })).total).toBe(0)
    })
  })
}
