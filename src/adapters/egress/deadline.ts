export interface Deadline {
  /** Aborted with the caller's reason, or with what `onLate` made. */
  readonly signal: AbortSignal
  /** Everything was read, or nothing will be. */
  end(): void
}

/** The time that one request has, from its first look-up to the last byte of its answer, redirects included. */
export function startDeadline(totalMs: number, caller: AbortSignal, onLate: () => Error): Deadline {
  const control = new AbortController()
  const timer = setTimeout(() => control.abort(onLate()), totalMs)
  const onAbort = () => control.abort(caller.reason)
  if (caller.aborted) onAbort()
  else caller.addEventListener("abort", onAbort, { once: true })
  return {
    signal: control.signal,
    end() {
      clearTimeout(timer)
      caller.removeEventListener("abort", onAbort)
    },
  }
}
