import { type ModelAnswer, ModelFailure, type ModelProblem, type Models } from "../../adapters/llm/llm.ts"
import type { ResolvedModel } from "../../adapters/llm/resolve.ts"
import { canonicalJson } from "../../kernel/canonical-json.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import type { StepExecutor, StepJob, StepOutcome } from "../../runtime/ports.ts"
import { createLlmCallExecutor, namesIn } from "../../steps/llm_call/execute.ts"
import { outcomeOf, toolExchangeOf } from "../../steps/mcp_call/execute.ts"
import { modelRequest, toolRequest } from "../../steps/recorded.ts"
import type { Answer, Unknown } from "./host.ts"
import { attemptKey, type RecordedEnd, type RecordedRun } from "./recorded-run.ts"
import type { Found, Recording } from "./recording.ts"

export interface AnswersDeps {
  readonly recorded: RecordedRun
  readonly recording: Recording
  /** The one kind of step that really runs. */
  readonly lua: StepExecutor
}

/** Answers the steps of one replay from what was recorded; only scripts run. Nothing goes out. */
export function createAnswers({ recorded, recording, lua }: AnswersDeps) {
  async function answer(job: StepJob, signal: AbortSignal): Promise<Answer> {
    if (job.stepType === "lua_script") return await lua.execute(job, signal)
    const end = recorded.ends.get(attemptKey(job)) ?? null
    switch (job.stepType) {
      case "mcp_call":
        return endedBeforehand("tool", job, end) ?? (await toolAnswer(job))
      case "llm_call":
        return endedBeforehand("model", job, end) ?? (await modelAnswer(job, end, signal))
      default:
        return (end ?? sameStepElsewhere(job))?.outcome ?? { unknown: "no_recording" }
    }
  }

  /** What failed before it asked anything, e.g. for want of a key, does so again. */
  function endedBeforehand(kind: "tool" | "model", job: StepJob, end: RecordedEnd | null): StepOutcome | null {
    const unasked = end && !recording.hasAttempt(kind, job) && !end.outcome.ok && isSame(end.config, job.config)
    return unasked ? end.outcome : null
  }

  async function toolAnswer(job: StepJob): Promise<Answer> {
    const found = await recording.find(job, { kind: "tool", request: toolRequest(toolExchangeOf(job)) }, 0)
    if (found === null || found === "truncated") return { unknown: unknownOf(found) }
    const { response } = found
    if (!response.ok) return outcomeOf({ ...response.failure, ok: false })
    return outcomeOf({ ok: true, value: isJsonObject(response.value) ? response.value : {} })
  }

  async function modelAnswer(job: StepJob, end: RecordedEnd | null, signal: AbortSignal): Promise<Answer> {
    const costs = new Map<ModelAnswer["usage"], number | null>()
    let nth = 0
    let ms = 0
    const models: Models = {
      list: async () => [],
      async complete(target, request) {
        const asked = { kind: "model" as const, request: modelRequest(target.model, request) }
        const found = await recording.find(job, asked, nth++)
        if (found === null || found === "truncated") throw new NotRecorded(unknownOf(found))
        if (!found.response.ok) throw failureOf(found.response.failure)
        // As `recordedModels` wrote it.
        const answer = found.response.value as unknown as ModelAnswer & { cost_usd: number | null; ms: number }
        costs.set(answer.usage, answer.cost_usd)
        ms += answer.ms
        return answer
      },
    }
    const modelRef = await modelRefOf(job)
    const executor = createLlmCallExecutor({
      models,
      resolve: async () => resolved(modelRef, usage => costs.get(usage) ?? null),
      recorder: { keep: async () => {} },
    })
    try {
      return timed(await executor.execute(job, signal), end, ms)
    } catch (error) {
      if (error instanceof NotRecorded) return { unknown: error.reason }
      throw error
    }
  }

  /** The model that the step's names stood for when it was recorded. */
  async function modelRefOf(job: StepJob): Promise<string> {
    const names = namesIn(job.config)
    const steps = [...recorded.ends].filter(([, { type, config }]) => type === "llm_call" && isSame(namesIn(config), names))
    const own = steps.find(([key]) => key.startsWith(`${job.stepId}\n${job.item ?? ""}\n`)) ?? steps[0]
    const [stepId = "", item = ""] = own?.[0].split("\n") ?? []
    const found = own ? await recording.modelOf({ stepId, item: item === "" ? null : Number(item) }) : null
    return found ?? names.modelRef ?? names.model ?? "default"
  }

  /** A step that got another id is still the step that asked for the same. */
  function sameStepElsewhere(job: StepJob): RecordedEnd | null {
    return [...recorded.ends.values()].find(({ type, config }) => type === job.stepType && isSame(config, job.config)) ?? null
  }

  return answer
}

class NotRecorded extends Error {
  override readonly name = "NotRecorded"

  constructor(readonly reason: Unknown) {
    super(reason)
  }
}

function unknownOf(found: Extract<Found, string> | null): Unknown {
  return found === "truncated" ? "not_replayable" : "no_recording"
}

/** No key and no address: nobody is called. */
function resolved(modelRef: string, costOf: ResolvedModel["costOf"]): ResolvedModel {
  return {
    ok: true,
    target: { vendor: "builtin", model: modelRef, baseUrl: null, apiKey: null, options: {} },
    ...{ modelRef, credentialId: null, credentialScope: "system", contextWindow: null, isListed: true, secrets: [], costOf },
  }
}

/** How long it took is no answer of the model: it took what it took. */
function timed(outcome: StepOutcome, end: RecordedEnd | null, ms: number): StepOutcome {
  if (!outcome.ok || !("result" in outcome) || !isJsonObject(outcome.result)) return outcome
  const was = end?.outcome.ok && "result" in end.outcome && isJsonObject(end.outcome.result) ? end.outcome.result : {}
  return { ...outcome, result: { ...outcome.result, latency_ms: was.latency_ms ?? ms } }
}

function failureOf({
  message,
  retryable,
  problem = "bad_answer",
  retry_after_ms,
}: {
  readonly message: string
  readonly retryable: boolean
  readonly problem?: string
  readonly retry_after_ms?: number
}): ModelFailure {
  const wait = retry_after_ms === undefined ? {} : { retryAfterMs: retry_after_ms }
  return new ModelFailure(problem as ModelProblem, message, { retryable, ...wait }) // the recorder wrote the failure's own
}

function isSame(a: JsonObject, b: JsonObject): boolean {
  return canonicalJson(a) === canonicalJson(b)
}
