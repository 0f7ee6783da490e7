import { STEP_RESULT_MAX_BYTES } from "../../kernel/limits.ts"

const KIB = 1024
/** As JSON; the rest of a step's result is for what is around it. */
export const CONTENT_MAX_BYTES = STEP_RESULT_MAX_BYTES - 64 * KIB
export const READ_DEFAULT_BYTES = 256 * KIB
/** As base64 it still fits into a step's result. */
export const READ_MAX_BYTES = 700 * KIB
/** Text or base64 of one call; a step's fields together have no more. */
export const WRITE_MAX_CHARS = 2 * KIB * KIB
export const LIST_DEFAULT = 200
export const LIST_MAX = 2_000
/** Entries that one call looks at. */
export const WALK_MAX_ENTRIES = 50_000
export const WALK_MAX_DEPTH = 32
export const PATTERN_MAX_CHARS = 200
/** What one project may have in its own folder, besides the bytes that the operator sets. */
export const FILES_MAX = 50_000
/** How long a sum over a project's folder counts. */
export const USAGE_TRUSTED_MS = 60_000
