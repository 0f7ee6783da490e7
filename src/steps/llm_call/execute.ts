import { EgressRefused } from "../../adapters/egress/errors.ts"
import { type Message, type ModelAnswer, ModelFailure, type Models } from "../../adapters/llm/llm.ts"
import type { ResolvedModel, ResolveModel } from "../../adapters/llm/resolve.ts"
import type { Failure } from "../../engine/failure.ts"
import { asker } from "../../kernel/asker.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { LLM_EXPOSED_MAX_CHARS, LLM_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"
import { createMask, type Mask } from "../../kernel/masked.ts"
import type { StepExecutor, StepJob, StepOutcome } from "../../runtime/ports.ts"
import type { Recorder } from "../../runtime/recorder.ts"
import { recordedModels } from "../recorded.ts"
import { type ReadParams, readParams } from "./params.ts"
import { ShownText } from "./shown-text.ts"
import { jsonOf, type OutputCheck, outputCheck } from "./structured.ts"

export interface LlmCallDeps {
  readonly models: Models
  readonly resolve: ResolveModel
  readonly recorder: Recorder
}

/** One prompt to one model. With `output_schema` the answer is held against it, and the model may repair it once. */
export function createLlmCallExecutor({ models, resolve, recorder }: LlmCallDeps): StepExecutor {
  return {
    async execute(job, signal) {
      const startedAt = performance.now()
      const wish = readWish(job.config)
      if (!wish.ok) return failure(wish.message)
      const found = await resolve({ tenantId: job.tenantId, ...namesIn(job.config) })
      if (!found.ok) return failure(found.message)
      const limitMs = job.timeoutMs ?? LLM_TIMEOUT_DEFAULT_MS
      // What it took to get here is part of the attempt's time.
      const call: Call = { job, signal, wish, found, deadline: startedAt + limitMs, mask: createMask(found.secrets) }
      try {
        return await converse(recordedModels(models, recorder, job, { ...found, mask: call.mask }), call)
      } catch (error) {
        if (error instanceof ModelFailure) return failed(error, call.mask)
        if (error instanceof EgressRefused) return failure(error.message)
        if (signal.aborted) return failure("the call was cancelled")
        throw error
      }
    },
  }
}

interface Call {
  readonly job: StepJob
  readonly signal: AbortSignal
  readonly wish: Wish
  readonly found: ResolvedModel
  readonly deadline: number
  readonly mask: Mask
}

async function converse(models: Models, call: Call): Promise<StepOutcome> {
  const { wish, mask } = call
  const startedAt = performance.now()
  const first = await complete(models, call, [{ role: "user", text: wish.prompt }])
  if (wish.check === null) return succeeded(call, [first], performance.now() - startedAt)
  const checked = wish.check(first.message.text)
  if (checked.ok) return succeeded(call, [first], performance.now() - startedAt, checked.output)
  const second = await complete(models, call, [
    { role: "user", text: wish.prompt },
    first.message,
    { role: "user", text: repairOf(checked.problem) },
  ])
  const repaired = wish.check(second.message.text)
  if (repaired.ok) return succeeded(call, [first, second], performance.now() - startedAt, repaired.output)
  const cut = second.finish === "length" ? " (it was cut at max_tokens)" : ""
  const message = `the model's answer does not fit output_schema, and neither does its second try${cut}: ${repaired.problem}`
  return { ok: false, failure: { code: "LLM_REQUEST_FAILED", message: mask.text(message), retryable: true } }
}

async function complete(models: Models, call: Call, messages: readonly Message[]): Promise<ModelAnswer> {
  const { job, signal, wish, found, deadline, mask } = call
  const shown = new ShownText(mask, data => job.progress(data))
  const request = { system: wish.system, messages, tools: [], params: wish.params.params, output: wish.schema }
  return await models.complete(found.target, request, {
    asker: asker(`model ${found.modelRef}`, job),
    signal,
    timeoutMs: Math.max(1, Math.floor(deadline - performance.now())),
    onText: delta => shown.add(delta, performance.now()),
  })
}

function repairOf(problem: string): string {
  return `That answer does not fit the JSON Schema that was asked for: ${problem}. Answer again, with nothing but JSON that fits it.`
}

/** The keys of an answer that is a JSON object are there beside the documented ones, which win (contract C-30). */
function succeeded({ found, mask, wish }: Call, answers: readonly ModelAnswer[], ms: number, output?: Json): StepOutcome {
  const last = answers.at(-1)!
  const text = mask.text(last.message.text)
  const whole = text.length <= LLM_EXPOSED_MAX_CHARS ? jsonOf(text) : undefined
  const costs = answers.map(answer => found.costOf(answer.usage))
  const result: JsonObject = {
    ...(isJsonObject(whole) ? (mask.json(whole) as JsonObject) : {}),
    model: mask.text(last.model),
    text,
    tokens_in: sum(answers.map(({ usage }) => usage.input)),
    tokens_out: sum(answers.map(({ usage }) => usage.output)),
    latency_ms: Math.round(ms),
    model_ref: found.modelRef,
    cost_micro_usd: sum(costs),
    finish_reason: last.finish,
    ...(output !== undefined && { output: mask.json(output) }),
  }
  const told = [...new Set(answers.flatMap(answer => answer.warnings))].map(message => mask.text(message))
  const ignored = wish.params.ignored.map(name => `llm_params.${name} is not known here, and was not sent`)
  const warnings = [...ignored, ...told].map(message => ({ code: "llm_param_ignored", message }))
  return { ok: true, result, ...(warnings.length > 0 && { warnings }) }
}

function failed({ message, problem, more }: ModelFailure, mask: Mask): StepOutcome {
  const timeout = problem === "timeout" ? { timeout: true as const } : {}
  const wait = more.retryAfterMs === undefined ? {} : { retryAfterMs: more.retryAfterMs }
  const failure: Failure = {
    code: "LLM_REQUEST_FAILED",
    message: mask.text(message),
    retryable: more.retryable,
    ...timeout,
    ...wait,
  }
  return { ok: false, failure }
}

/** What only a change of the workflow, or of the keys, can repair. */
function failure(message: string): StepOutcome {
  return { ok: false, failure: { code: "LLM_REQUEST_FAILED", message, retryable: false } }
}

/** Null as soon as one part is not known. */
function sum(parts: readonly (number | null)[]): number | null {
  return parts.reduce<number | null>((total, part) => (total === null || part === null ? null : total + part), 0)
}

interface Wish {
  readonly ok: true
  readonly prompt: string
  readonly system: string | null
  readonly params: Extract<ReadParams, { ok: true }>
  readonly schema: JsonObject | null
  readonly check: OutputCheck | null
}

function readWish(config: JsonObject): Wish | { readonly ok: false; readonly message: string } {
  const prompt = spoken(config.prompt)
  if (prompt.trim() === "") return { ok: false, message: "the prompt is empty" }
  const params = readParams(config.llm_params)
  if (!params.ok) return params
  const system = spoken(config.system)
  const wish = { ok: true as const, prompt, system: system.trim() === "" ? null : system, params }
  const schema = config.output_schema ?? null
  if (schema === null || schema === "") return { ...wish, schema: null, check: null }
  if (!isJsonObject(schema)) return { ok: false, message: "output_schema is not an object" }
  const made = outputCheck(schema)
  return made.ok ? { ...wish, schema, check: made.check } : made
}

/** A template that is all of a prompt keeps the type of its value. */
function spoken(value: Json | undefined): string {
  if (value === undefined || value === null) return ""
  return typeof value === "string" ? value : JSON.stringify(value)
}

/** The fields with which a step says which model it wants. */
export function namesIn({ model_ref, model, llm_credential_id, llm_credential_scope }: JsonObject) {
  return {
    modelRef: textOrNull(model_ref),
    model: textOrNull(model),
    credentialId: textOrNull(llm_credential_id),
    credentialScope: textOrNull(llm_credential_scope),
  }
}

function textOrNull(value: Json | undefined): string | null {
  const text = typeof value === "string" ? value.trim() : ""
  return text === "" ? null : text
}
