import type { AsyncLocalStorage } from "node:async_hooks"
import {
  isJSONRPCErrorResponse,
  isJSONRPCRequest,
  isJSONRPCResultResponse,
  type JSONRPCMessage,
  type RequestId,
  type Transport,
  type TransportSendOptions,
} from "@modelcontextprotocol/client"
import { MCP_TOOL_PAGES_MAX, MCP_TOOLS_MAX, MCP_TOOLS_MAX_CHARS } from "../../kernel/limits.ts"
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
    if (!isJSONRPCRequest(message)) return await this.#inner.send(message, options)
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
    if (isJSONRPCResultResponse(message) || isJSONRPCErrorResponse(message)) {
      const exchange = message.id === undefined ? undefined : this.#open.get(message.id)
      if (message.id !== undefined) this.#open.delete(message.id)
      if (exchange !== undefined && isJSONRPCResultResponse(message)) this.#count(exchange, message.result)
    }
    this.onmessage?.(message, extra)
  }

  #unanswered(id: RequestId): void {
    const exchange = this.#open.get(id)
    if (!this.#open.delete(id)) return
    const message = `${this.#options.who} ended its answer without a result`
    if (exchange !== undefined) exchange.fault ??= new McpFailure(message, { retryable: true })
    this.onmessage?.({ jsonrpc: "2.0", id, error: { code: UNANSWERED, message } })
  }

  /** A list of tools comes in pages, as many as the server likes. */
  #count(exchange: Exchange, result: { readonly [key: string]: unknown }): void {
    if (!Array.isArray(result.tools)) return
    const size = this.#lists.get(exchange) ?? { pages: 0, tools: 0, chars: 0 }
    this.#lists.set(exchange, size)
    size.pages++
    size.tools += result.tools.length
    size.chars += JSON.stringify(result.tools).length
    const { who } = this.#options
    if (size.pages > MCP_TOOL_PAGES_MAX)
      exchange.fail(new McpFailure(`the list of tools of ${who} has no end: it goes on after ${MCP_TOOL_PAGES_MAX} pages`))
    else if (size.tools > MCP_TOOLS_MAX) exchange.fail(new McpFailure(`${who} lists more than ${MCP_TOOLS_MAX} tools`))
    else if (size.chars > MCP_TOOLS_MAX_CHARS)
      exchange.fail(new McpFailure(`the descriptions of the tools of ${who} are longer than ${MCP_TOOLS_MAX_CHARS} characters`))
  }
}

interface ListSize {
  pages: number
  tools: number
  chars: number
}
