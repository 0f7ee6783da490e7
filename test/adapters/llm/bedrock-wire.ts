import { createHash, createHmac } from "node:crypto"
import { isJsonObject, type Json, type JsonObject } from "../../../src/kernel/json.ts"
import { list, only, pieces, refuseUnless, type Script, text, USAGE, type Wire } from "./wire.ts"

export const AWS = { accessKeyId: "AKIDEXAMPLE", secret: "wJalrXUtnFEMI-EXAMPLEKEY", region: "eu-central-1" }

/** Converse as AWS describes it, with its signature and its binary event stream. */
export function bedrockWire(): Wire {
  return {
    check(request, url, body) {
      checkSigned(request, "POST")
      refuseUnless(/^\/model\/[^/]+\/converse(-stream)?$/.test(url.pathname), "UnknownOperationException", 404)
      only(
        body,
        "body",
        "messages",
        "system",
        "inferenceConfig",
        "toolConfig",
        "additionalModelRequestFields",
        "additionalModelResponseFieldPaths",
      )
      if (body.inferenceConfig !== undefined)
        only(body.inferenceConfig, "inferenceConfig", "maxTokens", "temperature", "topP", "stopSequences")
      if (body.toolConfig !== undefined) checkTools(body.toolConfig)
      checkMessages(list(body.messages, "messages"))
    },
    isStream: url => url.pathname.endsWith("-stream"),
    answer: script => ({
      output: { message: { role: "assistant", content: blocksOf(script) } },
      stopReason: stopOf(script),
      usage: USED,
      metrics: { latencyMs: 12 },
    }),
    events,
    error: (status, message) => ({
      message: status === 401 ? "The security token included in the request is invalid." : message,
    }),
    get(request, url) {
      checkSigned(request, "GET")
      refuseUnless(url.pathname === "/foundation-models", "Not Found", 404)
      return { modelSummaries: [{ modelId: "anthropic.claude-opus-5-5", modelName: "Claude" }] }
    },
    streamType: "application/vnd.amazon.eventstream",
  }
}

const USED = {
  inputTokens: USAGE.input - USAGE.cached,
  cacheReadInputTokens: USAGE.cached,
  outputTokens: USAGE.output,
  totalTokens: USAGE.input + USAGE.output,
}

/** Signature Version 4: its form here, its value by the secret where the body need not be read again. */
function checkSigned(request: Request, method: string): void {
  const said = request.headers.get("authorization") ?? ""
  const parts = said.match(
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([\w-]+)\/bedrock\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/,
  )
  refuseUnless(parts !== null, "Missing Authentication Token", 403)
  const [, id, day = "", region, signed = "", signature] = parts
  refuseUnless(id === AWS.accessKeyId && region === AWS.region, "The security token included in the request is invalid.", 403)
  const date = request.headers.get("x-amz-date") ?? ""
  refuseUnless(date.startsWith(day) && signed.split(";").includes("host"), "SignedHeaders", 403)
  if (method !== "GET") return
  const url = new URL(request.url)
  const hash = (value: string) => createHash("sha256").update(value).digest("hex")
  const headers = signed.split(";").map(name => `${name}:${name === "host" ? url.host : request.headers.get(name)}\n`)
  const canonical = [
    method,
    url.pathname,
    url.search.slice(1),
    headers.join(""),
    signed,
    request.headers.get("x-amz-content-sha256") ?? hash(""),
  ].join("\n")
  const scope = `${day}/${region}/bedrock/aws4_request`
  const chain = [day, AWS.region, "bedrock", "aws4_request"]
  const secret = chain.reduce<string | Buffer>(
    (by, value) => createHmac("sha256", by).update(value).digest(),
    `AWS4${AWS.secret}`,
  )
  const wanted = createHmac("sha256", secret)
    .update(`AWS4-HMAC-SHA256\n${date}\n${scope}\n${hash(canonical)}`)
    .digest("hex")
  refuseUnless(signature === wanted, "The request signature we calculated does not match the signature you provided.", 403)
}

function checkTools(config: Json): void {
  only(config, "toolConfig", "tools", "toolChoice")
  for (const tool of list(config.tools, "tools")) {
    only(tool, "tools[]", "toolSpec")
    only(tool.toolSpec, "toolSpec", "name", "description", "inputSchema", "strict")
    refuseUnless(/^[a-zA-Z0-9_-]{1,64}$/.test(text(tool.toolSpec.name, "name")), "toolSpec.name")
    only(tool.toolSpec.inputSchema, "inputSchema", "json")
  }
}

function checkMessages(messages: readonly Json[]): void {
  let open: string[] = []
  for (const [i, message] of messages.entries()) {
    only(message, `messages.${i}`, "role", "content")
    refuseUnless(
      message.role === (i % 2 === 0 ? "user" : "assistant"),
      "A conversation must alternate between user and assistant roles.",
    )
    const blocks = list(message.content, `messages.${i}`).filter(isJsonObject)
    const results = blocks.flatMap(block =>
      isJsonObject(block.toolResult) ? [text(block.toolResult.toolUseId, "toolUseId")] : [],
    )
    refuseUnless(open.length === results.length && open.every(id => results.includes(id)), "Expected toolResult blocks")
    open = blocks.flatMap(block => (isJsonObject(block.toolUse) ? [text(block.toolUse.toolUseId, "toolUseId")] : []))
    for (const block of blocks) only(block, "content", "text", "toolUse", "toolResult", "reasoningContent", "cachePoint")
  }
}

function blocksOf({ text: said, calls }: Script): JsonObject[] {
  return [
    ...(said === undefined ? [] : [{ text: said }]),
    ...(calls ?? []).map(({ id, name, args }) => ({ toolUse: { toolUseId: id, name, input: JSON.parse(args) } })),
  ]
}

function stopOf({ calls, finish }: Script): string {
  if (finish === "length") return "max_tokens"
  if (finish === "filter") return "content_filtered"
  return calls === undefined ? "end_turn" : "tool_use"
}

function events(script: Script): Uint8Array<ArrayBuffer>[] {
  const blocks = blocksOf(script).flatMap((block, contentBlockIndex) => {
    const use = isJsonObject(block.toolUse) ? block.toolUse : undefined
    const start =
      use === undefined
        ? []
        : [
            frame("contentBlockStart", {
              contentBlockIndex,
              start: { toolUse: { toolUseId: use.toolUseId ?? "", name: use.name ?? "" } },
            }),
          ]
    const deltas =
      use === undefined
        ? pieces(String(block.text)).map(part => ({ text: part }))
        : pieces(JSON.stringify(use.input)).map(input => ({ toolUse: { input } }))
    return [
      ...start,
      ...deltas.map(delta => frame("contentBlockDelta", { contentBlockIndex, delta })),
      frame("contentBlockStop", { contentBlockIndex }),
    ]
  })
  return [
    frame("messageStart", { role: "assistant" }),
    ...blocks,
    frame("messageStop", { stopReason: stopOf(script) }),
    frame("metadata", { usage: USED, metrics: { latencyMs: 12 } }),
  ]
}

/** `application/vnd.amazon.eventstream`: lengths, their checksum, headers, payload, checksum. */
function frame(type: string, data: JsonObject): Uint8Array<ArrayBuffer> {
  const payload = Buffer.from(JSON.stringify(data))
  const headers = Buffer.concat(
    Object.entries({ ":message-type": "event", ":event-type": type, ":content-type": "application/json" }).map(
      ([name, value]) => {
        const length = Buffer.alloc(2)
        length.writeUInt16BE(value.length)
        return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from([7]), length, Buffer.from(value)])
      },
    ),
  )
  const whole = Buffer.alloc(16 + headers.length + payload.length)
  whole.writeUInt32BE(whole.length, 0)
  whole.writeUInt32BE(headers.length, 4)
  whole.writeUInt32BE(Bun.hash.crc32(whole.subarray(0, 8)), 8)
  headers.copy(whole, 12)
  payload.copy(whole, 12 + headers.length)
  whole.writeUInt32BE(Bun.hash.crc32(whole.subarray(0, whole.length - 4)), whole.length - 4)
  return new Uint8Array(whole)
}
