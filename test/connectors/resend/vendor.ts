import type { Operation } from "../peer.ts"

/** The operations of Resend's API that the tools use, after its public OpenAPI description. */
const STRING = { type: "string" }
const ADDRESSES = { anyOf: [STRING, { type: "array", items: STRING }] }
const RECIPIENTS = { anyOf: [STRING, { type: "array", items: STRING, minItems: 1, maxItems: 50 }] }
const TAG_TEXT = { type: "string", pattern: "^[A-Za-z0-9_-]{1,256}$" }

function object(properties: object, required: readonly string[] = []) {
  return { type: "object", properties, required, additionalProperties: false }
}

export const AUDIENCES = [
  { id: "78261eea-8f8b-4381-83c6-79fa7120f1cf", name: "Registered users", created_at: "2026-01-06T22:59:55.977Z" },
]

export const RESEND: readonly Operation[] = [
  {
    id: "send an email",
    method: "POST",
    path: "/emails",
    body: object(
      {
        from: { type: "string", pattern: "^([^<>]+ <[^@\\s<>]+@[^@\\s<>]+>|[^@\\s<>]+@[^@\\s<>]+)$" },
        to: RECIPIENTS,
        subject: STRING,
        cc: ADDRESSES,
        bcc: ADDRESSES,
        reply_to: ADDRESSES,
        html: STRING,
        text: STRING,
        headers: { type: "object" },
        scheduled_at: STRING,
        attachments: {
          type: "array",
          items: object({ content: STRING, filename: STRING, path: STRING, content_type: STRING, content_id: STRING }),
        },
        tags: { type: "array", items: object({ name: TAG_TEXT, value: TAG_TEXT }) },
      },
      ["from", "to", "subject"],
    ),
    answer: () => ({ status: 200, body: { id: "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794" } }),
  },
  {
    id: "list audiences",
    method: "GET",
    path: "/audiences",
    answer: () => ({ status: 200, body: { object: "list", has_more: false, data: AUDIENCES } }),
  },
]

/** What Resend wants in the head of a request. A mail's `idempotency-key` has at most 256 characters. */
export function resendHeaderProblems(key: string): (headers: Headers) => readonly string[] {
  return headers => {
    const idempotencyKey = headers.get("idempotency-key")
    return [
      ...(headers.get("authorization") === `Bearer ${key}` ? [] : ["authorization is not the key"]),
      ...(headers.get("user-agent") ? [] : ["no user-agent, which Resend answers with 403"]),
      ...(idempotencyKey === null || /^.{1,256}$/.test(idempotencyKey) ? [] : ["idempotency-key is empty or too long"]),
    ]
  }
}
