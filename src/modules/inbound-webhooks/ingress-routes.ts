import { Elysia, t } from "elysia"
import { readBytes } from "../../http/body.ts"
import { featureDisabled } from "../../http/feature.ts"
import type { Gate } from "../../http/gate.ts"
import { WEBHOOK_BODY_MAX_BYTES } from "../../kernel/limits.ts"
import { ingressAnswer } from "./contract.ts"
import type { Ingress } from "./ingress.ts"

const DESCRIPTION =
  "Variant A: `Authorization: Bearer pat_…` and `X-Agentruntime-Signature: sha256=<hex HMAC-SHA256(secret, body)>`. " +
  'Variant B: `X-Agentruntime-Signature: t=<unix s>,v1=<hex HMAC-SHA256(secret, "<unix s>.<body>")>`, at most 300 s off. ' +
  "The same `Idempotency-Key` within 24 hours starts nothing more. 202: stored, and its run could not be started yet."

/** `:id` is the subscription's; routes of one path share the name. */
export const ingressRoutes = (deps: { gate: Gate; ingress: Ingress; webhooksEnabled: boolean }) =>
  new Elysia({ prefix: "/v1/inbound-webhooks" }).use(deps.gate).post(
    "/:id",
    async ({ params, request, set, status }) => {
      if (!deps.webhooksEnabled) throw featureDisabled()
      const bytes = await readBytes(request, WEBHOOK_BODY_MAX_BYTES)
      const { body, allowance } = await deps.ingress.receive(params.id, request.headers, bytes)
      set.headers["x-ratelimit-limit"] = String(allowance.limit)
      set.headers["x-ratelimit-remaining"] = String(allowance.remaining)
      set.headers["x-ratelimit-reset"] = String(allowance.resetAt)
      return body.status === "accepted" ? body : status(202, body)
    },
    {
      permit: { access: "signed" },
      params: t.Object({ id: t.String() }),
      response: { 200: ingressAnswer, 202: ingressAnswer },
      detail: { summary: "Deliver to an inbound webhook: starts a run", description: DESCRIPTION, tags: ["Inbound webhooks"] },
    },
  )
