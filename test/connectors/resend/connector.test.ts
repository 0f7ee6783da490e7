import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test"
import type { Egress } from "../../../src/adapters/egress/egress.ts"
import { createArgumentCheck } from "../../../src/connectors/arguments.ts"
import type { CallContext, Connector, ToolResult } from "../../../src/connectors/connector.ts"
import { createResendConnector } from "../../../src/connectors/resend/connector.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { callContext, egressTo } from "../call.ts"
import { type Peer, startPeer } from "../peer.ts"
import { AUDIENCES, RESEND, resendHeaderProblems } from "./vendor.ts"

const KEY = "re_canary_0123456789"
const MAIL = { to: "ada@example.com", subject: "Hello", html: "<p>Hi</p>" }

let peer: Peer
let egress: Egress
let resend: Connector
const checkArguments = createArgumentCheck()

beforeAll(() => {
  egress = egressTo("127.0.0.1")
  resend = createResendConnector({ egress })
})
afterAll(() => egress.close())
beforeEach(() => {
  peer = startPeer(RESEND, resendHeaderProblems(KEY))
})
afterEach(async () => {
  expect(peer.problems).toEqual([])
  await peer.stop()
})

async function call(name: string, args: JsonObject, context: Partial<CallContext> = {}): Promise<ToolResult> {
  const checked = checkArguments(resend.tools.find(t => t.name === name)!, args)
  if (!checked.ok) return { ok: false, message: checked.message, retryable: false }
  const { config, ...rest } = context
  const configured = { APIKey: KEY, FromEmail: "Runtime <agent@example.com>", APIBase: peer.base, ...config }
  return await resend.call(name, checked.args, callContext({ config: configured, ...rest }))
}

describe("send_email", () => {
  test("sends a mail from the configured address, with the key that tells a repeat", async () => {
    expect(await call("send_email", MAIL)).toEqual({ ok: true, value: { id: "49a3999c-0ce1-4ea6-ab68-afcd6dc2e794" } })

    const [seen] = peer.seen
    expect(seen).toMatchObject({ method: "POST", path: "/emails", body: { ...MAIL, from: "Runtime <agent@example.com>" } })
    expect(seen?.headers.get("idempotency-key")).toBe("run:step:0")
  })

  test("takes everything else that a mail can have", async () => {
    const mail = {
      to: ["ada@example.com", "bob@example.com"],
      from: "sales@example.com",
      cc: "c@example.com",
      bcc: ["d@example.com"],
      reply_to: ["e@example.com"],
      subject: "Offer",
      text: "Hi",
      headers: { "X-Entity-Ref-ID": "1" },
      attachments: [{ filename: "a.txt", content: "aGVq", content_type: "text/plain" }],
      tags: [{ name: "kind", value: "offer" }],
      scheduled_at: "2026-12-31T08:00:00Z",
    }
    expect(await call("send_email", mail)).toMatchObject({ ok: true })
    expect(peer.seen[0]?.body).toEqual(mail)
  })

  test("with a key that a header cannot carry sends its hash, the same each time", async () => {
    for (const idempotencyKey of [`run:${"s".repeat(300)}:0`, `run:${"s".repeat(300)}:0`, "run:schritt-ü:0"]) {
      expect(await call("send_email", MAIL, { idempotencyKey })).toMatchObject({ ok: true })
    }
    const [first, again, other] = peer.seen.map(one => one.headers.get("idempotency-key"))
    expect(first).toMatch(/^[0-9a-f]{64}$/)
    expect(again).toBe(first!)
    expect(other).not.toBe(first!)
  })

  test("is refused before anything is sent when there is no content, no sender or no receiver", async () => {
    expect(await call("send_email", { to: "a@b.example", subject: "x" })).toMatchObject({
      ok: false,
      message: expect.stringContaining("no content"),
    })
    expect(await call("send_email", MAIL, { config: { FromEmail: " " } })).toMatchObject({
      ok: false,
      message: expect.stringContaining("FromEmail"),
    })
    expect(await call("send_email", { ...MAIL, to: [] })).toMatchObject({ ok: false })
    expect(await call("send_email", { ...MAIL, to: Array(51).fill("a@b.example") })).toMatchObject({ ok: false })
    expect(await call("send_email", { ...MAIL, body: "x" })).toMatchObject({
      ok: false,
      message: expect.stringContaining("has no body"),
    })
    expect(peer.seen).toEqual([])
  })
})

describe("list_audiences", () => {
  test("lists them, and says which is configured", async () => {
    expect(await call("list_audiences", {})).toEqual({ ok: true, value: { audiences: AUDIENCES, default_audience_id: null } })
    expect(await call("list_audiences", {}, { config: { AudienceID: "a1" } })).toMatchObject({
      value: { default_audience_id: "a1" },
    })
    expect(peer.seen[0]?.headers.has("idempotency-key")).toBe(false)
  })
})

describe("what goes wrong at Resend", () => {
  const wrong = (statusCode: number, name: string, message: string, headers: Record<string, string> = {}) =>
    peer.answerNext({ status: statusCode, body: { statusCode, name, message }, headers })

  test("is told in its own words, and says whether another try helps", async () => {
    for (const [status, name, message, retryable] of [
      [400, "validation_error", "API key is invalid", false],
      [403, "validation_error", "The example.com domain is not verified.", false],
      [409, "concurrent_idempotent_requests", "Same idempotency key used while original request is still in progress.", true],
      [409, "invalid_idempotent_request", "Same idempotency key used with a different request payload.", false],
      [422, "missing_required_field", "Missing `to` field.", false],
      [500, "application_error", "An unexpected error occurred.", false],
      [503, "application_error", "", true],
    ] as const) {
      wrong(status, name, message)
      expect(await call("send_email", MAIL)).toEqual({
        ok: false,
        message: `Resend answered ${status}${message === "" ? "" : `: ${message}`}`,
        retryable,
      })
    }
    wrong(429, "rate_limit_exceeded", "Too many requests.", { "retry-after": "1" })
    expect(await call("send_email", MAIL)).toEqual({
      ok: false,
      message: "Resend answered 429: Too many requests. (try again after 1 s)",
      retryable: true,
    })
  })

  test("is not a key that may only send: the probe takes it", async () => {
    const context = callContext({ config: { APIKey: KEY, FromEmail: "a@b.example", APIBase: peer.base } })
    wrong(401, "restricted_api_key", "This API key is restricted to only send emails")
    expect(await resend.probe?.(context)).toEqual({ ok: true, value: {} })

    wrong(401, "missing_api_key", "Missing API Key")
    expect(await resend.probe?.(context)).toMatchObject({ ok: false, message: "Resend answered 401: Missing API Key" })
  })
})

describe("the configured address of Resend", () => {
  test("must be one, and a public one must be encrypted", async () => {
    for (const APIBase of [
      "api.example.com",
      "file:///etc/passwd",
      "https://u:p@api.example.com",
      "https://api.example.com/?x=1",
      "nonsense",
    ]) {
      expect(await call("send_email", MAIL, { config: { APIBase } })).toMatchObject({
        ok: false,
        message: expect.stringContaining("APIBase must be"),
      })
    }
    expect(await call("send_email", MAIL, { config: { APIBase: "http://93.184.216.34" } })).toEqual({
      ok: false,
      message: "credentials are not sent to 93.184.216.34 without encryption: configure its https address",
      retryable: false,
    })
  })

  test("gets no further than the operator allows", async () => {
    for (const APIBase of ["https://127.0.0.2", "https://169.254.169.254", "https://[::1]:1"]) {
      expect(await call("send_email", MAIL, { config: { APIBase } })).toMatchObject({
        ok: false,
        message: expect.stringContaining("egress.allow"),
        retryable: false,
      })
    }
  })

  test("does not lead the key to another host", async () => {
    const headers: Headers[] = []
    const other = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch(request) {
        headers.push(request.headers)
        return Response.json({ data: [] })
      },
    })
    const location = `http://127.0.0.1:${other.port}/audiences`
    peer.answerNext({ status: 302, headers: { location } }, { status: 307, headers: { location } })

    expect(await call("list_audiences", {})).toMatchObject({ ok: true })
    expect(headers.map(h => h.get("authorization"))).toEqual([null])
    expect(await call("send_email", MAIL)).toMatchObject({ ok: false, message: expect.stringContaining("not asked for") })
    expect(headers).toHaveLength(1)
    await other.stop(true)
  })
})
