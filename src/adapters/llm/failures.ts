import { cut } from "../../kernel/cut.ts"
import { isJsonObject, type Json, type JsonObject } from "../../kernel/json.ts"
import { LLM_MESSAGE_MAX_CHARS } from "../../kernel/limits.ts"
import { createMask } from "../../kernel/masked.ts"
import { isTooDeep, parsedJson } from "../../kernel/nesting.ts"
import { EgressFailed, EgressRefused } from "../egress/errors.ts"
import { ModelFailure, type ModelProblem, type ModelTarget } from "./llm.ts"
import { retryAfterMs } from "./retry-after.ts"

/** What a vendor answered instead of an answer. */
export interface Refusal {
  readonly status: number | undefined
  /** In the vendor's own words; empty where it said none. */
  readonly sentence: string
  /** Its names for the kind of error: `code`, `type`, `status`. */
  readonly names: readonly string[]
  readonly headers: Readonly<Record<string, string>>
  readonly body: Json | undefined
}

/** `ModelFailure` of whatever was thrown on the way; what egress refused stays that. */
export function failureOf(thrown: unknown, target: Omit<ModelTarget, "model">, now: number): ModelFailure | EgressRefused {
  const chain = causes(thrown)
  for (const error of chain) if (error instanceof ModelFailure || error instanceof EgressRefused) return error
  const mask = createMask((target.apiKey ?? "").split(":").concat(target.apiKey ?? ""))
  const failed = chain.find(error => error instanceof EgressFailed)
  if (failed instanceof EgressFailed)
    return new ModelFailure("unreachable", cut(mask.text(failed.message), LLM_MESSAGE_MAX_CHARS), { retryable: true })
  const refusal = refusalOf(chain)
  if (refusal === null) return oddAnswer(chain, text => mask.text(text))
  const problem = problemOf(refusal)
  const status = refusal.status === undefined ? {} : { status: refusal.status }
  const wait = retryAfterMs(refusal, now)
  return new ModelFailure(problem, cut(mask.text(sentenceOf(target.vendor, refusal)), LLM_MESSAGE_MAX_CHARS), {
    retryable: RETRYABLE.has(problem) && refusal.headers["x-should-retry"] !== "false",
    ...status,
    ...(wait === null ? {} : { retryAfterMs: wait }),
  })
}

const RETRYABLE: ReadonlySet<ModelProblem> = new Set(["rate_limited", "overloaded", "unreachable", "timeout", "bad_answer"])

/** What the SDK says about an answer that it could not read, or a request that it would not make. */
function oddAnswer(chain: readonly unknown[], mask: (text: string) => string): ModelFailure {
  const said = chain.map(error => (error instanceof Error ? error.name : ""))
  if (said.some(name => /UnsupportedFunctionality|InvalidPrompt|InvalidArgument|LoadSetting|LoadAPIKey/.test(name))) {
    const [first] = chain
    return new ModelFailure("bad_request", cut(mask(first instanceof Error ? first.message : ""), LLM_MESSAGE_MAX_CHARS), {
      retryable: false,
    })
  }
  // Their messages repeat the answer, whole.
  const sentence = said.some(name => /ParseError|TypeValidation|InvalidResponse|NoContent|EmptyResponse|APICall/.test(name))
    ? "the answer is not in the vendor's format"
    : "the answer could not be read"
  return new ModelFailure("bad_answer", sentence, { retryable: true })
}

function causes(thrown: unknown): unknown[] {
  const chain: unknown[] = []
  for (let error = thrown; error !== undefined && error !== null && chain.length < 10; ) {
    chain.push(error)
    error = error instanceof Error ? error.cause : undefined
  }
  return chain
}

/** Errors of the SDK with a status, error events of streams, and error objects as vendors write them. */
function refusalOf(chain: readonly unknown[]): Refusal | null {
  for (const error of chain) {
    if (typeof error !== "object" || error === null) continue
    const status = numberOf(at(error, "statusCode"))
    const body = jsonOf(at(error, "responseBody")) ?? jsonOf(at(error, "data"))
    const own = error instanceof Error ? undefined : jsonOf(error)
    // A good status with a body that could not be read is no refusal.
    if (status !== undefined && status < 400) continue
    // Nor is one that the SDK makes up.
    if (error instanceof Error && error.message === "Responses API returned no output") continue
    if (status === undefined && body === undefined && own === undefined) continue
    const described = describedIn(body) ?? describedIn(own)
    const message = at(error, "message")
    const headers = at(error, "responseHeaders")
    const names = [described?.code, described?.type, described?.status, at(error, "code"), at(error, "type")]
    const named = names.filter(name => typeof name === "string" || typeof name === "number").map(String)
    const code = status ?? STATUS_OF[named.find(name => STATUS_OF[name] !== undefined) ?? ""] ?? numberOf(described?.code)
    return {
      status: code,
      sentence: textIn(described) ?? (typeof message === "string" ? message : ""),
      names: named,
      headers: isJsonObject(headers) ? (headers as Record<string, string>) : {},
      body: body ?? own,
    }
  }
  return null
}

/** The statuses that vendors mean where an error comes within a stream, which has answered 200. */
const STATUS_OF: Readonly<Record<string, number>> = {
  invalid_request_error: 400,
  authentication_error: 401,
  billing_error: 402,
  permission_error: 403,
  not_found_error: 404,
  request_too_large: 413,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  insufficient_quota: 429,
  api_error: 500,
  server_error: 500,
  timeout_error: 504,
  overloaded_error: 529,
  throttlingException: 429,
  internalServerException: 500,
  modelStreamErrorException: 500,
  serviceUnavailableException: 503,
  validationException: 400,
}

/** `{"error": {…}}`, Google's `[{"error": {…}}]`, or the fields beside one another. */
function describedIn(body: Json | undefined): JsonObject | undefined {
  const one = Array.isArray(body) ? body[0] : body
  if (!isJsonObject(one)) return undefined
  if (isJsonObject(one.error)) return one.error
  if (isJsonObject(one.response) && isJsonObject(one.response.error)) return one.response.error
  return typeof one.error === "string" ? { ...one, message: one.error } : one
}

function textIn(described: JsonObject | undefined): string | undefined {
  const { message, detail, Message } = described ?? {}
  for (const text of [message, Message, detail]) if (typeof text === "string" && text !== "") return text
  return message === undefined && detail === undefined ? undefined : JSON.stringify(message ?? detail)
}

function problemOf({ status, sentence, names, body }: Refusal): ModelProblem {
  const said = `${names.join(" ")} ${sentence}`
  if (
    /insufficient_quota|billing_error|billing_not_active|credit balance|insufficient credits|exceeded your current quota, please check your plan/i.test(
      said,
    )
  )
    return isShortQuota(body) ? "rate_limited" : "quota"
  if (/content_filter|content management policy|ResponsibleAIPolicy|content_policy/i.test(said)) return "content_filter"
  if (
    /API_KEY_INVALID|API key not valid|invalid_api_key|UnrecognizedClient|InvalidSignature/i.test(
      `${said} ${JSON.stringify(body ?? "")}`,
    )
  )
    return "unauthorized"
  if (status === undefined) return "bad_answer"
  if (status === 401 || status === 403) return "unauthorized"
  if (status === 402) return "quota"
  if (status === 408 || status === 504) return "timeout"
  if (status === 429) return "rate_limited"
  if (status === 501) return "bad_request"
  if (status >= 500 || status === 409 || status === 425) return "overloaded"
  if (status === 413 || CONTEXT.test(said)) return "context_length"
  if (
    status === 404 ||
    /model_not_found|not a valid model|invalid model|model .{0,80}(does not exist|not found|is not supported)/i.test(said)
  )
    return "unknown_model"
  return "bad_request"
}

const CONTEXT =
  /context_length|context_size|context (length|window|size)|prompt is too long|input is too long|too many (input )?tokens|maximum (context|number of tokens|prompt length)|exceeds the (maximum|limit|available context)|reduce the length|input token count/i

/** Google calls a minute's and a day's limit a quota, and says when to come back. */
function isShortQuota(body: Json | undefined): boolean {
  return JSON.stringify(body ?? "").includes("RetryInfo")
}

function sentenceOf(vendor: string, { status, sentence }: Refusal): string {
  const how = status === undefined ? "" : ` answered ${status}`
  const bare = sentence.trim()
  return bare === "" ? `${vendor}${how || " gave no reason"}` : `${vendor}${how}: ${bare}`
}

function at(error: object, key: string): unknown {
  return (error as Record<string, unknown>)[key]
}

function numberOf(value: unknown): number | undefined {
  return typeof value === "number" && Number.isInteger(value) ? value : undefined
}

function jsonOf(value: unknown): Json | undefined {
  if (typeof value === "string") return parsedJson(value)
  if (isTooDeep(value)) return undefined
  try {
    return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
  } catch {
    return undefined
  }
}
