import type { Clock } from "../../kernel/clock.ts"
import { LLM_ERROR_BODY_MAX_BYTES, LLM_SILENCE_MAX_MS } from "../../kernel/limits.ts"
import { beginningOf } from "../egress/beginning.ts"
import type { Egress, EgressFetch, Outgoing } from "../egress/egress.ts"
import { failureOf } from "./failures.ts"
import { type CallOptions, ModelFailure, type Models, type ModelTarget } from "./llm.ts"
import { driverOf } from "./registry.ts"
import { Starts } from "./starts.ts"
import type { VendorCall } from "./vendor.ts"

export interface ModelsDeps {
  readonly egress: Egress
  readonly clock: Clock
}

export function createModels({ egress, clock }: ModelsDeps): Models {
  const starts = new Starts()

  async function run<T>(
    target: Omit<ModelTarget, "model">,
    options: CallOptions,
    work: (call: VendorCall) => Promise<T>,
  ): Promise<T> {
    const { signal, timeoutMs, onText } = options
    signal.throwIfAborted()
    const end = new AbortController()
    const ended = Promise.withResolvers<never>()
    const abort = (reason: unknown) => {
      end.abort(reason)
      ended.reject(reason)
    }
    const onAbort = () => abort(signal.reason)
    signal.addEventListener("abort", onAbort, { once: true })
    const timer = setTimeout(() => abort(tooSlow(target, timeoutMs)), timeoutMs)
    let settled = false
    const fetch = limited(egress.for(options.asker), onText === undefined ? timeoutMs : Math.min(timeoutMs, LLM_SILENCE_MAX_MS))
    const told = onText === undefined ? undefined : (delta: string) => void (settled || onText(delta))
    try {
      const answer = starts.mine().then(() => work({ fetch, signal: end.signal, onText: told }))
      return await Promise.race([answer, ended.promise])
    } catch (error) {
      throw end.signal.aborted ? end.signal.reason : failureOf(error, target, clock.now())
    } finally {
      settled = true
      clearTimeout(timer)
      signal.removeEventListener("abort", onAbort)
    }
  }

  return {
    complete: (target, request, options) =>
      run(target, options, async call => (await driverOf(target.vendor)).complete(target, request, call)),
    list: (target, options) => run(target, options, async call => (await driverOf(target.vendor)).list(target, call)),
  }
}

/**
 * The end of all of it is our own; egress watches that a stream is still alive. An answer at once is silent while the model thinks.
 * Of a refusal only the beginning is read: it is parsed and searched in one go, and megabytes of it would hold everybody up.
 */
function limited(outgoing: Outgoing, idleMs: number): EgressFetch {
  const limits = { totalMs: Number.POSITIVE_INFINITY, idleMs }
  const send = async (input: string | URL | Request, init?: RequestInit) => {
    const response = await outgoing.fetch(input, init, limits)
    if (response.ok) return response
    const { status, headers } = response
    return new Response(await beginningOf(response, LLM_ERROR_BODY_MAX_BYTES), { status, headers })
  }
  return Object.assign(send, { preconnect() {} })
}

function tooSlow(target: Omit<ModelTarget, "model">, timeoutMs: number): ModelFailure {
  return new ModelFailure("timeout", `${target.vendor} did not answer within ${timeoutMs / 1000} s`, { retryable: true })
}
