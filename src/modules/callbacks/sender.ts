import type { Egress } from "../../adapters/egress/egress.ts"
import { EgressFailed, EgressRefused } from "../../adapters/egress/errors.ts"
import { asker } from "../../kernel/asker.ts"
import type { Clock } from "../../kernel/clock.ts"
import { messageOf } from "../../kernel/errors.ts"
import { CALLBACK_TOTAL_MAX_MS, CALLBACKS_PARALLEL_MAX, CALLBACKS_PER_HOST_MAX } from "../../kernel/limits.ts"
import type { Runs } from "../../runtime/runs.ts"
import { maskedUrl } from "./masked-url.ts"
import { reportOf } from "./report.ts"
import { pauseAfter, retryAfterMs } from "./schedule.ts"
import type { CallbackSecrets } from "./secrets.ts"
import { signatureOf } from "./signature.ts"
import type { CallbackRow, CallbackStore, NextOf } from "./store.ts"

/** Due rows looked at in one round, to choose from. */
const LOOKED_AT = 200
/** Longer than an attempt can take; after it a callback that a dead process had taken is due again. */
const CLAIM_MS = 60_000
/** How far those are put off whose host has enough to do, so that others come into view. */
const HOST_BUSY_MS = 5_000
const GONE = 410
const MAY_SAY_WHEN = new Set([429, 503])

export interface CallbackSenderDeps {
  readonly store: CallbackStore
  readonly secrets: Pick<CallbackSecrets, "need">
  readonly runs: Pick<Runs, "inspect">
  readonly egress: Pick<Egress, "for">
  readonly clock: Clock
  readonly random: () => number
  readonly version: string
  readonly log: { warn(fields: object, message: string): void }
}

export interface CallbackSender {
  /** Starts what is due and has a place; how many. It does not wait for the answers: a slow host must not hold up the next round. */
  round(now: number): Promise<number>
  /** Resolves when nothing is under way. */
  settled(): Promise<void>
  /** Breaks off what is under way; it is due again at once, for the next boot. */
  close(): Promise<void>
}

/** What came of one attempt. */
interface Outcome {
  readonly status: number | null
  readonly error: string | null
  /** `retry`: not before so many ms, whatever the pause is. */
  readonly verdict: "delivered" | "hopeless" | { readonly retryAfterMs: number }
}

/**
 * Tells receivers about ended runs, at least once: an attempt is recorded after it was made, and what was taken by a process
 * that died comes up again. Receivers tell repetitions by the `Idempotency-Key`.
 */
export function createCallbackSender(deps: CallbackSenderDeps): CallbackSender {
  const { store, clock, log } = deps
  const stop = new AbortController()
  const underWay = new Map<string, { readonly host: string; readonly end: Promise<void> }>()

  async function deliver(row: CallbackRow): Promise<void> {
    const at = clock.now()
    const outcome = await attempt(row)
    const ended = clock.now()
    if (outcome === null) return store.release(row.id, ended)
    const { status, error } = outcome
    const next = nextOf(outcome, row.attempts.length + 1, ended, deps.random())
    await store.record(row.id, { at, durationMs: ended - at, status, error }, next)
    if (next.status === "failed") {
      const fields = { callback_id: row.id, run_id: row.runId, url: maskedUrl(row.url), error }
      log.warn(fields, "a callback was given up; it can be sent again by hand")
    }
  }

  /** Null when it was broken off by `close`. */
  async function attempt(row: CallbackRow): Promise<Outcome | null> {
    try {
      const run = await store.run(row, row.workflowId, row.runId)
      if (!run) return { status: null, error: "the run is not there any more", verdict: "hopeless" }
      const body = await reportOf(row.id, run, deps.runs)
      return await send(row, body, await deps.secrets.need(row))
    } catch (error) {
      if (stop.signal.aborted) return null
      if (error instanceof EgressRefused) return { status: null, error: error.message, verdict: "hopeless" }
      if (error instanceof EgressFailed) return { status: null, error: error.message, verdict: { retryAfterMs: 0 } }
      log.warn({ callback_id: row.id, run_id: row.runId, error: messageOf(error) }, "a callback could not be made")
      return { status: null, error: "the report could not be made; the server's log says why", verdict: { retryAfterMs: 0 } }
    }
  }

  async function send(row: CallbackRow, body: string, secret: string): Promise<Outcome> {
    const headers = {
      "content-type": "application/json",
      "user-agent": `AgentRuntime/${deps.version}`,
      "idempotency-key": row.id,
      "x-agentruntime-signature": signatureOf(secret, body, clock.now()),
    }
    // A redirect is no delivery: followed, it could end as a GET that somebody else answers.
    const request: RequestInit = { method: "POST", headers, body, redirect: "manual", signal: stop.signal }
    // The answer's body is not read, so its size does not matter.
    const limits = { totalMs: CALLBACK_TOTAL_MAX_MS, answerBytes: Number.MAX_SAFE_INTEGER }
    const outgoing = deps.egress.for(asker("callback", row))
    const answer = await outgoing.fetch(row.url, request, limits)
    await answer.body?.cancel()
    return judge(answer, clock.now())
  }

  function start(row: CallbackRow): void {
    const end = deliver(row)
      // Not recorded is not lost: the claim runs out.
      .catch(error => log.warn({ callback_id: row.id, error: messageOf(error) }, "an attempt could not be recorded"))
      .finally(() => underWay.delete(row.id))
    underWay.set(row.id, { host: hostOf(row), end })
  }

  return {
    async round(now) {
      const free = CALLBACKS_PARALLEL_MAX - underWay.size
      if (free <= 0 || stop.signal.aborted) return 0
      const due = await store.due(now, LOOKED_AT)
      if (due.length === 0) return 0
      const { taken, later } = choose(
        due,
        free,
        [...underWay.values()].map(one => one.host),
      )
      const claimed = await store.claim(taken, now + CLAIM_MS, later, now + HOST_BUSY_MS, now)
      for (const row of claimed) start(row)
      return claimed.length
    },
    async settled() {
      while (underWay.size > 0) await Promise.all([...underWay.values()].map(one => one.end))
    },
    async close() {
      stop.abort(new Error("the server stops"))
      await this.settled()
    },
  }
}

/** In their order, as many as there are places, but not too many for one host; these are put off. */
function choose(due: readonly CallbackRow[], free: number, busy: readonly string[]): { taken: string[]; later: string[] } {
  const perHost = new Map<string, number>()
  for (const host of busy) perHost.set(host, (perHost.get(host) ?? 0) + 1)
  const taken: string[] = []
  const later: string[] = []
  for (const row of due) {
    const host = hostOf(row)
    const count = perHost.get(host) ?? 0
    if (count >= CALLBACKS_PER_HOST_MAX) later.push(row.id)
    else if (taken.length < free) {
      taken.push(row.id)
      perHost.set(host, count + 1)
    }
  }
  return { taken, later }
}

function hostOf({ url }: CallbackRow): string {
  return URL.parse(url)?.host ?? ""
}

function judge({ ok, status, headers }: Response, now: number): Outcome {
  if (ok) return { status, error: null, verdict: "delivered" }
  const redirect = status >= 300 && status < 400 ? " with a redirect, which is not followed" : ""
  const error = `the receiver answered ${status}${redirect}`
  if (status === GONE) return { status, error, verdict: "hopeless" }
  const wished = MAY_SAY_WHEN.has(status) ? retryAfterMs(headers.get("retry-after"), now) : 0
  return { status, error, verdict: { retryAfterMs: wished } }
}

function nextOf({ verdict }: Outcome, attempts: number, now: number, random: number): NextOf {
  if (verdict === "delivered") return { status: "delivered" }
  const pause = verdict === "hopeless" ? null : pauseAfter(attempts, random)
  if (pause === null || verdict === "hopeless") return { status: "failed" }
  return { status: "pending", at: now + Math.max(pause, verdict.retryAfterMs) }
}
