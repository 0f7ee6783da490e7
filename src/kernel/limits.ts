/** Every bound of the program, by name. Units last. */

const KIB = 1024
const MIB = 1024 * KIB

/** A request body, unless the route says otherwise; larger answers 413. */
export const BODY_MAX_BYTES = 4 * MIB
/** Nesting of a JSON body; deeper answers 400. */
export const JSON_MAX_DEPTH = 64
/** Keys of all objects of a JSON body together; more answers 400. */
export const JSON_MAX_KEYS = 100_000
/** A page of a list. */
export const PAGE_DEFAULT = 20
export const PAGE_MAX = 100
/** A page of events. */
export const EVENTS_PAGE_MAX = 1000

export const GRAPH_MAX_STEPS = 1000
export const STEP_ID_MAX_CHARS = 200
export const NAME_MAX_CHARS = 300
export const DESCRIPTION_MAX_CHARS = 10_000

/** Result of one step (contract G-44): larger is cut and marked `truncated`. */
export const STEP_RESULT_MAX_BYTES = 1 * MIB
export const RUN_INPUT_MAX_BYTES = 2 * MIB

export const LUA_SCRIPT_MAX_BYTES = 64 * KIB
export const LUA_RESULT_MAX_BYTES = 1 * MIB
export const LUA_TIMEOUT_DEFAULT_MS = 5_000
export const LUA_TIMEOUT_MAX_MS = 30_000
/** Memory of the Lua machine of one sandbox child. */
export const LUA_MEMORY_MAX_BYTES = 64 * MIB

export const MCP_TIMEOUT_DEFAULT_MS = 60_000
export const STEP_TIMEOUT_MAX_S = 86_400
export const RETRY_COUNT_MAX = 20
/** Pause before the n-th retry: 1 s · 2^n ± 20 %, at most this (contract G-9). */
export const RETRY_BASE_MS = 1_000
export const RETRY_MAX_MS = 30_000
