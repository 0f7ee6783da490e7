import type { QueryError } from "mysql2"

/** What the server says when it cannot do what it was asked. */
export interface ServerError extends QueryError {
  readonly errno: number
  /** SQLSTATE; empty before anybody is signed in. */
  readonly sqlState: string
}

export function isServerError(error: unknown): error is ServerError {
  return error instanceof Error && "sqlState" in error && typeof error.sqlState === "string"
}
