import { AppError } from "../kernel/errors.ts"

/** A parameter of a query that is a day, or RFC 3339. Anything else that `Date.parse` would guess at is refused. */
export function momentOf(name: string, text: string): number {
  const known = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/i.test(text)
  const ms = known ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(ms)) return ms
  throw new AppError("bad_request", `invalid query: ${name} must be a moment such as 2026-06-10T08:00:00Z`)
}
