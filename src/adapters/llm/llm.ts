import type { Asker } from "../../kernel/asker.ts"
import type { Json, JsonObject } from "../../kernel/json.ts"

/** Vendors whose wire formats are spoken. `local`: any OpenAI-compatible address; `builtin`: the model of the executable itself. */
export const VENDORS = [
  ...["openai", "anthropic", "google", "mistral", "openrouter", "azure", "bedrock"],
  ...["local", "builtin"],
] as const
export type Vendor = "openai" | "anthropic" | "google" | "mistral" | "openrouter" | "azure" | "bedrock" | "local" | "builtin"

/** A model, and what it takes to call it. */
export interface ModelTarget {
  readonly vendor: Vendor
  /** The vendor's own name for it, as it goes over the wire. */
  readonly model: string
  /** In place of the vendor's own address; of `local` and `azure` always. */
  readonly baseUrl: string | null
  /** Of `bedrock` `access_key_id:secret_access_key[:session_token]`, with the region in `options.region`. */
  readonly apiKey: string | null
  /** What else a vendor wants to know, e.g. `region`, `api_version`, `organization`, `project`. No secrets. */
  readonly options: JsonObject
}

export interface ModelRequest {
  readonly system: string | null
  readonly messages: readonly Message[]
  readonly tools: readonly ModelTool[]
  readonly params: ModelParams
  /** The answer's text has to be JSON of this schema (JSON Schema); null: any text. */
  readonly output: JsonObject | null
}

export type Message =
  | { readonly role: "user"; readonly text: string }
  | AssistantMessage
  | { readonly role: "tool"; readonly results: readonly ToolAnswer[] }

export interface AssistantMessage {
  readonly role: "assistant"
  readonly text: string
  readonly toolCalls: readonly ToolRequest[]
  /** What the vendor wants back with the next request (signatures of thoughts, ids of items), as it gave it. */
  readonly vendorData: Json | null
}

/** As the model wants it: `args` may be anything that it wrote, `problem` says why it is no JSON object. */
export interface ToolRequest {
  readonly id: string
  readonly name: string
  readonly args: JsonObject
  readonly problem: string | null
  readonly vendorData: Json | null
}

export interface ToolAnswer {
  readonly id: string
  readonly name: string
  readonly text: string
  readonly isError: boolean
}

export interface ModelTool {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonObject
}

/** Wire names of the contract's `llm_params`; what a vendor does not know is left out, and told in `warnings`. */
export interface ModelParams {
  readonly temperature?: number
  readonly top_p?: number
  readonly top_k?: number
  readonly max_tokens?: number
  readonly stop?: readonly string[]
  readonly seed?: number
  readonly presence_penalty?: number
  readonly frequency_penalty?: number
  readonly reasoning_effort?: string
  /** Sent as they are in the body, for local servers: `num_ctx`, `chat_template_kwargs`. */
  readonly extra?: JsonObject
}

export type FinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "other"

export interface ModelAnswer {
  /** As the vendor named it in its answer. */
  readonly model: string
  readonly message: AssistantMessage
  readonly finish: FinishReason
  readonly usage: Usage
  readonly warnings: readonly string[]
}

/** Tokens; null where the vendor did not say. `input` holds the cached ones, too. */
export interface Usage {
  readonly input: number | null
  readonly output: number | null
  readonly cachedInput: number | null
  readonly reasoning: number | null
}

export interface CallOptions {
  readonly asker: Asker
  readonly signal: AbortSignal
  /** For all of it; the caller's own retries are not part of it, and nothing in here retries. */
  readonly timeoutMs: number
  /** Told of text as it streams; never after the promise has settled. */
  readonly onText?: (delta: string) => void
}

export interface ListedModel {
  readonly model: string
  readonly contextWindow: number | null
}

/** One request to one model. Errors: `ModelFailure`, `EgressRefused`, the reason of the caller's signal. */
export interface Models {
  complete(target: ModelTarget, request: ModelRequest, options: CallOptions): Promise<ModelAnswer>
  /** The models behind a key or an address; changes nothing, and costs nothing. */
  list(target: Omit<ModelTarget, "model">, options: CallOptions): Promise<readonly ListedModel[]>
}

export type ModelProblem =
  | "rate_limited" // 429, or out of quota for a while
  | "overloaded" // 5xx, 529
  | "unreachable" // no connection, or one that broke; half a stream
  | "timeout"
  | "unauthorized" // 401, 403: the key is wrong, revoked, or may not use the model
  | "quota" // no money left: trying again does not help
  | "unknown_model"
  | "context_length"
  | "bad_request"
  | "content_filter"
  | "bad_answer" // what came is not what the vendor's format says

/** What the vendor did or said, as a sentence without secrets. */
export class ModelFailure extends Error {
  override readonly name = "ModelFailure"

  constructor(
    readonly problem: ModelProblem,
    message: string,
    readonly more: {
      /** What the vendor's answer allows: false says that the same request will fail again. */
      readonly retryable: boolean
      /** What `Retry-After` asked for. */
      readonly retryAfterMs?: number
      readonly status?: number
      /** Tokens that were used all the same, e.g. by half a stream. */
      readonly usage?: Usage
    },
  ) {
    super(message)
  }
}
