import { Type } from "typebox"
import type { Egress } from "../../adapters/egress/egress.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { saidBy } from "../answer.ts"
import type { Connector } from "../connector.ts"
import { inTime } from "../exchange.ts"
import { createConnector, type ToolDefinition, ToolFailure, tool } from "../kit.ts"
import { createRest, type Rest } from "../rest.ts"
import { listOf, whole } from "../shape.ts"

export interface ResendConnectorDeps {
  readonly egress: Egress
}

const RECIPIENTS_MAX = 50

export function createResendConnector({ egress }: ResendConnectorDeps): Connector {
  const rest = createRest(egress, {
    slug: "resend",
    base: "https://api.resend.com",
    baseKey: "APIBase",
    auth: { kind: "bearer", key: "APIKey" },
    messages: ["/message"],
    idempotencyHeader: "idempotency-key",
    // The first attempt with this key is still under way. Another 409 says that the mail was changed, which no wait repairs.
    busy: answer => answer.status === 409 && saidBy(answer, ["/name"]) === "concurrent_idempotent_requests",
  })
  return createConnector({
    slug: "resend",
    tools: [sendEmail(rest), listAudiences(rest)],
    probe: call => inTime(call, probe(rest)),
  })
}

/** One address or several; a graph's template often leaves one. */
function addresses(description: string, maxItems = RECIPIENTS_MAX) {
  const address = Type.String({ minLength: 3 })
  return Type.Union([address, Type.Array(address, { minItems: 1, maxItems })], { description })
}

const ATTACHMENT = Type.Object(
  {
    filename: Type.String({ minLength: 1 }),
    content: Type.Optional(Type.String({ description: "The file in base64." })),
    path: Type.Optional(Type.String({ description: "An address from which Resend fetches the file, in place of content." })),
    content_type: Type.Optional(Type.String()),
    content_id: Type.Optional(Type.String({ description: "For pictures in the html: `cid:` and this." })),
  },
  { additionalProperties: false },
)

const TAG = Type.Object({ name: Type.String(), value: Type.String() }, { additionalProperties: false })

function sendEmail(rest: Rest): ToolDefinition {
  return rest.tool({
    name: "send_email",
    description: "Sends one mail, as html, text or both. A repeat of the same step does not send it twice.",
    hints: "adds",
    request: "POST /emails",
    input: Type.Object(
      {
        to: addresses(`Who gets it: one address or up to ${RECIPIENTS_MAX}.`),
        subject: Type.String(),
        html: Type.Optional(Type.String()),
        text: Type.Optional(Type.String()),
        from: Type.Optional(Type.String({ description: "In place of FromEmail, e.g. `Name <name@example.com>`." })),
        cc: Type.Optional(addresses("Who gets a copy.")),
        bcc: Type.Optional(addresses("Who gets a copy that the others do not see.")),
        reply_to: Type.Optional(addresses("Where answers go.")),
        headers: Type.Optional(Type.Record(Type.String(), Type.String(), { description: "Further headers of the mail." })),
        attachments: Type.Optional(Type.Array(ATTACHMENT)),
        tags: Type.Optional(Type.Array(TAG)),
        scheduled_at: Type.Optional(Type.String({ description: "When to send it, e.g. 2026-01-31T08:00:00Z." })),
      },
      { additionalProperties: false },
    ),
    prepare(args, { config }) {
      if (args.html === undefined && args.text === undefined)
        throw new ToolFailure("the mail has no content: give html, text or both")
      const from = args.from ?? (typeof config.FromEmail === "string" ? config.FromEmail.trim() : "")
      if (from === "") throw new ToolFailure("FromEmail is not configured, and the call names no `from`")
      // Arguments are JSON that was checked against the schema.
      return { ...(args as JsonObject), from }
    },
    output: whole({ id: Type.String({ description: "What Resend calls this mail." }) }),
  })
}

function listAudiences(rest: Rest): ToolDefinition {
  const list = listOf("audiences", { at: "/data" })
  return tool({
    name: "list_audiences",
    description: "Lists the audiences of the account, and says which one is configured.",
    hints: "reads",
    input: Type.Object({}, { additionalProperties: false }),
    output: Type.Object({
      ...list.schema.properties,
      default_audience_id: Type.Unsafe<string | null>({ type: ["string", "null"] }),
    }),
    run: (_, call) =>
      inTime(call, async timed => {
        const configured = call.config.AudienceID
        const answer = await rest.send({ request: "GET /audiences" }, {}, timed)
        return {
          ...list.read(answer),
          default_audience_id: typeof configured === "string" && configured !== "" ? configured : null,
        }
      }),
  })
}

/** A key that may only send is a good one, too: it is told so, and the call was signed in. */
const probe = (rest: Rest) => async (call: Parameters<Rest["send"]>[2]) => {
  try {
    await rest.send({ request: "GET /audiences" }, {}, call)
  } catch (error) {
    if (!(error instanceof ToolFailure && /restricted to only send/i.test(error.message))) throw error
  }
}
