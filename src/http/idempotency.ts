import { AppError } from "../kernel/errors.ts"
import { IDEMPOTENCY_KEY_MAX_CHARS } from "../kernel/limits.ts"

/** The caller's name for one intent; null when it gives none. Throws `bad_request` for one that is too long. */
export function idempotencyKeyOf(headers: Headers): string | null {
  const key = headers.get("idempotency-key")
  if (key === null || key === "") return null
  if (key.length <= IDEMPOTENCY_KEY_MAX_CHARS) return key
  throw new AppError("bad_request", `Idempotency-Key has at most ${IDEMPOTENCY_KEY_MAX_CHARS} characters`)
}
