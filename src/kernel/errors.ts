import type { Json } from "./json.ts"

/** What went wrong from the caller's point of view; http/errors.ts turns it into a status. */
export type ErrorKind =
  | "bad_request"
  | "unauthenticated"
  | "forbidden"
  | "not_found"
  | "conflict"
  | "gone"
  | "too_large"
  | "invalid"
  | "rate_limited"
  | "unavailable"

export interface ErrorExtras {
  /** The machine code of the answer, when it is more exact than the kind's own (e.g. `RUN_AWAITING_TASK`). */
  readonly code?: string
  /** Further fields of the error body, documented by the route (e.g. `issues`, `status`). Never an echo of the request. */
  readonly fields?: { readonly [key: string]: Json }
  /** Seconds after which the caller may try again; becomes `Retry-After`. */
  readonly retryAfterS?: number
}

/** An error that is the caller's to know: its message is a sentence that says what to do, and is sent as it is. */
export class AppError extends Error {
  override readonly name = "AppError"
  constructor(
    readonly kind: ErrorKind,
    message: string,
    readonly extras: ErrorExtras = {},
  ) {
    super(message)
  }
}

/** For what cannot happen. Stays on in production: a wrong state must stop, not spread. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`)
}

/** The text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
