import { EgressFailed, EgressRefused } from "../../adapters/egress/errors.ts"
import { masked } from "../../kernel/masked.ts"
import type { CallContext } from "../connector.ts"
import { ToolFailure } from "../kit.ts"
import { ConnectionLost, WireFault } from "./dial.ts"
import { CONNECT_MAX_MS, TIMEOUT_MAX_MS } from "./limits.ts"

export interface Limit {
  readonly ms: number
  readonly signal: AbortSignal
  /** What is left of it, ms, at least 1. */
  left(): number
}

export interface LimitedCall<T> {
  readonly call: CallContext
  /** What the configuration says at the most. */
  readonly seconds: number
  /** Of which nothing may be in what is said about a failure. */
  readonly secrets: readonly string[]
  work(limit: Limit): Promise<T>
  /** Asked when the time is up: whether doing it once more can do no harm. */
  repeatable(): boolean
  /** What the server's own errors mean; null: not one of those. */
  translate(error: unknown): ToolFailure | null
}

/** Does the work in the time that both the step and the configuration leave it, and says what went wrong without secrets. */
export async function limited<T>({ call, seconds, secrets, work, repeatable, translate }: LimitedCall<T>): Promise<T> {
  const ms = Math.max(1, Math.min(call.timeoutMs, seconds > 0 ? seconds * 1_000 : TIMEOUT_MAX_MS, TIMEOUT_MAX_MS))
  const started = performance.now()
  const timer = new AbortController()
  const clock = setTimeout(() => timer.abort(new DOMException("the time is up", "TimeoutError")), ms)
  const signal = AbortSignal.any([call.signal, timer.signal])
  try {
    return await work({ ms, signal, left: () => Math.max(1, Math.floor(ms - (performance.now() - started))) })
  } catch (error) {
    if (call.signal.aborted) throw error
    if (timer.signal.aborted) throw timeout(ms, repeatable())
    throw failureOf(error, secrets, translate)
  } finally {
    clearTimeout(clock)
  }
}

export function timeout(ms: number, repeatable: boolean): ToolFailure {
  const doubt = repeatable ? "" : "; it may have been done all the same"
  return new ToolFailure(`no answer within ${ms / 1_000} s; the server was told to stop${doubt}`, {
    retryable: repeatable,
    timeout: true,
  })
}

function failureOf(error: unknown, secrets: readonly string[], translate: (error: unknown) => ToolFailure | null): unknown {
  const failure = error instanceof ToolFailure ? error : (translate(error) ?? wireFailure(error))
  if (!failure) return error
  const { retryable, timeout } = failure
  return new ToolFailure(masked(failure.message, secrets), { retryable, timeout })
}

function wireFailure(error: unknown): ToolFailure | null {
  if (error instanceof ConnectionLost || error instanceof EgressFailed) return new ToolFailure(error.message, { retryable: true })
  if (error instanceof WireFault || error instanceof EgressRefused) return new ToolFailure(error.message)
  // Of the limit for connecting: that of the call was looked at before.
  if (error instanceof DOMException && error.name === "TimeoutError")
    return new ToolFailure(`the server could not be reached: no connection within ${CONNECT_MAX_MS / 1_000} s`, {
      retryable: true,
    })
  return null
}
