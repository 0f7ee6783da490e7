import { Elysia, t } from "elysia"
import { featureDisabled } from "../../http/feature.ts"
import type { Gate } from "../../http/gate.ts"
import { pageOf, pageQuery } from "../../http/paging.ts"
import { type Permission, WRITE_WORKFLOWS } from "../../http/permission.ts"
import {
  createSubscriptionShape,
  deliveryListShape,
  deliveryShape,
  ingressAnswer,
  newSubscriptionAnswer,
  patchSubscriptionShape,
  redeliveredAllAnswer,
  rotatedAnswer,
  rotateShape,
  subscriptionAnswer,
  subscriptionListShape,
} from "./contract.ts"
import type { InboundWebhookService, SubscriptionWish } from "./service.ts"

const MANAGE: Permission = { access: "project", role: "project_contributor", scopes: WRITE_WORKFLOWS }
const tags = ["Inbound webhooks"]

export interface InboundWebhookRoutesDeps {
  readonly gate: Gate
  readonly webhooks: InboundWebhookService
  /** False: every route of them answers 404 (contract §2.5). */
  readonly webhooksEnabled: boolean
}

export const inboundWebhookRoutes = ({ gate, webhooks, webhooksEnabled }: InboundWebhookRoutesDeps) =>
  new Elysia({ prefix: "/v1/inbound-webhooks" })
    .use(gate)
    .onBeforeHandle(() => {
      if (!webhooksEnabled) throw featureDisabled()
    })
    .get("", ({ caller, query }) => webhooks.list(caller, pageOf(query)), {
      permit: MANAGE,
      query: t.Object(pageQuery),
      response: subscriptionListShape,
      detail: { summary: "Subscriptions of the project, without secrets", tags },
    })
    .post(
      "",
      async ({ caller, body: { workflow_id, ...wish }, status }) =>
        status(201, await webhooks.create(caller, workflow_id, wish as SubscriptionWish)),
      {
        permit: MANAGE,
        body: createSubscriptionShape,
        response: { 201: newSubscriptionAnswer },
        detail: { summary: "Make an address whose deliveries start a workflow; the signing secret is shown this once", tags },
      },
    )
    .get("/:id", ({ caller, params }) => webhooks.get(caller, params.id), {
      permit: MANAGE,
      response: subscriptionAnswer,
      detail: { summary: "One subscription, without its secret", tags },
    })
    .patch("/:id", ({ caller, params, body }) => webhooks.patch(caller, params.id, body as SubscriptionWish), {
      permit: MANAGE,
      body: patchSubscriptionShape,
      response: subscriptionAnswer,
      detail: { summary: "Change a subscription; each given field is replaced whole", tags },
    })
    .delete(
      "/:id",
      async ({ caller, params, set }) => {
        await webhooks.delete(caller, params.id)
        set.status = 204
      },
      {
        permit: MANAGE,
        response: { 204: t.Void() },
        detail: { summary: "Delete a subscription, its secrets and its deliveries; its runs stay", tags },
      },
    )
    .post("/:id/rotate-secret", ({ caller, params, body }) => webhooks.rotateSecret(caller, params.id, body?.grace_minutes), {
      permit: MANAGE,
      body: rotateShape,
      response: rotatedAnswer,
      detail: { summary: "A new signing secret; for a while both are good", tags },
    })
    .get(
      "/:id/deliveries",
      ({ caller, params, query }) => webhooks.deliveries(caller, params.id, query.status ?? null, pageOf(query)),
      {
        permit: MANAGE,
        query: t.Object({ ...pageQuery, status: t.Optional(t.Union([t.Literal("accepted"), t.Literal("parked")])) }),
        response: deliveryListShape,
        detail: { summary: "What was delivered, newest first", tags },
      },
    )
    .get("/:id/deliveries/:delivery_id", ({ caller, params }) => webhooks.delivery(caller, params.id, params.delivery_id), {
      permit: MANAGE,
      response: deliveryShape,
      detail: { summary: "One delivery with its headers and body", tags },
    })
    .post(
      "/:id/deliveries/:delivery_id/redeliver",
      ({ caller, params }) => webhooks.redeliver(caller, params.id, params.delivery_id),
      {
        permit: MANAGE,
        response: ingressAnswer,
        detail: { summary: "Start the run of a parked delivery, or another one of a delivery that had its run", tags },
      },
    )
    .post("/:id/redeliver", ({ caller, params }) => webhooks.redeliverParked(caller, params.id), {
      permit: MANAGE,
      response: redeliveredAllAnswer,
      detail: { summary: "Try all parked deliveries, oldest first", tags },
    })
