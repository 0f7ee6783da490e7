import type { Page } from "../../http/paging.ts"
import type { Caller } from "../../http/permission.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { cutJson } from "../../kernel/cut.ts"
import { messageOf } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { RECORDED_REQUEST_MAX_BYTES, RECORDED_RESPONSE_MAX_BYTES, RECORDING_PAGE_MAX_CHARS } from "../../kernel/limits.ts"
import { type Exchange, exchangeHash, type RecordedAttempt, type Recorder } from "../../runtime/recorder.ts"
import type { RunService } from "../runs/service.ts"
import type { RecordingBody } from "./contract.ts"
import type { RecordingRow, RecordingStore } from "./store.ts"

export interface RecordingDeps {
  readonly store: RecordingStore
  readonly runs: Pick<RunService, "get">
  readonly keepDays: number
}

const DAY_MS = 86_400_000

/** What recorded runs asked models and tools, and what came of it: to be read, deleted, and swept when it is old. */
export class RecordingService {
  constructor(private readonly deps: RecordingDeps) {}

  async list(caller: Caller, workflowId: string, runId: string, page: Page): Promise<RecordingBody> {
    const run = await this.deps.runs.get(caller, workflowId, runId)
    const { items, total } = await this.deps.store.list(run.id, page, RECORDING_PAGE_MAX_CHARS)
    return { exchanges: items.map(exchangeBody), total, ...page }
  }

  async delete(caller: Caller, workflowId: string, runId: string): Promise<void> {
    const run = await this.deps.runs.get(caller, workflowId, runId)
    await this.deps.store.delete(run.id)
  }

  async sweep(now: number): Promise<void> {
    const before = now - this.deps.keepDays * DAY_MS
    while (await this.deps.store.deleteOld(before));
  }
}

export interface RecorderDeps {
  readonly store: Pick<RecordingStore, "insert">
  readonly clock: Clock
  readonly log: { warn(fields: object, message: string): void }
}

export function createRecorder({ store, clock, log }: RecorderDeps): Recorder {
  return {
    async keep(attempt, exchange) {
      const { runId: run_id, stepId: step_id } = attempt
      try {
        const kept = await store.insert(rowOf(attempt, exchange, clock.now()))
        if (!kept) log.warn({ run_id, step_id }, "the recording of a run is full: an exchange is not in it")
      } catch (error) {
        log.warn({ run_id, step_id, error: messageOf(error) }, "an exchange of a recorded run could not be kept")
      }
    },
  }
}

function rowOf(attempt: RecordedAttempt, exchange: Exchange, createdAt: number): Omit<RecordingRow, "seq"> {
  const { runId, tenantId, projectId, stepId, item, round, attempt: number } = attempt
  return {
    ...{ runId, tenantId, projectId, stepId, item, round, attempt: number, kind: exchange.kind, createdAt },
    requestHash: exchangeHash(exchange),
    request: bounded(exchange.request, RECORDED_REQUEST_MAX_BYTES),
    // A plain object as JSON has it.
    response: bounded(exchange.response as unknown as JsonObject, RECORDED_RESPONSE_MAX_BYTES),
  }
}

const PREVIEW_CHARS = 2_000

/** What is too large is told as such: a replay cannot answer with half of it. */
function bounded(value: JsonObject, maxBytes: number): JsonObject {
  return cutJson(value, maxBytes, PREVIEW_CHARS) ?? value
}

function exchangeBody(row: RecordingRow): RecordingBody["exchanges"][number] {
  return {
    seq: row.seq,
    kind: row.kind === "model" ? "model" : "tool",
    step_id: row.stepId,
    item: row.item,
    round: row.round,
    attempt: row.attempt,
    request_hash: row.requestHash,
    request: row.request,
    response: row.response,
    created_at: rfc3339(row.createdAt),
  }
}
