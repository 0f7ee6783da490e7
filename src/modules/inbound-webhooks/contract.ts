import { t } from "elysia"
import { integer } from "../../http/shapes.ts"
import { NAME_MAX_CHARS, SECRET_GRACE_DEFAULT_MINUTES, SECRET_GRACE_MAX_MINUTES, URL_MAX_CHARS } from "../../kernel/limits.ts"

const text = t.Nullable(t.String())
const name = t.String({ minLength: 1, maxLength: NAME_MAX_CHARS })
const anyObject = t.Record(t.String(), t.Unknown())

const extras = t.Object(
  {
    use_run_setup_defaults: t.Optional(t.Boolean({ description: "Saved defaults of the version go underneath. Default false." })),
    trigger_payload: t.Optional(t.Record(t.String(), t.Unknown(), { description: "Goes under the body, which wins." })),
    trigger_steps: t.Optional(t.Record(t.String(), anyObject, { description: "By step id, as of a start." })),
    excluded_step_ids: t.Optional(t.Array(t.String())),
  },
  { description: "What every delivery's start has besides its body." },
)

const settings = {
  extras: t.Optional(t.Nullable(extras)),
  enabled: t.Optional(t.Boolean()),
  callback_url: t.Optional(
    t.Nullable(t.String({ maxLength: URL_MAX_CHARS, description: "Is told the end of every run that a delivery starts." })),
  ),
  rate_limit_per_minute: t.Optional(
    t.Nullable(integer({ minimum: 1, maximum: 1_000_000, description: "Default: `inbound_webhooks.rate_per_minute`." })),
  ),
  automation_pat_id: t.Optional(t.String({ description: "The token as whose owner the runs act." })),
  automation_bearer: t.Optional(
    t.String({ description: "That token itself, once, where its copy cannot be read from the vault. It is not kept." }),
  ),
}

export const createSubscriptionShape = t.Object({
  workflow_id: t.String(),
  name: t.Optional(name),
  ...settings,
  signing_secret: t.Optional(
    t.String({
      minLength: 10,
      maxLength: 200,
      description: "One that the senders have already, of a subscription that moves here. Default: a new one.",
    }),
  ),
})
export const patchSubscriptionShape = t.Object({ name: t.Optional(name), ...settings })

export const subscriptionShape = t.Object({
  id: t.String(),
  tenant_id: t.String(),
  project_id: t.String(),
  workflow_id: t.String(),
  name: t.String(),
  enabled: t.Boolean(),
  extras: anyObject,
  automation_pat_id: t.String(),
  callback_url: text,
  rate_limit_per_minute: t.Nullable(integer()),
  ingress_url: t.String(),
  ingress_path: t.String(),
  previous_secret_expires_at: text,
  refused_count: integer({ description: "Requests whose signature or token was not good." }),
  last_refused_at: text,
  last_refusal: t.Nullable(t.String({ description: "What was wrong with the last one. Its sender was not told." })),
  created_by: t.String(),
  created_at: t.String(),
  updated_at: t.String(),
})
export type SubscriptionBody = typeof subscriptionShape.static

const place = { ingress_url: t.String(), ingress_path: t.String() }
const secret = t.String({ description: "Shown this once." })

export const subscriptionAnswer = t.Object({ subscription: subscriptionShape, ...place })
export const newSubscriptionAnswer = t.Object({ subscription: subscriptionShape, signing_secret: secret, ...place })
export const subscriptionListShape = t.Object({
  subscriptions: t.Array(subscriptionShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})

export const rotateShape = t.Nullable(
  t.Object({
    grace_minutes: t.Optional(
      integer({
        minimum: 0,
        maximum: SECRET_GRACE_MAX_MINUTES,
        default: SECRET_GRACE_DEFAULT_MINUTES,
        description: "How long the secret until now is good, too.",
      }),
    ),
  }),
)
export const rotatedAnswer = t.Object({
  subscription: subscriptionShape,
  signing_secret: secret,
  previous_secret_expires_at: text,
})

/** Answer to a delivery (contract G-18). `parked`: stored, no run yet; `code` and `reason` say why. */
export const ingressAnswer = t.Object({
  status: t.Union([t.Literal("accepted"), t.Literal("parked")]),
  run_id: text,
  workflow_id: t.String(),
  subscription_id: t.String(),
  delivery_id: t.String(),
  duplicate: t.Optional(t.Boolean({ description: "It came before under the same Idempotency-Key." })),
  code: t.Optional(t.String()),
  reason: t.Optional(t.String()),
})
export type IngressBody = typeof ingressAnswer.static

const deliveryFields = {
  id: t.String(),
  subscription_id: t.String(),
  received_at: t.String(),
  status: t.Union([t.Literal("accepted"), t.Literal("parked")]),
  run_id: text,
  variant: t.Union([t.Literal("A"), t.Literal("B")], { description: "How it was signed: A `sha256=`, B `t=,v1=`." }),
  signed_with: t.Union([t.Literal("current"), t.Literal("previous")], { description: "Which secret, after a rotation." }),
  idempotency_key: text,
  body_sha256: t.String(),
  code: t.Nullable(t.String({ description: "Why it is parked." })),
  reason: text,
  retry_at: t.Nullable(t.String({ description: "When it is tried again by itself." })),
  redelivery_of: text,
  redelivered_by: text,
}
export const deliveryHeadShape = t.Object(deliveryFields)
export type DeliveryHeadBody = typeof deliveryHeadShape.static

export const deliveryShape = t.Object({
  ...deliveryFields,
  headers: t.Record(t.String(), t.String(), { description: "Without those that carry secrets." }),
  body: t.Unknown({ description: "As it was parsed." }),
  body_base64: t.String({ description: "As it came." }),
})
export type DeliveryBody = typeof deliveryShape.static

export const deliveryListShape = t.Object({
  deliveries: t.Array(deliveryHeadShape),
  total: integer(),
  limit: integer(),
  offset: integer(),
})

export const redeliveredAllAnswer = t.Object({
  started: integer(),
  still_parked: integer({ description: "Of those that were tried." }),
  left: t.Boolean({ description: "There are more: call again." }),
})
