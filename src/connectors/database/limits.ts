import { STEP_RESULT_MAX_BYTES } from "../../kernel/limits.ts"

/** All rows of one answer as JSON; the rest of the 1 MiB of a step's result is for names and counts around them. */
export const ROWS_MAX_BYTES = STEP_RESULT_MAX_BYTES - 64 * 1024
export const SQL_MAX_CHARS = 256 * 1024
export const ROWS_DEFAULT = 1_000
export const ROWS_MAX = 100_000
/** Tables, indexes or columns of one answer. */
export const LIST_MAX = 2_000
export const ARGUMENTS_MAX = 10_000
/** One message of a server: no row, name or error is larger than this. */
export const MESSAGE_MAX_BYTES = 16 * 1024 * 1024
/** What a configured timeout cannot exceed. */
export const TIMEOUT_MAX_MS = 300_000
/** A server gives a statement up this long before we do, so that its own words reach the caller. */
export const SERVER_MARGIN_MS = 100
/** From the first packet to the end of signing in. */
export const CONNECT_MAX_MS = 10_000
/** How long telling a server to stop a statement may take. */
export const CANCEL_MAX_MS = 3_000
/** An idle connection is closed after this. */
export const IDLE_MAX_MS = 30_000
/** Connections of one configuration, whatever it says. */
export const OPEN_MAX = 100
/** Calls that wait for a connection of one configuration; one more is refused. */
export const WAITING_MAX = 10_000
