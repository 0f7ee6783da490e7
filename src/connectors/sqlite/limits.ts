export const SQL_MAX_BYTES = 256 * 1024
export const SCRIPT_MAX_STATEMENTS = 1_000
/** What an instance's `sqlite_max_rows` cannot exceed. */
export const MAX_ROWS = 100_000
export const SAMPLE_ROWS_DEFAULT = 10
/** Read connections that one child keeps open. */
export const OPEN_CONNECTIONS_MAX = 8
/** Tables, views or indexes of one answer. */
export const LIST_MAX = 2_000
/** Calls of one project that may wait for a child. */
export const WAITING_MAX = 100_000
/** What `sqlite_query_timeout_seconds` and a step's own limit cannot exceed: a query has a child to itself. */
export const TIMEOUT_MAX_MS = 300_000
/** A lock is given up this long before the deadline, so that SQLite's own words reach the caller. */
export const LOCK_MARGIN_MS = 150
