import type { OpenAIProvider } from "@ai-sdk/openai"

/**
 * The AI SDK's interface of one model, which every provider package of it implements: one request and its answer, tool calls as
 * the text that the model wrote. What the package `ai` builds upon it (loops, retries, repair of calls, telemetry, downloads,
 * warnings on stderr) is not wanted here: a turn is journaled call by call.
 */
export type SdkModel = Pick<ReturnType<OpenAIProvider["chat"]>, "doGenerate" | "doStream">

export type SdkCall = Parameters<SdkModel["doGenerate"]>[0]
export type SdkPrompt = SdkCall["prompt"]
export type SdkMessage = SdkPrompt[number]
export type SdkAssistantPart = Extract<SdkMessage, { role: "assistant" }>["content"][number]
export type SdkAnswer = Awaited<ReturnType<SdkModel["doGenerate"]>>
export type SdkContent = SdkAnswer["content"][number]
export type SdkStream = Awaited<ReturnType<SdkModel["doStream"]>>["stream"]
export type SdkStreamPart = SdkStream extends ReadableStream<infer Part> ? Part : never
export type SdkMetadata = NonNullable<Extract<SdkContent, { type: "text" }>["providerMetadata"]>
