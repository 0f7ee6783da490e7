import { describe, expect, test } from "bun:test"
import { toWire } from "../../src/http/errors.ts"
import { AppError, type ErrorKind } from "../../src/kernel/errors.ts"

const SECRET = "do-not-tell"

describe("an error that is the caller's to know", () => {
  const table: Record<ErrorKind, readonly [number, string]> = {
    bad_request: [400, "INVALID_REQUEST"],
    unauthenticated: [401, "UNAUTHORIZED"],
    forbidden: [403, "FORBIDDEN"],
    not_found: [404, "NOT_FOUND"],
    conflict: [409, "CONFLICT"],
    gone: [410, "GONE"],
    too_large: [413, "BODY_TOO_LARGE"],
    invalid: [422, "VALIDATION_ERROR"],
    rate_limited: [429, "RATE_LIMITED"],
    unavailable: [503, "UNAVAILABLE"],
  }

  test.each(Object.entries(table))("%s is sent as %j with its sentence", (kind, [status, code]) => {
    const wire = toWire(new AppError(kind as ErrorKind, "do this"), "UNKNOWN", "r")
    expect(wire).toMatchObject({ status, body: { error: "do this", code }, unexpected: false })
    expect(wire.headers).toEqual(status === 401 ? { "www-authenticate": "Bearer" } : {})
  })

  test("may have a code and fields of its own, which cannot hide the sentence", () => {
    const fields = { status: "completed", error: "hidden", code: "HIDDEN" }
    const wire = toWire(new AppError("conflict", "run is completed", { code: "INVALID_RUN_STATE", fields }), "UNKNOWN", "r")
    expect(wire.body).toEqual({ status: "completed", error: "run is completed", code: "INVALID_RUN_STATE" })
  })

  test("says when to try again", () => {
    expect(toWire(new AppError("rate_limited", "slowly", { retryAfterS: 0 }), "UNKNOWN", "r").headers).toEqual({
      "retry-after": "0",
    })
    expect(toWire(new AppError("unavailable", "later", { retryAfterS: 7 }), "UNKNOWN", "r").headers).toEqual({
      "retry-after": "7",
    })
  })
})

describe("an error of the framework", () => {
  test.each([
    ["NOT_FOUND", 404, "NOT_FOUND"],
    ["PARSE", 400, "INVALID_BODY"],
    ["INVALID_COOKIE_SIGNATURE", 401, "UNAUTHORIZED"],
  ])("%s is %d", (elysia, status, code) => {
    const wire = toWire(new Error(SECRET), elysia, "r")
    expect([wire.status, wire.body.code, wire.unexpected]).toEqual([status, code, false])
    expect(JSON.stringify(wire)).not.toContain(SECRET)
  })

  const validation = (type: string, valueError?: object) => Object.assign(new Error(SECRET), { type, valueError, value: SECRET })

  test.each([
    ["body", { path: "/name", message: "Expected string" }, "INVALID_BODY", "invalid request body: name: expected string"],
    [
      "body",
      { path: "/graph/steps/0", message: "Expected object" },
      "INVALID_BODY",
      "invalid request body: graph.steps.0: expected object",
    ],
    ["body", { path: "", message: "Expected object" }, "INVALID_BODY", "invalid request body: expected object"],
    ["body", undefined, "INVALID_BODY", "invalid request body: it does not have the expected shape"],
    ["query", { path: "/limit", message: "Expected integer" }, "INVALID_REQUEST", "invalid query: limit: expected integer"],
    [
      "property",
      { path: "", message: "Expected more", schema: { title: "limit" } },
      "INVALID_REQUEST",
      "invalid query: limit: expected more",
    ],
    ["property", { path: "", message: "Expected more", schema: {} }, "INVALID_REQUEST", "invalid query: expected more"],
    ["params", { path: "/id", message: "Expected string" }, "INVALID_REQUEST", "invalid params: id: expected string"],
    ["headers", { path: "/x", message: "Expected string" }, "INVALID_REQUEST", "invalid headers: x: expected string"],
  ])("of a request's %s %j is a 400 that names the place, never the value", (type, valueError, code, error) => {
    const wire = toWire(validation(type, valueError), "VALIDATION", "r")
    expect([wire.status, wire.body, wire.unexpected]).toEqual([400, { error, code }, false])
    expect(JSON.stringify(wire)).not.toContain(SECRET)
  })

  test("of a response is our mistake", () => {
    const wire = toWire(validation("response", { path: "/x", message: SECRET }), "VALIDATION", "r-1")
    expect([wire.status, wire.unexpected]).toEqual([500, true])
    expect(JSON.stringify(wire)).not.toContain(SECRET)
  })
})

describe("anything else", () => {
  test.each([
    ["an error", new Error(SECRET)],
    ["an error with a code of its own", Object.assign(new Error(SECRET), { code: "NOT_FOUND", status: 404 })],
    ["text", SECRET],
    ["an object", { message: SECRET, status: 200 }],
    ["undefined", undefined],
    ["null", null],
  ])("%s is a bare 500 with the request's id", (_, thrown) => {
    expect(toWire(thrown, "UNKNOWN", "r-1")).toEqual({
      status: 500,
      headers: {},
      body: { error: "internal error; the log has it under request r-1", code: "INTERNAL_ERROR", request_id: "r-1" },
      unexpected: true,
    })
  })
})
