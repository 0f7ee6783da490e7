import { ProtocolError, SdkError, SdkErrorCode, SdkHttpError } from "@modelcontextprotocol/client"
import { cut } from "../../kernel/cut.ts"
import { MCP_MESSAGE_MAX_CHARS } from "../../kernel/limits.ts"
import { EgressFailed, EgressRefused } from "../egress/errors.ts"
import type { Exchange } from "./exchange.ts"
import { McpFailure } from "./mcp.ts"

/** What a failed exchange comes to for the caller. Whatever the SDK threw, what was seen below it says more. */
export function failureOf(error: unknown, who: string, exchange: Exchange): unknown {
  const known = [exchange.fault, error, error instanceof Error ? error.cause : undefined].find(isOurs)
  if (known instanceof EgressFailed) return new McpFailure(known.message, { retryable: !isTooLarge(known) })
  if (known !== undefined) return known
  const { message, retryable } = sentenceOf(error, who)
  return new McpFailure(exchange.masked(message), { retryable })
}

/** Of an answer: the next one is as large, and the call may have done something. */
export function isTooLarge(error: unknown): boolean {
  return error instanceof EgressFailed && / is larger than \d+ bytes$/.test(error.message)
}

function isOurs(error: unknown): error is Error {
  return error instanceof McpFailure || error instanceof EgressRefused || error instanceof EgressFailed
}

interface Sentence {
  readonly message: string
  readonly retryable: boolean
}

function sentenceOf(error: unknown, who: string): Sentence {
  if (error instanceof SdkHttpError) return httpSentence(error, who)
  if (error instanceof ProtocolError) return protocolSentence(error, who)
  if (error instanceof SdkError) return sdkSentence(error, who)
  if (error instanceof SyntaxError) return never(`${who} answered with something that is no JSON`)
  if (error instanceof Error && /Zod/.test(error.name)) return never(`${who} answered with something that is no message of MCP`)
  if (error instanceof Error) return never(`${who} could not be understood: ${quoted(error.message)}`)
  return never(`${who} could not be understood`)
}

const TRY_AGAIN = new Set([408, 425, 429, 500, 502, 503, 504])

function httpSentence({ status, data }: SdkHttpError, who: string): Sentence {
  const code = status ?? 0
  if (code >= 300 && code < 400)
    return never(`${who} answered with a redirect to another server, which is not followed: register the address it leads to`)
  if (code === 404 || code === 405) return never(`${who} has no MCP server at this address (HTTP ${code})`)
  const said = errorText(data.text)
  const retryable = TRY_AGAIN.has(code)
  return { message: `${who} answered with HTTP ${code}${said === "" ? "" : `: ${quoted(said)}`}`, retryable }
}

/** Of an error's body only what is meant to be read: a page of HTML says nothing to anybody. */
function errorText(text: unknown): string {
  if (typeof text !== "string") return ""
  try {
    const { error, message } = JSON.parse(text)
    const said = typeof error === "object" && error !== null ? error.message : (message ?? error)
    return typeof said === "string" ? said : ""
  } catch {
    return ""
  }
}

const INTERNAL_ERROR = -32_603
const METHOD_NOT_FOUND = -32_601
/** The client would have to be able to do something that this one does not offer, e.g. to ask a person. */
const MISSING_CAPABILITY = -32_021

/** The SDK's own words where the answer of a tool is not what it declares. */
const NOT_AS_DECLARED = /output ?schema|structured content/i

function protocolSentence({ code, message }: ProtocolError, who: string): Sentence {
  if (NOT_AS_DECLARED.test(message)) return never(`a tool of ${who} gave something else than it declares: ${quoted(message)}`)
  if (code === MISSING_CAPABILITY) return never(`${asksForInput(who)} (${quoted(message)})`)
  if (code === METHOD_NOT_FOUND) return never(`${who} does not know this: ${quoted(message)}`)
  return { message: `${who} answered with the error ${code}: ${quoted(message)}`, retryable: code === INTERNAL_ERROR }
}

function sdkSentence({ code, message, data }: SdkError, who: string): Sentence {
  switch (code) {
    case SdkErrorCode.RequestTimeout:
      return again(`${who} did not answer in time`)
    case SdkErrorCode.ConnectionClosed:
    case SdkErrorCode.NotConnected:
      return again(`the connection to ${who} ended in the middle of the call`)
    case SdkErrorCode.ClientHttpUnexpectedContent:
      return never(`${who} answered with content of the type ${contentType(data)}, which is not MCP`)
    case SdkErrorCode.InvalidResult:
      return never(`${who} gave a result that does not fit the protocol: ${quoted(message)}`)
    case SdkErrorCode.UnsupportedResultType:
    case SdkErrorCode.InputRequiredRoundsExceeded:
    case SdkErrorCode.CapabilityNotSupported:
      return never(asksForInput(who))
    default:
      return never(`no conversation with ${who} is possible: ${quoted(message)}`)
  }
}

function asksForInput(who: string): string {
  return `a tool of ${who} asks for input in the middle of its work, which nobody can give here`
}

function contentType(data: unknown): string {
  const type = typeof data === "object" && data !== null && "contentType" in data ? data.contentType : undefined
  return typeof type === "string" ? quoted(type.slice(0, 100)) : "(none)"
}

/** Text of the other side: bounded, on one line, and of addresses without what may be secret. */
export function quoted(text: string): string {
  const line = text
    .slice(0, MCP_MESSAGE_MAX_CHARS * 2)
    .replace(/\p{Cc}+/gu, " ")
    .replace(/(\w+:\/\/)[^\s/@]*@/g, "$1")
    .replace(/(\w+:\/\/[^\s?]*)\?[^\s"']*/g, "$1")
    .trim()
  return cut(line, MCP_MESSAGE_MAX_CHARS)
}

function never(message: string): Sentence {
  return { message, retryable: false }
}

function again(message: string): Sentence {
  return { message, retryable: true }
}
