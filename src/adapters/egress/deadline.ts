import { EGRESS_UNREAD_MAX_MS } from "../../kernel/limits.ts"
import type { EgressLimits } from "./egress.ts"
import { EgressFailed } from "./errors.ts"

export interface Deadline {
  /** Aborted with the caller's reason, or with what came too late. */
  readonly signal: AbortSignal
  /** A byte came, or is awaited again. */
  stirred(): void
  /** Nobody waits for the other side: its silence is ours. */
  paused(): void
  /** Everything was read, or nothing will be. */
  end(): void
}

/** `setTimeout` takes a longer time for none at all. */
const TIMER_MAX_MS = 2 ** 31 - 1

/** The time that one request has, from its first look-up to the last byte of its answer, redirects included. */
export function startDeadline(
  origin: string,
  { totalMs, idleMs }: EgressLimits,
  caller: AbortSignal | null,
  unreadMs = EGRESS_UNREAD_MAX_MS,
): Deadline {
  const control = new AbortController()
  const failAfter = (ms: number, sentence: string) =>
    ms > TIMER_MAX_MS ? undefined : setTimeout(() => control.abort(new EgressFailed(`${origin} ${sentence} ${ms / 1000} s`)), ms)
  const total = failAfter(totalMs, "did not answer in full within")
  const startIdle = () => (idleMs >= totalMs ? undefined : failAfter(idleMs, "sent nothing for"))
  /** One who has an end by the total needs no other; an answer without one that nobody reads would be held for ever. */
  const startUnread = () => (totalMs > TIMER_MAX_MS ? failAfter(unreadMs, "was not read for") : undefined)
  let idle = startIdle()
  let awaited = true
  let over = false
  const onAbort = () => control.abort(caller?.reason)
  if (caller?.aborted) onAbort()
  else caller?.addEventListener("abort", onAbort, { once: true })
  return {
    signal: control.signal,
    stirred() {
      if (over || control.signal.aborted) return
      if (awaited && idle) return void idle.refresh()
      clearTimeout(idle)
      idle = startIdle()
      awaited = true
    },
    paused() {
      clearTimeout(idle)
      idle = over ? undefined : startUnread()
      awaited = false
    },
    end() {
      over = true
      clearTimeout(total)
      clearTimeout(idle)
      caller?.removeEventListener("abort", onAbort)
    },
  }
}
