import { timeout } from "../database/call.ts"
import { ToolFailure } from "../kit.ts"
import { ServerError } from "./messages.ts"

/** Classes and codes after which another try may go well: https://www.postgresql.org/docs/current/errcodes-appendix.html */
const RETRYABLE = /^(08...|40001|40P01|53...|55P03|57P01|57P02|57P03)$/
const QUERY_CANCELED = "57014"

/** The server's own words, and whether it can help to try again. */
export function translate(error: unknown, limitMs: number): ToolFailure | null {
  if (!(error instanceof ServerError)) return null
  if (error.sqlState === QUERY_CANCELED && /timeout/.test(error.message)) return timeout(limitMs, true)
  const more = [error.detail, error.hint].filter(text => text !== "").map(text => ` ${text.replace(/([^.])$/, "$1.")}`)
  const state = error.sqlState === "" ? "" : ` (SQLSTATE ${error.sqlState})`
  return new ToolFailure(`${error.message}${state}${more.length > 0 ? `:${more.join("")}` : ""}`, {
    retryable: RETRYABLE.test(error.sqlState),
  })
}
