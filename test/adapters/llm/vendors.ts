import type { ModelTarget } from "../../../src/adapters/llm/llm.ts"
import type { JsonObject } from "../../../src/kernel/json.ts"
import { anthropicWire } from "./anthropic-wire.ts"
import { AWS, bedrockWire } from "./bedrock-wire.ts"
import { target } from "./calling.ts"
import { googleWire } from "./google-wire.ts"
import { chatWire } from "./openai-chat-wire.ts"
import { responsesWire } from "./openai-responses-wire.ts"
import type { Wire } from "./wire.ts"

const KEY = "sk-test-0123456789abcdef"
const bearer = (request: Request) => request.headers.get("authorization") === `Bearer ${KEY}`
const listed = (...data: readonly JsonObject[]) => ({ object: "list", data })

/** A vendor's server, and how it is called. */
export interface Spoken {
  readonly name: string
  readonly wire: Wire
  readonly targetAt: (url: string) => ModelTarget
  /** What `list` finds there. */
  readonly lists: readonly { readonly model: string; readonly contextWindow: number | null }[]
  /** It can be sent a thought back. */
  readonly thinks?: true
  readonly callId?: string
  /** The model's tokens of reasoning are counted apart. */
  readonly countsReasoning?: true
}

/** Of each vendor, and of both of OpenAI's APIs, behind each door that they have. */
export const SPOKEN: readonly Spoken[] = [
  {
    name: "openai",
    wire: responsesWire({ isLetIn: bearer, path: /^\/v1\/responses$/ }),
    targetAt: url => target({ vendor: "openai", model: "gpt-5.4", baseUrl: `${url}/v1`, apiKey: KEY }),
    lists: [{ model: "gpt-5.4", contextWindow: null }],
    thinks: true,
    countsReasoning: true,
  },
  {
    name: "openai chat completions",
    wire: chatWire({ isLetIn: bearer, path: /^\/v1\/chat\/completions$/, listed: listed({ id: "gpt-4o" }) }),
    targetAt: url => target({ vendor: "openai", model: "gpt-4o", baseUrl: `${url}/v1/`, apiKey: KEY, options: { api: "chat" } }),
    lists: [{ model: "gpt-4o", contextWindow: null }],
    countsReasoning: true,
  },
  {
    name: "anthropic",
    wire: anthropicWire(KEY),
    targetAt: url => target({ vendor: "anthropic", model: "claude-opus-4-5", baseUrl: `${url}/v1`, apiKey: KEY }),
    lists: [{ model: "claude-opus-5-5", contextWindow: null }],
    thinks: true,
  },
  {
    name: "google",
    wire: googleWire(KEY),
    targetAt: url => target({ vendor: "google", model: "gemini-3.8-pro", baseUrl: `${url}/v1beta`, apiKey: KEY }),
    lists: [{ model: "gemini-3.8-pro", contextWindow: 1_048_576 }],
    thinks: true,
    countsReasoning: true,
  },
  {
    name: "mistral",
    wire: chatWire({
      isLetIn: bearer,
      path: /^\/v1\/chat\/completions$/,
      more: ["random_seed", "safe_prompt"],
      listed: listed(
        { id: "mistral-large-latest", max_context_length: 131_072, capabilities: { completion_chat: true } },
        { id: "mistral-embed", capabilities: { completion_chat: false } },
      ),
      callId: /^[a-zA-Z0-9]{9}$/,
      asMistral: true,
    }),
    targetAt: url => target({ vendor: "mistral", model: "mistral-large-latest", baseUrl: `${url}/v1`, apiKey: KEY }),
    lists: [{ model: "mistral-large-latest", contextWindow: 131_072 }],
  },
  {
    name: "openrouter",
    wire: chatWire({
      isLetIn: bearer,
      path: /^\/api\/v1\/chat\/completions$/,
      more: ["top_k", "reasoning", "provider", "models", "transforms"],
      listed: listed({ id: "anthropic/claude-opus-5-5", context_length: 1_000_000 }),
    }),
    targetAt: url => target({ vendor: "openrouter", model: "anthropic/claude-opus-5-5", baseUrl: `${url}/api/v1`, apiKey: KEY }),
    lists: [{ model: "anthropic/claude-opus-5-5", contextWindow: 1_000_000 }],
    countsReasoning: true,
  },
  {
    name: "azure",
    wire: responsesWire({ isLetIn: request => request.headers.get("api-key") === KEY, path: /^\/openai\/v1\/responses$/ }),
    targetAt: url => target({ vendor: "azure", model: "my-deployment", baseUrl: `${url}/openai/v1`, apiKey: KEY }),
    lists: [{ model: "gpt-5.4", contextWindow: null }],
    countsReasoning: true,
  },
  {
    name: "azure by deployment",
    wire: chatWire({
      isLetIn: request =>
        request.headers.get("api-key") === KEY && new URL(request.url).searchParams.get("api-version") === "2024-10-21",
      path: /^\/openai\/deployments\/my-deployment\/chat\/completions$/,
      listed: listed({ id: "gpt-4o" }),
    }),
    targetAt: url =>
      target({
        vendor: "azure",
        model: "my-deployment",
        baseUrl: url,
        apiKey: KEY,
        options: { api: "chat", api_version: "2024-10-21", deployment_urls: true },
      }),
    lists: [{ model: "gpt-4o", contextWindow: null }],
    countsReasoning: true,
  },
  {
    name: "bedrock",
    wire: bedrockWire(),
    targetAt: url =>
      target({
        vendor: "bedrock",
        model: "anthropic.claude-opus-4-5-v1:0",
        baseUrl: url,
        apiKey: `${AWS.accessKeyId}:${AWS.secret}`,
        options: { region: AWS.region },
      }),
    lists: [{ model: "anthropic.claude-opus-5-5", contextWindow: null }],
  },
  {
    name: "local",
    wire: chatWire({
      isLetIn: request => request.headers.get("authorization") === null,
      path: /^\/v1\/chat\/completions$/,
      more: ["num_ctx", "chat_template_kwargs", "top_k"],
      listed: listed({ id: "qwen3:8b", max_model_len: 40_960 }),
    }),
    targetAt: url => target({ vendor: "local", model: "qwen3:8b", baseUrl: url }),
    lists: [{ model: "qwen3:8b", contextWindow: 40_960 }],
    countsReasoning: true,
  },
]
