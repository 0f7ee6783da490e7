import { Elysia } from "elysia"
import { AppError, messageOf } from "../kernel/errors.ts"
import { BODY_DRAIN_MAX_BYTES } from "../kernel/limits.ts"
import { toWire } from "./errors.ts"

export interface EdgeLog {
  debug(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface EdgeDeps {
  readonly log: EdgeLog
  readonly newId: () => string
  readonly now: () => number
  /** Errors of the layers below that are the caller's to know (a full disk), as such; null for all others. */
  readonly translate?: (error: unknown) => AppError | null
}

const REQUEST_ID = /^[A-Za-z0-9._-]{1,100}$/

/**
 * What holds for every answer: a request id, the one error mapper, headers that a browser should see, a debug line.
 * Routes are added to what this returns.
 */
export function createEdge(deps: EdgeDeps) {
  const started = new WeakMap<Request, { readonly id: string; readonly at: number }>()

  function idOf(request: Request): string {
    const known = started.get(request)
    if (known) return known.id
    const sent = request.headers.get("x-request-id")
    const id = sent && REQUEST_ID.test(sent) ? sent : deps.newId()
    started.set(request, { id, at: deps.now() })
    return id
  }

  return new Elysia({ name: "edge" })
    .onRequest(({ request, set }) => {
      // Without a usable Host header Bun's `url` is the path alone, and whoever parses it would throw.
      if (!URL.canParse(request.url)) throw new AppError("bad_request", "the Host header is missing or malformed")
      set.headers["x-request-id"] = idOf(request)
      set.headers["x-content-type-options"] = "nosniff"
      set.headers["referrer-policy"] = "same-origin"
    })
    .onError({ as: "global" }, ({ error, code, request, set }) => {
      const id = idOf(request)
      const wire = toWire(deps.translate?.(error) ?? error, code, id)
      if (wire.unexpected) {
        const stack = error instanceof Error ? error.stack : undefined
        deps.log.error(
          { request_id: id, method: request.method, path: pathOf(request), error: messageOf(error), stack },
          "request failed",
        )
      }
      set.status = wire.status
      Object.assign(set.headers, wire.headers, { "x-request-id": id })
      return wire.body
    })
    .onAfterResponse({ as: "global" }, ({ request, set }) => {
      const at = started.get(request)?.at ?? deps.now()
      const ms = Math.round(deps.now() - at)
      deps.log.debug(
        { request_id: idOf(request), method: request.method, path: pathOf(request), status: set.status ?? 200, ms },
        "request",
      )
    })
}

/**
 * Settings of the listening server; they count on the outermost Elysia only. Bun's development pages would show sources and
 * addresses with their tokens to anybody who sends a request that fails before any handler.
 */
export const SERVE = {
  development: false,
  maxRequestBodySize: BODY_DRAIN_MAX_BYTES,
  error: () => Response.json({ error: "internal error", code: "INTERNAL_ERROR" }, { status: 500 }),
} as const

/** Without the query: it may hold a token. */
function pathOf(request: Request): string {
  return URL.parse(request.url, "http://unknown")?.pathname ?? ""
}
