/**
 * The request may not be made; trying again does not help. The message names the host and the setting that would allow it,
 * and nothing else of the request: paths, queries and headers may hold secrets.
 */
export class EgressRefused extends Error {
  override readonly name = "EgressRefused"
}

/** The request was allowed and did not succeed; another try may. Says as little of the request as `EgressRefused`. */
export class EgressFailed extends Error {
  override readonly name = "EgressFailed"
}

const CODE = /^[A-Z][A-Z0-9_]+$/

/** What went wrong on the way to `origin`: of a system error its code alone, as its message may repeat the request. */
export function failureOf(error: unknown, origin: string): Error {
  if (error instanceof EgressRefused || error instanceof EgressFailed) return error
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  return new EgressFailed(`${origin} could not be reached: ${CODE.test(code) ? code : "the connection broke"}`)
}
