import type { ModelAnswer, ModelRequest, Models } from "../adapters/llm/llm.ts"
import { ModelFailure } from "../adapters/llm/llm.ts"
import type { ToolResult } from "../connectors/connector.ts"
import type { Json, JsonObject } from "../kernel/json.ts"
import type { Mask } from "../kernel/masked.ts"
import type { StepJob } from "../runtime/ports.ts"
import type { Recorder } from "../runtime/recorder.ts"

/** A tool as a replay knows it: by the name of its server, whatever instance serves it. */
export interface ToolExchange {
  readonly server: string
  readonly tool: string
  readonly args: JsonObject
}

/** The request of a tool call as it is recorded, and looked for by a replay. */
export function toolRequest({ server, tool, args }: ToolExchange): JsonObject {
  return { server, tool, args }
}

/**
 * Calls the tool; in a recorded run what came of it is on disk before it is answered. Every step that calls tools uses this.
 * `signal`: of the attempt; what a cancelled one says is no answer of the tool.
 */
export async function recordedTool(
  recorder: Recorder,
  job: StepJob,
  signal: AbortSignal,
  exchange: ToolExchange,
  call: () => Promise<ToolResult>,
): Promise<ToolResult> {
  const result = await call()
  if (!job.recording || signal.aborted) return result
  const { server, tool, args } = exchange
  const response = result.ok
    ? { ok: true as const, value: result.value }
    : { ok: false as const, failure: { message: result.message, retryable: result.retryable, ...timeoutOf(result) } }
  await recorder.keep(job, { kind: "tool", request: toolRequest({ server, tool, args }), response })
  return result
}

/** Who is asked: the model as it was resolved. */
export interface AskedModel {
  readonly modelRef: string
  /** What must not be seen of the target. */
  readonly mask: Mask
  /** Of an answer, in US dollars. */
  costOf(usage: ModelAnswer["usage"]): number | null
}

/** The request to a model as it is recorded, and looked for by a replay. */
export function modelRequest(modelRef: string, { system, messages, tools, params, output }: ModelRequest): JsonObject {
  // Interfaces of JSON values have no index signature.
  return { model_ref: modelRef, ...({ system, messages, tools, params, output } as unknown as JsonObject) }
}

/**
 * The models, for one attempt of a step: in a recorded run what came of a request is on disk before it is answered. Every step that
 * asks models uses this.
 */
export function recordedModels(models: Models, recorder: Recorder, job: StepJob, asked: AskedModel): Models {
  if (!job.recording) return models
  const keep = async (request: ModelRequest, response: { ok: true; value: Json } | { ok: false; failure: ModelFailure }) => {
    const masked = asked.mask.json(modelRequest(asked.modelRef, request)) as JsonObject // an object stays one
    await recorder.keep(job, {
      kind: "model",
      request: masked,
      response: response.ok ? { ok: true, value: asked.mask.json(response.value) } : failedResponse(response.failure, asked.mask),
    })
  }
  return {
    list: (target, options) => models.list(target, options),
    async complete(target, request, options) {
      const startedAt = performance.now()
      try {
        const answer = await models.complete(target, request, options)
        const more = { cost_usd: asked.costOf(answer.usage), ms: Math.round(performance.now() - startedAt) }
        await keep(request, { ok: true, value: { ...(answer as unknown as JsonObject), ...more } })
        return answer
      } catch (error) {
        if (error instanceof ModelFailure) await keep(request, { ok: false, failure: error })
        throw error
      }
    },
  }
}

function failedResponse({ message, problem, more }: ModelFailure, mask: Mask) {
  const wait = more.retryAfterMs === undefined ? {} : { retry_after_ms: more.retryAfterMs }
  return { ok: false as const, failure: { message: mask.text(message), retryable: more.retryable, problem, ...wait } }
}

function timeoutOf({ timeout }: Extract<ToolResult, { ok: false }>) {
  return timeout ? { timeout } : {}
}
