import type { Caller } from "../../http/permission.ts"
import type { Clock } from "../../kernel/clock.ts"
import { rfc3339, rfc3339OrNull } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { CALLBACK_KEPT_MS } from "../../kernel/limits.ts"
import type { CallbackList } from "./contract.ts"
import { maskedUrl } from "./masked-url.ts"
import type { CallbackSecrets } from "./secrets.ts"
import type { CallbackRow, CallbackStore } from "./store.ts"

const HINT_CHARS = 4

export interface CallbackServiceDeps {
  readonly store: CallbackStore
  readonly secrets: CallbackSecrets
  readonly clock: Clock
}

/** What people see and do about callbacks; sending is the sender's. */
export class CallbackService {
  constructor(private readonly deps: CallbackServiceDeps) {}

  async list(caller: Caller, workflowId: string, runId: string): Promise<CallbackList> {
    await this.#requireRun(caller, workflowId, runId)
    return { callbacks: (await this.deps.store.ofRun(caller, runId)).map(onWire) }
  }

  /** One more attempt now, and the pauses behind it as far as there are any left. */
  async retry(caller: Caller, workflowId: string, runId: string): Promise<CallbackList> {
    const { store, clock } = this.deps
    await this.#requireRun(caller, workflowId, runId)
    const callbacks = await store.ofRun(caller, runId)
    if (callbacks.length === 0) {
      const sentence = "this run has no callback: it has not ended, or was started without callback_url"
      throw new AppError("not_found", sentence, { code: "NO_CALLBACK" })
    }
    if ((await store.makeDue(caller, runId, clock.now())) === 0)
      throw new AppError("conflict", "the callback was delivered already", { code: "CALLBACK_DELIVERED" })
    return this.list(caller, workflowId, runId)
  }

  /** Metadata only. */
  async secret(caller: Caller): Promise<{ set: boolean; last4: string | null }> {
    const secret = await this.deps.secrets.find(caller)
    return { set: secret !== null, last4: secret?.slice(-HINT_CHARS) ?? null }
  }

  rotate(caller: Caller): Promise<string> {
    return this.deps.secrets.rotate(caller)
  }

  /** Deletes what ended long ago; how many. */
  sweep(now: number): Promise<number> {
    return this.deps.store.sweep(now - CALLBACK_KEPT_MS)
  }

  async #requireRun(caller: Caller, workflowId: string, runId: string): Promise<void> {
    if (!(await this.deps.store.run(caller, workflowId, runId)))
      throw new AppError("not_found", "there is no such run of this workflow")
  }
}

function onWire(row: CallbackRow): CallbackList["callbacks"][number] {
  return {
    id: row.id,
    url: maskedUrl(row.url),
    status: row.status,
    created_at: rfc3339(row.createdAt),
    next_attempt_at: rfc3339OrNull(row.nextAttemptAt),
    ended_at: rfc3339OrNull(row.endedAt),
    attempts: row.attempts.map(({ at, durationMs, status, error }) => ({
      at: rfc3339(at),
      duration_ms: durationMs,
      status,
      error,
    })),
  }
}
