import type { Clock } from "../../kernel/clock.ts"
import { LLM_SILENCE_MAX_MS } from "../../kernel/limits.ts"
import type { Egress, EgressFetch, Outgoing } from "../egress/egress.ts"
import { failureOf } from "./failures.ts"
import { type CallOptions, ModelFailure, type Models, type ModelTarget } from "./llm.ts"
import { DRIVERS } from "./registry.ts"
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
    complete: (target, request, options) => run(target, options, call => DRIVERS[target.vendor].complete(target, request, call)),
    list: (target, options) => run(target, options, call => DRIVERS[target.vendor].list(target, call)),
  }
}

/** The end of all of it is our own; egress watches that a stream is still alive. An answer at once is silent while the model thinks. */
function limited(outgoing: Outgoing, idleMs: number): EgressFetch {
  const limits = { totalMs: Number.POSITIVE_INFINITY, idleMs }
  return Object.assign((input: string | URL | Request, init?: RequestInit) => outgoing.fetch(input, init, limits), {
    preconnect() {},
  })
}

function tooSlow(target: Omit<ModelTarget, "model">, timeoutMs: number): ModelFailure {
  return new ModelFailure("timeout", `${target.vendor} did not answer within ${timeoutMs / 1000} s`, { retryable: true })
}
