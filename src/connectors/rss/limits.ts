import { STEP_RESULT_MAX_BYTES } from "../../kernel/limits.ts"

const MIB = 1024 * 1024

/** One feed; most have some hundred KiB. */
export const FEED_MAX_BYTES = 8 * MIB
/** From the moment a child has it; a feed of usual making takes some milliseconds. */
export const PARSE_MAX_MS = 20_000
export const FEED_CHILD_MEMORY_MAX_BYTES = 512 * MIB
/** Feeds of one project that wait for a child. */
export const FEEDS_WAITING_MAX = 1_000
/** All items of one answer as JSON; the rest of a step's result is for what is around them. */
export const ITEMS_MAX_BYTES = STEP_RESULT_MAX_BYTES - 64 * 1024
export const ITEMS_DEFAULT = 20
export const ITEMS_MAX = 500
/** Items of one feed that are looked at. */
export const ITEMS_READ_MAX = 5_000
export const FEEDS_MAX = 25
export const FEEDS_AT_ONCE = 6
/** Characters of a title or a summary, and of a content; the rest is cut. */
export const TEXT_MAX_CHARS = 20_000
export const CONTENT_MAX_CHARS = 200_000
/** Categories or enclosures of one item. */
export const LIST_MAX = 50
export const TIMEOUT_DEFAULT_S = 30
export const TIMEOUT_MAX_S = 120
