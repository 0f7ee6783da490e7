import { AppError, type ErrorKind } from "../kernel/errors.ts"
import type { Json } from "../kernel/json.ts"
import { expectation, type Shape } from "./expectation.ts"

const WIRE: Readonly<Record<ErrorKind, readonly [status: number, code: string]>> = {
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

export interface WireError {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: { readonly error: string; readonly code: string; readonly [field: string]: Json }
  /** True when nobody foresaw it: log it with its stack. */
  readonly unexpected: boolean
}

/** The one mapper at the edge. What we did not expect is a bare 500: its text could hold a secret. */
export function toWire(error: unknown, elysiaCode: string | number, requestId: string): WireError {
  if (error instanceof AppError) {
    const [status, code] = WIRE[error.kind]
    const headers: Record<string, string> = {}
    if (error.extras.retryAfterS !== undefined) headers["retry-after"] = String(error.extras.retryAfterS)
    if (status === 401) headers["www-authenticate"] = "Bearer"
    return {
      status,
      headers,
      body: { ...error.extras.fields, error: error.message, code: error.extras.code ?? code },
      unexpected: false,
    }
  }
  if (elysiaCode === "NOT_FOUND") return plain(404, "NOT_FOUND", "no such route; see /docs for all of them")
  if (elysiaCode === "PARSE") return plain(400, "INVALID_BODY", "invalid request body")
  if (elysiaCode === "INVALID_COOKIE_SIGNATURE") return plain(401, "UNAUTHORIZED", "sign in first")
  if (elysiaCode === "VALIDATION" && isRequestValidation(error)) {
    return plain(400, error.type === "body" ? "INVALID_BODY" : "INVALID_REQUEST", describe(error))
  }
  return {
    status: 500,
    headers: {},
    body: { error: `internal error; the log has it under request ${requestId}`, code: "INTERNAL_ERROR", request_id: requestId },
    unexpected: true,
  }
}

function plain(status: number, code: string, error: string): WireError {
  return { status, headers: {}, body: { error, code }, unexpected: false }
}

interface RequestValidation {
  /** `property`: a number of the query that is out of range; its name is only in its schema's title. */
  readonly type: "body" | "query" | "params" | "headers" | "cookie" | "property"
  readonly valueError?: ValueError
}

/** As TypeBox tells it. `errors`: for a union, what each of its shapes says. */
interface ValueError {
  readonly path?: string
  readonly message?: string
  readonly value?: unknown
  readonly schema?: Shape
  readonly errors?: readonly { First(): ValueError | undefined }[]
}

/** A response that does not fit its own schema is our fault, not the caller's. */
function isRequestValidation(error: unknown): error is RequestValidation {
  return typeof error === "object" && error !== null && "type" in error && error.type !== "response"
}

/** Names the place and the expectation, never the value that was sent. */
function describe({ type, valueError }: RequestValidation): string {
  const where = type === "body" ? "request body" : type === "property" ? "query" : type
  const told = valueError && innermost(valueError)
  const path = (told?.path ?? "").replace(/^\//, "").replaceAll("/", ".") || (type === "property" && told?.schema?.title)
  if (type === "body" && !path && told?.value === null) return `invalid ${where}: send a JSON body`
  const wanted = told?.schema?.anyOf && expectation(told.schema)
  if (wanted) return `invalid ${where}: ${path || "it"} must be ${wanted}`
  const message = (told?.message ?? "it does not have the expected shape").replace(/^./, c => c.toLowerCase())
  return path ? `invalid ${where}: ${path}: ${message}` : `invalid ${where}: ${message}`
}

/** "None of these shapes" says little where the value has one of them, and only something inside it is wrong. */
function innermost(error: ValueError): ValueError {
  const inside = (error.errors ?? []).flatMap(shape => shape.First() ?? []).find(e => depth(e) > depth(error))
  return inside ? innermost(inside) : error
}

function depth({ path = "" }: ValueError): number {
  return path.split("/").length
}
