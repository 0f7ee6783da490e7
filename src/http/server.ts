import { Elysia } from "elysia"
import { AppError, messageOf } from "../kernel/errors.ts"
import { BODY_DRAIN_MAX_BYTES, CONNECTION_IDLE_MAX_S } from "../kernel/limits.ts"
import { toWire } from "./errors.ts"

export interface EdgeLog {
  isLevelEnabled(level: "debug"): boolean
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
  return new Elysia({ name: "edge" })
    .onRequest(({ request, set }) => {
      const sent = request.headers.get("x-request-id")
      set.headers["x-request-id"] = sent && REQUEST_ID.test(sent) ? sent : deps.newId()
      set.headers["x-content-type-options"] = "nosniff"
      set.headers["referrer-policy"] = "same-origin"
      // Without a usable Host header Bun's `url` is the path alone, and whoever parses it would throw.
      if (!URL.canParse(request.url)) throw new AppError("bad_request", "the Host header is missing or malformed")
    })
    .onError({ as: "global" }, ({ error, code, request, set }) => {
      const id = String(set.headers["x-request-id"] ?? deps.newId())
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
    .use(requestLog(deps))
}

/** Without hooks where nobody wants the line: on a read of one row it took a tenth of the time. */
function requestLog({ log, now }: EdgeDeps) {
  const hooks = new Elysia({ name: "request-log" })
  if (!log.isLevelEnabled("debug")) return hooks
  const started = new WeakMap<Request, number>()
  hooks.onRequest(({ request }) => void started.set(request, now()))
  hooks.onAfterResponse({ as: "global" }, ({ request, set }) => {
    const ms = Math.round(now() - (started.get(request) ?? now()))
    const id = set.headers["x-request-id"]
    log.debug({ request_id: id, method: request.method, path: pathOf(request), status: set.status ?? 200, ms }, "request")
  })
  return hooks
}

/**
 * Settings of the listening server; they count on the outermost Elysia only. Bun's development pages would show sources and
 * addresses with their tokens to anybody who sends a request that fails before any handler.
 */
export const SERVE = {
  development: false,
  maxRequestBodySize: BODY_DRAIN_MAX_BYTES,
  idleTimeout: CONNECTION_IDLE_MAX_S,
  error: () => Response.json({ error: "internal error", code: "INTERNAL_ERROR" }, { status: 500 }),
} as const

/** Without the query: it may hold a token. */
function pathOf(request: Request): string {
  return URL.parse(request.url, "http://unknown")?.pathname ?? ""
}
