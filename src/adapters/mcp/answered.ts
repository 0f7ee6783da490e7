import type { AsyncLocalStorage } from "node:async_hooks"
import type { JSONRPCMessage, RequestId, Transport, TransportSendOptions } from "@modelcontextprotocol/client"
import {
  MCP_CONTENT_MAX,
  MCP_CONTENT_MAX_VALUES,
  MCP_RESULT_MAX_VALUES,
  MCP_TOOL_PAGES_MAX,
  MCP_TOOLS_MAX,
  MCP_TOOLS_MAX_CHARS,
} from "../../kernel/limits.ts"
import { isTooDeep } from "../../kernel/nesting.ts"
import type { Exchange } from "./exchange.ts"
import { McpFailure } from "./mcp.ts"

export interface AnsweredOptions {
  readonly current: AsyncLocalStorage<Exchange>
  readonly who: string
  /** Each request has an answer of its own (Streamable HTTP): when that has ended, nothing follows. */
  readonly ownAnswers: boolean
}

/** No code of the protocol: the answer is made here, and its exchange knows why. */
const UNANSWERED = -32_199

/**
 * A transport of the SDK on which every request comes to an end: the SDK waits for its timeout when an answer breaks off or
 * answers something else. What a server may send within one exchange is counted on the way.
 */
export class Answered implements Transport {
  onclose?: () => void
  onerror?: (error: Error) => void
  onmessage?: Transport["onmessage"]
  readonly #inner: Transport
  readonly #options: AnsweredOptions
  readonly #open = new Map<RequestId, Exchange | undefined>()
  readonly #lists = new WeakMap<Exchange, ListSize>()

  constructor(inner: Transport, options: AnsweredOptions) {
    this.#inner = inner
    this.#options = options
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId
  }

  get hasPerRequestStream(): boolean {
    return this.#inner.hasPerRequestStream ?? false
  }

  async start(): Promise<void> {
    this.#inner.onmessage = (message, extra) => this.#receive(message, extra)
    this.#inner.onerror = error => this.onerror?.(error)
    this.#inner.onclose = () => this.onclose?.()
    await this.#inner.start()
  }

  async send(message: JSONRPCMessage, options?: TransportSendOptions): Promise<void> {
    if (!("method" in message) || !("id" in message)) return await this.#inner.send(message, options)
    const { id } = message
    const exchange = this.#options.current.getStore()
    this.#open.set(id, exchange)
    if (!this.#options.ownAnswers) return await this.#inner.send(message, options)
    const ended = () => {
      this.#unanswered(id)
      options?.onRequestStreamEnd?.()
    }
    try {
      await this.#inner.send(message, { ...options, onRequestStreamEnd: ended })
    } catch (error) {
      this.#open.delete(id)
      throw error
    }
    if (exchange?.streaming !== true) this.#unanswered(id)
  }

  setProtocolVersion(version: string): void {
    this.#inner.setProtocolVersion?.(version)
  }

  async close(): Promise<void> {
    await this.#inner.close()
  }

  #receive: NonNullable<Transport["onmessage"]> = (message, extra) => {
    // What kind it is, the SDK has checked already: its own questions would check all of it again, 15 µs a call.
    if (("result" in message || "error" in message) && message.id !== undefined) {
      const exchange = this.#open.get(message.id)
      this.#open.delete(message.id)
      const problem = "result" in message ? this.#problem(message.result, exchange) : null
      if (problem !== null) {
        exchange?.fail(new McpFailure(problem))
        this.onmessage?.(unusable(message.id, problem))
        return
      }
    }
    this.onmessage?.(message, extra)
  }

  #unanswered(id: RequestId): void {
    const exchange = this.#open.get(id)
    if (!this.#open.delete(id)) return
    const message = `${this.#options.who} ended its answer without a result`
    if (exchange !== undefined) exchange.fault ??= new McpFailure(message, { retryable: true })
    this.onmessage?.(unusable(id, message))
  }

  /** What is too much in a result. Said before the SDK checks it, which takes half a minute for a result that is all wrong. */
  #problem(result: { readonly [key: string]: unknown }, exchange: Exchange | undefined): string | null {
    const { who } = this.#options
    if (isTooDeep(result)) return `${who} gave a result that is nested too deeply`
    const { structuredContent: _, ...checked } = result
    if (Array.isArray(result.content)) {
      if (result.content.length > MCP_CONTENT_MAX) return `${who} gave a result of more than ${MCP_CONTENT_MAX} parts`
      return isWithin(checked, MCP_CONTENT_MAX_VALUES) ? null : `${who} gave a result whose parts are too large to be checked`
    }
    if (!isWithin(checked, MCP_RESULT_MAX_VALUES)) return `${who} gave a result that is too large to be checked`
    return exchange !== undefined && Array.isArray(result.tools) ? this.#listProblem(result.tools, exchange) : null
  }

  /** A list of tools comes in pages, as many as the server likes. */
  #listProblem(tools: readonly unknown[], exchange: Exchange): string | null {
    const { who } = this.#options
    const size = this.#lists.get(exchange) ?? { pages: 0, tools: 0, chars: 0 }
    this.#lists.set(exchange, size)
    size.pages++
    size.tools += tools.length
    size.chars += JSON.stringify(tools).length
    if (size.pages > MCP_TOOL_PAGES_MAX)
      return `the list of tools of ${who} has no end: it goes on after ${MCP_TOOL_PAGES_MAX} pages`
    if (size.tools > MCP_TOOLS_MAX) return `${who} lists more than ${MCP_TOOLS_MAX} tools`
    if (size.chars > MCP_TOOLS_MAX_CHARS)
      return `the descriptions of the tools of ${who} are longer than ${MCP_TOOLS_MAX_CHARS} characters`
    return null
  }
}

interface ListSize {
  pages: number
  tools: number
  chars: number
}

function unusable(id: RequestId, message: string): JSONRPCMessage {
  return { jsonrpc: "2.0", id, error: { code: UNANSWERED, message } }
}

/** Whether it is made of so many values at the most, nested ones included. */
function isWithin(value: unknown, max: number): boolean {
  const left: unknown[] = [value]
  let seen = 0
  for (let one = left.pop(); seen < max; one = left.pop()) {
    seen++
    if (typeof one === "object" && one !== null) for (const part of Object.values(one)) left.push(part)
    if (left.length === 0) return true
    if (seen + left.length > max) return false
  }
  return false
}
