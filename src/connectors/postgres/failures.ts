import { timeout } from "../database/call.ts"
import { ToolFailure } from "../kit.ts"

/** What the server says when it cannot do what it was asked. */
export interface ServerError extends Error {
  readonly severity: string
  /** SQLSTATE. */
  readonly code: string
  readonly detail?: string
  readonly hint?: string
}

export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && "severity" in error && typeof error.severity === "string"
}

/** Classes and codes after which another try may go well: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const RETRYABLE = /^(08...|40001|40P01|53...|55P03|57P01|57P02|57P03)$/
const QUERY_CANCELED = "57014"

/** The server's own words, and whether it can help to try again. */
export function translate(error: unknown, limitMs: number): ToolFailure | null {
  if (!isServerError(error)) return null
  const { message, code = "", detail = "", hint = "" } = error
  if (code === QUERY_CANCELED && /timeout/.test(message)) return timeout(limitMs, true)
  const more = [detail, hint].filter(text => text !== "").map(text => ` ${text.replace(/([^.])$/, "$1.")}`)
  const state = code === "" ? "" : ` (SQLSTATE ${code})`
  return new ToolFailure(`${message}${state}${more.length > 0 ? `:${more.join("")}` : ""}`, { retryable: RETRYABLE.test(code) })
}
