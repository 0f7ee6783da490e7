import { checkedCallbackUrl } from "../../http/callback-url.ts"
import type { Page } from "../../http/paging.ts"
import { type Caller, commonScopes } from "../../http/permission.ts"
import { type Clock, rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { SECRET_GRACE_DEFAULT_MINUTES, SUBSCRIPTIONS_PER_PROJECT_MAX } from "../../kernel/limits.ts"
import type { DeliveryStatus } from "../../storage/schema/webhooks.ts"
import type { Actors } from "../auth/actors.ts"
import type { PatService } from "../pats/service.ts"
import type { WorkflowService } from "../workflows/service.ts"
import { type Automation, automationPat } from "./automation.ts"
import type { DeliveryBody, DeliveryHeadBody, IngressBody, SubscriptionBody } from "./contract.ts"
import type { Deliveries } from "./deliveries.ts"
import type { DeliveryHead, DeliveryRow, DeliveryStore } from "./delivery-store.ts"
import type { SigningSecrets } from "./secrets.ts"
import type { ProjectKey, SubscriptionRow, SubscriptionStore } from "./store.ts"

/** Parked deliveries started by one request. */
const REDELIVERED_AT_ONCE = 200

export interface InboundWebhooksDeps {
  readonly store: SubscriptionStore
  readonly deliveryStore: DeliveryStore
  readonly deliveries: Deliveries
  readonly secrets: SigningSecrets
  readonly pats: Pick<PatService, "lend">
  readonly actors: Actors
  readonly workflows: Pick<WorkflowService, "row">
  /** Without a slash at its end. */
  readonly publicUrl: string
  readonly clock: Clock
  readonly ids: Ids
}

export interface SubscriptionWish extends Automation {
  readonly name?: string
  readonly extras?: JsonObject | null
  readonly enabled?: boolean
  readonly callback_url?: string | null
  readonly rate_limit_per_minute?: number | null
}

/** Subscriptions and what was delivered to them (contract §6.1). */
export class InboundWebhookService {
  constructor(private readonly deps: InboundWebhooksDeps) {}

  async list(caller: Caller, page: Page) {
    const { items, total } = await this.deps.store.page(caller, page)
    return { subscriptions: items.map(row => this.#body(row)), total, ...page }
  }

  async get(caller: Caller, id: string) {
    return this.#answer(await this.#row(caller, id))
  }

  async create(caller: Caller, workflowId: string, wish: SubscriptionWish & { readonly signing_secret?: string }) {
    const { store, secrets, workflows, clock, ids } = this.deps
    const workflow = await workflows.row(caller, workflowId)
    if (workflow.status === "archived") throw new AppError("conflict", "the workflow is archived", { code: "WORKFLOW_ARCHIVED" })
    const automationPatId = await automationPat(this.deps, caller, wish)
    const now = clock.now()
    const row: SubscriptionRow = {
      id: ids.uuid(),
      tenantId: caller.tenantId,
      projectId: caller.projectId,
      workflowId,
      name: wish.name ?? workflow.name,
      enabled: wish.enabled ?? true,
      automationPatId,
      extras: wish.extras ?? {},
      callbackUrl: this.#callbackUrl(wish.callback_url) ?? null,
      ratePerMinute: wish.rate_limit_per_minute ?? null,
      previousSecretUntil: null,
      refused: 0,
      lastRefusedAt: null,
      lastRefusal: null,
      createdBy: caller.userId,
      createdAt: now,
      updatedAt: now,
    }
    const secret = await store.transaction(async tx => {
      if ((await store.countIn(caller, tx)) >= SUBSCRIPTIONS_PER_PROJECT_MAX) {
        const sentence = `the project has ${SUBSCRIPTIONS_PER_PROJECT_MAX} subscriptions already; delete one first`
        throw new AppError("conflict", sentence, { code: "SUBSCRIPTION_LIMIT" })
      }
      await store.insert(row, tx)
      return await secrets.make(row.tenantId, row.id, wish.signing_secret ?? null, tx)
    })
    return { ...this.#answer(row), signing_secret: secret }
  }

  /** Replaces each given field whole. */
  async patch(caller: Caller, id: string, wish: SubscriptionWish) {
    const { store } = this.deps
    await this.#row(caller, id)
    const renewed = wish.automation_pat_id !== undefined || wish.automation_bearer !== undefined
    const callbackUrl = this.#callbackUrl(wish.callback_url)
    const changes = {
      ...(wish.name !== undefined && { name: wish.name }),
      ...(wish.enabled !== undefined && { enabled: wish.enabled }),
      ...(wish.extras !== undefined && { extras: wish.extras ?? {} }),
      ...(callbackUrl !== undefined && { callbackUrl }),
      ...(wish.rate_limit_per_minute !== undefined && { ratePerMinute: wish.rate_limit_per_minute }),
      ...(renewed && { automationPatId: await automationPat(this.deps, caller, wish) }),
      updatedAt: this.deps.clock.now(),
    }
    const row = await store.transaction(tx => store.patch(caller, id, changes, tx))
    if (!row) throw noSubscription()
    return this.#answer(row)
  }

  /** With its secrets and deliveries. Its runs stay. */
  async delete(caller: Caller, id: string): Promise<void> {
    const { store, secrets, deliveryStore } = this.deps
    const gone = await store.transaction(async tx => {
      if (!(await store.delete(caller, id, tx))) return false
      await secrets.delete(caller.tenantId, id, tx)
      return true
    })
    if (!gone) throw noSubscription()
    await deliveryStore.forget(id)
  }

  /** A new secret; the one until now is good for a while longer. */
  async rotateSecret(caller: Caller, id: string, graceMinutes = SECRET_GRACE_DEFAULT_MINUTES) {
    const { store, secrets, clock } = this.deps
    const now = clock.now()
    const previousSecretUntil = graceMinutes === 0 ? null : now + graceMinutes * 60_000
    return await store.transaction(async tx => {
      const row = await store.patch(caller, id, { previousSecretUntil, updatedAt: now }, tx)
      if (!row) throw noSubscription()
      const secret = await secrets.rotate(row.tenantId, id, graceMinutes > 0, tx)
      const expiresAt = rfc3339OrNull(previousSecretUntil)
      return { subscription: this.#body(row), signing_secret: secret, previous_secret_expires_at: expiresAt }
    })
  }

  async deliveries(caller: Caller, id: string, status: DeliveryStatus | null, page: Page) {
    await this.#row(caller, id)
    const { items, total } = await this.deps.deliveryStore.page(id, status, page)
    return { deliveries: items.map(headBody), total, ...page }
  }

  async delivery(caller: Caller, id: string, deliveryId: string): Promise<DeliveryBody> {
    await this.#row(caller, id)
    return deliveryBody(await this.#delivery(id, deliveryId))
  }

  /** Starts the run of a parked delivery, or another one of a delivery that has its run. */
  async redeliver(caller: Caller, id: string, deliveryId: string): Promise<IngressBody> {
    const subscription = await this.#row(caller, id)
    const starter = await this.#starter(subscription, caller)
    const row = await this.#delivery(id, deliveryId)
    const fate = await this.deps.deliveries.redeliver(subscription, starter, row, caller.userId)
    const runId = fate.status === "accepted" ? fate.runId : null
    return { status: fate.status, run_id: runId, workflow_id: subscription.workflowId, subscription_id: id, delivery_id: fate.id }
  }

  /** Tries the parked deliveries, oldest first; ends with the first that is refused as before. */
  async redeliverParked(caller: Caller, id: string) {
    const subscription = await this.#row(caller, id)
    const starter = await this.#starter(subscription, caller)
    const rows = await this.deps.deliveryStore.parked(id, REDELIVERED_AT_ONCE + 1)
    let started = 0
    let stillParked = 0
    for (const row of rows.slice(0, REDELIVERED_AT_ONCE)) {
      const fate = await this.deps.deliveries.retry(subscription, starter, row)
      if (fate.status === "accepted") started++
      else stillParked++
    }
    return { started, still_parked: stillParked, left: rows.length > REDELIVERED_AT_ONCE }
  }

  /** A token that asks for it does not get more scopes by way of the subscription's own. */
  async #starter({ automationPatId }: SubscriptionRow, caller: Caller): Promise<Caller> {
    const starter = await this.deps.actors.ofPatId(automationPatId)
    if (starter) return { ...starter, scopes: commonScopes(starter.scopes, caller.scopes) }
    const sentence = "the subscription's token is revoked or may not start runs any more; give it another with automation_pat_id"
    throw new AppError("conflict", sentence, { code: "AUTOMATION_PAT" })
  }

  async #row(key: ProjectKey, id: string): Promise<SubscriptionRow> {
    const row = await this.deps.store.find(key, id)
    if (!row) throw noSubscription()
    return row
  }

  async #delivery(id: string, deliveryId: string): Promise<DeliveryRow> {
    const row = await this.deps.deliveryStore.find(id, deliveryId)
    if (!row) throw new AppError("not_found", "there is no such delivery of this subscription; they are kept for some days")
    return row
  }

  #callbackUrl(url: string | null | undefined): string | null | undefined {
    return url === null || url === undefined ? url : checkedCallbackUrl(url)
  }

  #answer(row: SubscriptionRow) {
    const subscription = this.#body(row)
    return { subscription, ingress_url: subscription.ingress_url, ingress_path: subscription.ingress_path }
  }

  #body(row: SubscriptionRow): SubscriptionBody {
    const path = `/v1/inbound-webhooks/${row.id}`
    const previousIsGood = row.previousSecretUntil !== null && row.previousSecretUntil > this.deps.clock.now()
    return {
      id: row.id,
      tenant_id: row.tenantId,
      project_id: row.projectId,
      workflow_id: row.workflowId,
      name: row.name,
      enabled: row.enabled,
      extras: row.extras,
      automation_pat_id: row.automationPatId,
      callback_url: row.callbackUrl,
      rate_limit_per_minute: row.ratePerMinute,
      ingress_url: `${this.deps.publicUrl}${path}`,
      ingress_path: path,
      previous_secret_expires_at: previousIsGood ? rfc3339OrNull(row.previousSecretUntil) : null,
      refused_count: row.refused,
      last_refused_at: rfc3339OrNull(row.lastRefusedAt),
      last_refusal: row.lastRefusal,
      created_by: row.createdBy,
      created_at: rfc3339(row.createdAt),
      updated_at: rfc3339(row.updatedAt),
    }
  }
}

function headBody(row: DeliveryHead): DeliveryHeadBody {
  return {
    id: row.id,
    subscription_id: row.subscriptionId,
    received_at: rfc3339(row.receivedAt),
    status: row.status,
    run_id: row.status === "accepted" ? row.runId : null,
    variant: row.scheme === "body" ? "A" : "B",
    signed_with: row.signedWith,
    idempotency_key: row.idempotencyKey,
    body_sha256: row.bodyHash,
    code: row.reasonCode,
    reason: row.reason,
    retry_at: rfc3339OrNull(row.retryAt),
    redelivery_of: row.redeliveryOf,
    redelivered_by: row.redeliveredBy,
  }
}

function deliveryBody(row: DeliveryRow): DeliveryBody {
  const bytes = Buffer.from(row.body)
  const body: unknown = JSON.parse(bytes.toString("utf8"))
  return { ...headBody(row), headers: row.headers, body, body_base64: bytes.toString("base64") }
}

function noSubscription(): AppError {
  return new AppError("not_found", "there is no such subscription in this project")
}
