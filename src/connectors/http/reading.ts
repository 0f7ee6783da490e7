import type { Json } from "../../kernel/json.ts"
import { parsedJson } from "../../kernel/nesting.ts"
import { answerText, isJsonType, mediaType } from "../answer.ts"
import type { Answer } from "../exchange.ts"
import { ToolFailure } from "../kit.ts"
import type { HttpArguments } from "./input.ts"

export interface ReadBody {
  readonly body: Json
  readonly body_type: "json" | "text" | "base64" | "none"
}

/** The body of an answer as the arguments want it, or as it says of itself what it is. */
export function readBody(answer: Answer, wanted: HttpArguments["response"]): ReadBody {
  if (answer.bytes.length === 0) return { body: null, body_type: "none" }
  switch (wanted) {
    case "json":
      return { body: jsonOf(answer), body_type: "json" }
    case "text":
      return { body: answerText(answer), body_type: "text" }
    case "base64":
      return base64(answer)
    default:
      return bestOf(answer)
  }
}

function jsonOf(answer: Answer): Json {
  const value = parsedJson(answerText(answer))
  if (value === undefined) throw new ToolFailure(`the answer of ${answer.url.host} (${answer.status}) is not valid JSON`)
  return value
}

const TEXT =
  /^(text\/.*|application\/(xml|javascript|yaml|x-yaml|toml|sql|x-www-form-urlencoded|x-ndjson|jsonl|graphql)|.*\+(xml|yaml))$/

/** What calls itself JSON and is none is still given as text: an error page, for one, is often called so. */
function bestOf(answer: Answer): ReadBody {
  const type = mediaType(answer.headers)
  if (isJsonType(type) || type === "") {
    const value = parsedJson(answerText(answer))
    if (value !== undefined) return { body: value, body_type: "json" }
  }
  if (isJsonType(type) || TEXT.test(type)) return { body: answerText(answer), body_type: "text" }
  if (type !== "") return base64(answer)
  const text = utf8(answer.bytes)
  return text === null ? base64(answer) : { body: text, body_type: "text" }
}

function base64({ bytes }: Answer): ReadBody {
  return { body: Buffer.from(bytes).toString("base64"), body_type: "base64" }
}

function utf8(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return null
  }
}
