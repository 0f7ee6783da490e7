import { isJsonObject, type Json, type JsonObject } from "../../../src/kernel/json.ts"
import { list, only, pieces, refuseUnless, type Script, SIGNATURE, sse, text, USAGE, type Wire } from "./wire.ts"

const CONFIG = [
  ...[
    "temperature",
    "topP",
    "topK",
    "maxOutputTokens",
    "stopSequences",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "candidateCount",
  ],
  ...["responseMimeType", "responseSchema", "responseJsonSchema", "thinkingConfig", "responseModalities", "responseFormat"],
]

/** generateContent as Google describes it; of Gemini 3 it wants the signature of the first call back. */
export function googleWire(key: string): Wire {
  const guard = (request: Request) =>
    refuseUnless(request.headers.get("x-goog-api-key") === key, "API key not valid. Please pass a valid API key.")
  return {
    check(request, url, body) {
      guard(request)
      refuseUnless(/^\/v1beta\/models\/[\w.-]+:(generateContent|streamGenerateContent)$/.test(url.pathname), "Not Found", 404)
      refuseUnless(!url.pathname.includes(":stream") || url.searchParams.get("alt") === "sse", "alt=sse is what is served here")
      only(
        body,
        "",
        "contents",
        "systemInstruction",
        "generationConfig",
        "tools",
        "toolConfig",
        "safetySettings",
        "cachedContent",
        "serviceTier",
      )
      if (body.generationConfig !== undefined) only(body.generationConfig, "generation_config", ...CONFIG)
      if (body.systemInstruction !== undefined) only(body.systemInstruction, "system_instruction", "parts", "role")
      for (const tool of body.tools === undefined ? [] : list(body.tools, "tools")) checkTool(tool)
      checkContents(list(body.contents, "contents"), url.pathname.includes("gemini-3"))
    },
    isStream: url => url.pathname.includes(":stream"),
    answer: (script, _body) => chunk(partsOf(script), finishOf(script)),
    events(script) {
      const parts = partsOf(script).flatMap(part =>
        typeof part.text === "string" && part.thought !== true ? pieces(part.text).map(piece => ({ text: piece })) : [part],
      )
      return [...parts.map(part => sse(chunk([part]))), sse(chunk([{ text: "" }], finishOf(script)))]
    },
    error: (status, message) => ({
      error: {
        code: status,
        message,
        status: status === 404 ? "NOT_FOUND" : "INVALID_ARGUMENT",
        details: message.startsWith("API key")
          ? [{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", reason: "API_KEY_INVALID" }]
          : [],
      },
    }),
    get(request, url) {
      guard(request)
      refuseUnless(url.pathname === "/v1beta/models", "Not Found", 404)
      return {
        models: [
          { name: "models/gemini-3.8-pro", inputTokenLimit: 1_048_576, supportedGenerationMethods: ["generateContent"] },
          { name: "models/embedding-1", inputTokenLimit: 2_048, supportedGenerationMethods: ["embedContent"] },
        ],
      }
    },
  }
}

function checkTool(tool: Json): void {
  only(tool, "tools[]", "functionDeclarations")
  for (const one of list(tool.functionDeclarations, "function_declarations")) {
    only(one, "function_declarations[]", "name", "description", "parameters", "parametersJsonSchema", "response")
    refuseUnless(
      /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/.test(text(one.name, "name")),
      "function_declarations[].name: Invalid function name",
    )
  }
}

function checkContents(contents: readonly Json[], wantsSignature: boolean): void {
  let open: string[] = []
  for (const [i, content] of contents.entries()) {
    const where = `contents[${i}]`
    only(content, where, "role", "parts")
    refuseUnless(content.role === "user" || content.role === "model", "Please use a valid role: user, model.")
    const parts = list(content.parts, where)
    refuseUnless(parts.length > 0, `${where}.parts must not be empty`)
    for (const part of parts)
      only(part, where, "text", "thought", "thoughtSignature", "functionCall", "functionResponse", "inlineData")
    const objects = parts.filter(isJsonObject)
    const answers = objects.flatMap(part => (isJsonObject(part.functionResponse) ? [part.functionResponse] : []))
    refuseUnless(
      answers.length === open.length,
      "the number of function response parts is equal to the number of function call parts",
    )
    for (const answer of answers) {
      only(answer, where, "id", "name", "response")
      refuseUnless(open.includes(text(answer.name, where)) && isJsonObject(answer.response), `${where}: function_response`)
    }
    const calls = objects.filter(part => part.functionCall !== undefined)
    for (const { functionCall } of calls) {
      only(functionCall, where, "id", "name", "args")
      refuseUnless(isJsonObject(functionCall.args), `${where}: args`)
    }
    refuseUnless(
      calls.length === 0 || !wantsSignature || calls[0]?.thoughtSignature === SIGNATURE,
      `Function call is missing a thought_signature in functionCall parts.`,
    )
    open =
      content.role === "model"
        ? calls.map(part => (isJsonObject(part.functionCall) ? text(part.functionCall.name, where) : ""))
        : []
  }
  refuseUnless(open.length === 0, "function calls without responses")
}

function partsOf({ thought, text: said, calls }: Script): JsonObject[] {
  return [
    ...(thought === undefined ? [] : [{ text: thought, thought: true }]),
    ...(said === undefined ? [] : [{ text: said }]),
    ...(calls ?? []).map(({ id, name, args }, i) => ({
      functionCall: { id, name, args: JSON.parse(args) },
      ...(i === 0 ? { thoughtSignature: SIGNATURE } : {}),
    })),
  ]
}

function finishOf({ finish }: Script): string {
  return finish === "length" ? "MAX_TOKENS" : finish === "filter" ? "SAFETY" : "STOP"
}

function chunk(parts: readonly JsonObject[], finishReason?: string): JsonObject {
  return {
    candidates: [{ content: { parts, role: "model" }, index: 0, ...(finishReason === undefined ? {} : { finishReason }) }],
    usageMetadata: {
      promptTokenCount: USAGE.input,
      cachedContentTokenCount: USAGE.cached,
      candidatesTokenCount: USAGE.output - USAGE.reasoning,
      thoughtsTokenCount: USAGE.reasoning,
      totalTokenCount: USAGE.input + USAGE.output,
    },
    modelVersion: "gemini-3.8-pro-001",
    responseId: "r1",
  }
}
