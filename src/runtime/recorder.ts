import { canonicalJson } from "../kernel/canonical-json.ts"
import type { Json, JsonObject } from "../kernel/json.ts"
import type { StepJob } from "./ports.ts"

export type ExchangeKind = "model" | "tool"

/** One request to a model or a tool, and what came of it. No secrets, and no configuration. */
export interface Exchange {
  readonly kind: ExchangeKind
  readonly request: JsonObject
  readonly response: ExchangeResponse
}

export type ExchangeResponse =
  | { readonly ok: true; readonly value: Json }
  | { readonly ok: false; readonly failure: ExchangeFailure }

export interface ExchangeFailure {
  readonly message: string
  readonly retryable: boolean
  readonly timeout?: true
  /** Of a model: what kind of failure, and what `Retry-After` asked for. */
  readonly problem?: string
  readonly retry_after_ms?: number
}

/** Which attempt of which step of which run an exchange belongs to. */
export type RecordedAttempt = Pick<StepJob, "runId" | "tenantId" | "projectId" | "stepId" | "item" | "round" | "attempt">

/** Keeps what a recorded run asks models and tools, and what they say. */
export interface Recorder {
  /** Resolves when it is on disk. Never rejects: what cannot be kept is missing in a replay, and is no reason to call again. */
  keep(attempt: RecordedAttempt, exchange: Exchange): Promise<void>
}

/** What a replay looks for: SHA-256, hex, of kind and request, whatever the order of keys. */
export function exchangeHash({ kind, request }: Pick<Exchange, "kind" | "request">): string {
  return new Bun.CryptoHasher("sha256").update(canonicalJson([kind, request])).digest("hex")
}
