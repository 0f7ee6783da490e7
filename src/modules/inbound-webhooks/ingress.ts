import { parseJson } from "../../http/body.ts"
import { idempotencyKeyOf } from "../../http/idempotency.ts"
import type { Caller } from "../../http/permission.ts"
import { type Allowance, RateLimit, rateLimited } from "../../http/rate-limit.ts"
import type { Clock } from "../../kernel/clock.ts"
import { AppError, assert } from "../../kernel/errors.ts"
import { type Ids, isUuid } from "../../kernel/ids.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import { DELIVERY_HEADER_MAX_CHARS, DELIVERY_HEADERS_MAX, DELIVERY_KEY_KEPT_MS } from "../../kernel/limits.ts"
import type { SignatureScheme, SignedWith } from "../../storage/schema/webhooks.ts"
import type { Actors } from "../auth/actors.ts"
import type { IngressBody } from "./contract.ts"
import type { Deliveries, Fate } from "./deliveries.ts"
import type { DeliveryRow, DeliveryStore, EarlierDelivery } from "./delivery-store.ts"
import type { RefusalCounts } from "./refusals.ts"
import type { SigningSecrets } from "./secrets.ts"
import { verifySignature } from "./signature.ts"
import type { SubscriptionRow, SubscriptionStore } from "./store.ts"

export interface IngressDeps {
  readonly store: Pick<SubscriptionStore, "ofAddress">
  readonly deliveryStore: Pick<DeliveryStore, "earlier" | "find">
  readonly deliveries: Deliveries
  readonly secrets: SigningSecrets
  readonly actors: Actors
  readonly refusals: RefusalCounts
  /** Unless the subscription has a limit of its own. */
  readonly ratePerMinute: number
  readonly clock: Clock
  readonly ids: Ids
  /** Hears what became of each request. */
  readonly count: (result: DeliveryResult) => void
}

export type DeliveryResult = "accepted" | "duplicate" | "parked" | "refused" | "rate_limited" | "invalid" | "conflict"

export interface Received {
  readonly body: IngressBody
  readonly allowance: Allowance
}

interface Good {
  readonly scheme: SignatureScheme
  readonly signedWith: SignedWith
  readonly starter: Caller
}

/** What comes to the address of a subscription (contract §6.2, G-18). */
export class Ingress {
  readonly #limit = new RateLimit()
  /** Keys whose delivery is being stored, so that its double waits for it instead of racing it. */
  readonly #underWay = new Map<string, Promise<void>>()

  constructor(private readonly deps: IngressDeps) {}

  /** Resolves when the delivery is stored, with its run or parked. Throws `AppError`. */
  async receive(address: string, headers: Headers, body: Uint8Array): Promise<Received> {
    // There is no list of addresses in memory: what the row says now is what answers.
    const subscription = isUuid(address) ? await this.deps.store.ofAddress(address.toLowerCase()) : null
    if (!subscription?.enabled) throw noSuchAddress()
    const now = this.deps.clock.now()
    const good = await this.#judge(subscription, headers, body, now)
    const perMinute = subscription.ratePerMinute ?? this.deps.ratePerMinute
    const allowance = this.#limit.take(subscription.id, perMinute, now)
    if (!allowance) throw this.#counted("rate_limited", rateLimited(perMinute))
    const payload = this.#payload(body)
    const row = this.#newRow(subscription, good, headers, body, now)
    const answer = await this.#inTurn(subscription.id, row.idempotencyKey, () =>
      this.#take(subscription, good.starter, row, payload),
    )
    return { body: answer, allowance }
  }

  /** The same answer whatever is wrong; the subscription's owner can read what it was. */
  async #judge(subscription: SubscriptionRow, headers: Headers, body: Uint8Array, now: number): Promise<Good> {
    const secrets = await this.deps.secrets.good(subscription, now)
    // They go together with the row: it may have gone between the two looks.
    if (secrets.length === 0 && !(await this.deps.store.ofAddress(subscription.id))) throw noSuchAddress()
    const verdict = verifySignature(headers.get("x-agentruntime-signature"), body, secrets, now)
    if (!verdict.good) throw this.#refused(subscription, verdict.why, now)
    const starter = await this.#starter(subscription, verdict.scheme, headers)
    if (typeof starter === "string") throw this.#refused(subscription, starter, now)
    return { scheme: verdict.scheme, signedWith: verdict.secret === 0 ? "current" : "previous", starter }
  }

  /** The caller as whom the run starts; what is wrong with the token, otherwise. */
  async #starter({ automationPatId }: SubscriptionRow, scheme: SignatureScheme, headers: Headers): Promise<Caller | string> {
    const { actors } = this.deps
    const token = /^bearer\s+(.*)$/i.exec(headers.get("authorization")?.trim() ?? "")?.[1]
    if (scheme === "body" && token === undefined) return "the header Authorization: Bearer pat_… is missing"
    const starter = scheme === "body" ? await actors.ofToken(token ?? "") : await actors.ofPatId(automationPatId)
    if (starter?.patId === automationPatId) return starter
    if (starter) return "the token is not the subscription's own (automation_pat_id)"
    return "the token is revoked or unknown, or may not start runs any more"
  }

  async #take(subscription: SubscriptionRow, starter: Caller, row: DeliveryRow, payload: JsonObject): Promise<IngressBody> {
    const { deps } = this
    for (let tried = 0; ; tried++) {
      const { dedupeKey: key, receivedAt } = row
      const earlier = key === null ? null : await deps.deliveryStore.earlier(subscription.id, key)
      const keyFreeBefore = receivedAt - DELIVERY_KEY_KEPT_MS
      if (earlier && earlier.receivedAt > keyFreeBefore) return await this.#again(subscription, starter, row, earlier)
      const fate = await deps.deliveries.take(subscription, starter, row, payload, earlier && keyFreeBefore)
      if (fate === "gone") throw noSuchAddress()
      // Another process took one under the same key: its row is there now.
      if (fate === "taken") {
        assert(tried === 0, "whoever took the key is nowhere")
        continue
      }
      deps.count(fate.status)
      return answerOf(subscription, fate)
    }
  }

  /** A repeated delivery starts nothing; one that is parked is tried again, now that its sender insists. */
  async #again(subscription: SubscriptionRow, starter: Caller, row: DeliveryRow, earlier: EarlierDelivery): Promise<IngressBody> {
    if (earlier.bodyHash !== row.bodyHash) {
      const sentence = "this Idempotency-Key came with another body before; a new delivery needs a new key"
      throw this.#counted("conflict", new AppError("conflict", sentence, { code: "IDEMPOTENCY_CONFLICT" }))
    }
    this.deps.count("duplicate")
    if (earlier.status === "accepted") {
      return { ...answerOf(subscription, { status: "accepted", id: earlier.id, runId: earlier.runId }), duplicate: true }
    }
    const parked = await this.deps.deliveryStore.find(subscription.id, earlier.id)
    if (!parked) throw noSuchAddress()
    return { ...answerOf(subscription, await this.deps.deliveries.retry(subscription, starter, parked)), duplicate: true }
  }

  async #inTurn<T>(subscriptionId: string, key: string | null, work: () => Promise<T>): Promise<T> {
    if (key === null) return await work()
    const name = `${subscriptionId} ${key}`
    while (this.#underWay.has(name)) await this.#underWay.get(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#underWay.set(name, promise)
    try {
      return await work()
    } finally {
      this.#underWay.delete(name)
      resolve()
    }
  }

  #payload(body: Uint8Array): JsonObject {
    try {
      const value = body.byteLength === 0 ? undefined : parseJson(body)
      if (isJsonObject(value)) return value
    } catch (error) {
      this.deps.count("invalid")
      throw error
    }
    const error = new AppError("bad_request", "invalid request body: it must be a JSON object", { code: "INVALID_BODY" })
    throw this.#counted("invalid", error)
  }

  #newRow(
    subscription: SubscriptionRow,
    { scheme, signedWith }: Good,
    headers: Headers,
    body: Uint8Array,
    now: number,
  ): DeliveryRow {
    const key = idempotencyKeyOf(headers)
    return {
      id: this.deps.ids.uuid(),
      subscriptionId: subscription.id,
      receivedAt: now,
      scheme,
      signedWith,
      idempotencyKey: key,
      dedupeKey: key,
      bodyHash: Bun.CryptoHasher.hash("sha256", body, "hex"),
      headers: keptHeaders(headers),
      body: Buffer.from(body.buffer, body.byteOffset, body.byteLength),
      status: "accepted",
      reasonCode: null,
      reason: null,
      runId: this.deps.ids.uuid(),
      retryAt: null,
      redeliveryOf: null,
      redeliveredBy: null,
    }
  }

  #refused({ id }: SubscriptionRow, why: string, now: number): AppError {
    this.deps.refusals.add(id, why, now)
    return this.#counted("refused", new AppError("unauthenticated", "unauthorized"))
  }

  #counted(result: DeliveryResult, error: AppError): AppError {
    this.deps.count(result)
    return error
  }
}

/** Nothing that opens anything: neither tokens and cookies, nor signatures of vendors. */
const SECRET_HEADER = /auth|cookie|token|secret|signature|hmac|key$|password|credential/
const KEPT_HEADER = /^(x-.*|content-type|user-agent|idempotency-key|webhook-id|webhook-timestamp|date)$/

function keptHeaders(headers: Headers): { [name: string]: string } {
  const kept: [string, string][] = []
  for (const [name, value] of headers) {
    if (kept.length === DELIVERY_HEADERS_MAX) break
    const harmless = name === "idempotency-key" || !SECRET_HEADER.test(name)
    if (KEPT_HEADER.test(name) && harmless) kept.push([name, value.slice(0, DELIVERY_HEADER_MAX_CHARS)])
  }
  return Object.fromEntries(kept)
}

function answerOf({ id, workflowId }: SubscriptionRow, fate: Fate): IngressBody {
  const place = { workflow_id: workflowId, subscription_id: id, delivery_id: fate.id }
  if (fate.status === "accepted") return { status: "accepted", run_id: fate.runId, ...place }
  return { status: "parked", run_id: null, ...place, code: fate.reasonCode, reason: fate.reason }
}

/** The same for what is not there, was deleted, or is switched off. */
function noSuchAddress(): AppError {
  return new AppError("not_found", "there is no such webhook address")
}
