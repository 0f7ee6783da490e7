import type { AsyncLocalStorage } from "node:async_hooks"
import type { Client, Progress, Tool } from "@modelcontextprotocol/client"
import { asker } from "../../kernel/asker.ts"
import { isJsonObject, type JsonObject } from "../../kernel/json.ts"
import { MCP_OPEN_MAX_MS, MCP_PROGRESS_EVERY_MS, MCP_START_MAX_MS, MCP_TOOL_NAME_MAX_CHARS } from "../../kernel/limits.ts"
import { Exchange } from "./exchange.ts"
import { failureOf, quoted } from "./failures.ts"
import { type HttpDeps, openHttp } from "./http-opening.ts"
import {
  type CallOptions,
  IDEMPOTENCY_META,
  McpFailure,
  type McpTarget,
  type RemoteResult,
  type RemoteTool,
  type RequestOptions,
  type ServerFacts,
} from "./mcp.ts"
import type { Opened, Opening } from "./opening.ts"
import { outputProblem } from "./output-check.ts"
import { pause } from "./pause.ts"
import type { Starts } from "./starts.ts"
import { openStdio } from "./stdio-opening.ts"
import { callAsTask } from "./tasks.ts"

export interface ConversationDeps extends HttpDeps {
  readonly current: AsyncLocalStorage<Exchange>
  readonly starts: Starts
  readonly onToolsChanged: (key: string) => void
}

/** One conversation with one server: a session, or a process. Many calls may go on in it at the same time. */
export class Conversation {
  readonly target: McpTarget
  /** The server's name in sentences. */
  readonly who: string
  /** Whose calls it is for; null: nobody's. */
  readonly tenantId: string | null
  /** Resolves when it can be used. */
  readonly ready: Promise<void>
  usedAt = performance.now()
  readonly #deps: ConversationDeps
  readonly #calls = new Set<Exchange>()
  readonly #life: Exchange
  readonly #opening: Exchange
  readonly #attempt: Promise<Opened>
  #opened: Opened | undefined
  /** Tools that run as tasks only, once they were listed. */
  #tasks: ReadonlySet<string> | undefined
  #over = false
  #closed: Promise<void> | undefined

  /** It is opened on behalf of `first`, the call that needs it. */
  constructor(target: McpTarget, first: RequestOptions, deps: ConversationDeps) {
    this.target = target
    this.who = nameOf(target)
    this.tenantId = first.asker.tenantId
    this.#deps = deps
    const behalf = { asker: first.asker, headers: first.headers ?? {} }
    const timeoutMs = target.kind === "http" ? MCP_OPEN_MAX_MS : MCP_START_MAX_MS
    const sentence = `no conversation with ${this.who} within ${timeoutMs / 1000} s`
    const onLate = () => new McpFailure(sentence, { retryable: true, timeout: true })
    this.#opening = new Exchange(deps.current, { kind: "opening", ...behalf, timeoutMs, onLate })
    this.#life = new Exchange(deps.current, {
      kind: "life",
      asker: asker(first.asker.what, first.asker),
      headers: behalf.headers,
    })
    this.#attempt = this.#begin()
    this.ready = this.#open()
    this.ready.catch(() => {}) // told to whoever waits for it
  }

  /** It ended, or is about to: the next call needs another one. */
  get over(): boolean {
    return this.#over
  }

  get busy(): boolean {
    return this.#calls.size > 0 || this.#opened === undefined
  }

  facts(): ServerFacts {
    const client = this.#client
    const { name = "", version = "" } = client.getServerVersion() ?? {}
    const protocolVersion = client.getNegotiatedProtocolVersion() ?? ""
    return { name, version, protocolVersion, instructions: client.getInstructions() ?? null }
  }

  /** Does something in it for a call. */
  async use<T>(call: Exchange, work: () => Promise<T>): Promise<T> {
    this.#calls.add(call)
    try {
      const result = await call.run(() => call.until(work()))
      if (this.target.kind === "stdio") this.#deps.starts.worked(this.target.key)
      return result
    } catch (error) {
      const ended = call.fault === null ? this.#opened?.ended() : null
      throw ended ? new McpFailure(call.masked(ended), { retryable: true }) : failureOf(error, this.who, call)
    } finally {
      this.#calls.delete(call)
      this.usedAt = performance.now()
      if (this.#over && this.#calls.size === 0) void this.close()
    }
  }

  async listTools(call: Exchange): Promise<readonly RemoteTool[]> {
    const client = this.#client
    if (client.getServerCapabilities()?.tools === undefined) return []
    const { tools } = await client.listTools(undefined, { ...this.#options(call), cacheMode: "refresh" })
    this.#tasks = new Set(tools.filter(tool => tool.execution?.taskSupport === "required").map(tool => tool.name))
    return distinct(tools, this.who)
  }

  async callTool(name: string, args: JsonObject, call: Exchange, options: CallOptions): Promise<RemoteResult> {
    const { onProgress, outputSchema = null, idempotencyKey } = options
    const meta = idempotencyKey === undefined ? {} : { _meta: { [IDEMPOTENCY_META]: idempotencyKey } }
    const progress = onProgress === undefined ? {} : { onprogress: seldom(onProgress) }
    const answer = (await this.#mustBeTask(name, call))
      ? await callAsTask(this.#client, call, this.#life, { name, arguments: args, meta, options: this.#options(call) })
      : await this.#client.callTool({ name, arguments: args, ...meta }, { ...this.#options(call), ...progress })
    const isError = answer.isError === true
    const content = answer.content as readonly JsonObject[]
    const structuredContent = isJsonObject(answer.structuredContent) ? answer.structuredContent : null
    if (isError) return { isError, structuredContent, content: content.map(block => withoutSecrets(block, call)) }
    if (outputSchema !== null) this.#compare(name, outputSchema, answer.structuredContent)
    return { isError, structuredContent, content }
  }

  /** Whether the tool runs as a task only; of a server with tasks, its list says so. */
  async #mustBeTask(name: string, call: Exchange): Promise<boolean> {
    if (this.#client.getServerCapabilities()?.tasks?.requests?.tools?.call === undefined) return false
    if (this.#tasks === undefined) await this.listTools(call)
    return this.#tasks?.has(name) ?? false
  }

  /** Ends it as soon as the calls in it have ended. */
  retire(): void {
    this.#over = true
    if (this.#calls.size === 0) void this.close()
  }

  /** Ends it, and every call in it. Resolves when nothing is left. */
  close(reason = `the conversation with ${this.who} was closed`): Promise<void> {
    this.#over = true
    this.#closed ??= this.#close(reason)
    return this.#closed
  }

  get #client(): Client {
    if (this.#opened === undefined) throw new Error("a conversation is used before it is ready")
    return this.#opened.client
  }

  #begin(): Promise<Opened> {
    const { target, who } = this
    const { current, starts, onToolsChanged } = this.#deps
    const opening: Opening = {
      ...{ current, exchange: this.#opening, life: this.#life, who },
      onToolsChanged: () => {
        this.#tasks = undefined
        onToolsChanged(target.key)
      },
      onEnd: () => {
        if (this.#opened !== undefined) void this.close()
      },
    }
    return target.kind === "http" ? openHttp(target, this.#deps, opening) : openStdio(target, starts, opening)
  }

  async #open(): Promise<void> {
    try {
      this.#opened = await this.#opening.until(this.#attempt)
    } catch (error) {
      const failure = failureOf(error, this.who, this.#opening)
      void this.close()
      throw failure
    }
    this.#opening.end()
    if (this.#opened.ended() !== null) void this.close()
    else void this.#listen(this.#opened.client)
  }

  async #close(given: string): Promise<void> {
    const reason = new McpFailure(this.#opened?.ended() ?? given, { retryable: true })
    this.#opening.fail(reason)
    for (const call of this.#calls) call.fail(reason)
    // Of an opening that was given up, too, nothing is left.
    await this.#attempt.then(opened => opened.close()).catch(() => {})
    this.#life.drop(reason)
    this.#opening.drop(reason)
  }

  /** Since 2026 a server says what changed only to those who listen. */
  async #listen(client: Client): Promise<void> {
    if (client.getProtocolEra() !== "modern" || client.getServerCapabilities()?.tools?.listChanged !== true) return
    for (let ends = 0; !this.#over; ends++) {
      try {
        const heard = await this.#life.run(() => client.listen({ toolsListChanged: true }, { timeout: MCP_OPEN_MAX_MS }))
        await heard.closed
      } catch {} // a server that cannot is asked again, more and more seldom
      await pause(Math.min(LISTEN_MIN_MS * 2 ** ends, LISTEN_MAX_MS), this.#life.cut.signal)
    }
  }

  #options(call: Exchange) {
    // The call's own time is up first, and says so in its own words.
    return { signal: call.given.signal, timeout: call.leftMs + SDK_LATER_MS }
  }

  #compare(tool: string, schema: JsonObject, structured: unknown): void {
    const problem = structured === undefined ? "it has no structured content" : outputProblem(schema, structured)
    if (problem === null) return
    throw new McpFailure(`the tool ${tool} of ${this.who} ran, but its answer is not what it declares: ${quoted(problem)}`)
  }
}

const SDK_LATER_MS = 5_000
const LISTEN_MIN_MS = 1_000
const LISTEN_MAX_MS = 60_000

/** Not the whole address: paths and queries may hold secrets. */
function nameOf(target: McpTarget): string {
  return target.kind === "http" ? new URL(target.url).host : `the MCP server ${target.name}`
}

function distinct(tools: readonly Tool[], who: string): readonly RemoteTool[] {
  const byName = new Map<string, RemoteTool>()
  for (const tool of tools) {
    if (tool.name === "" || tool.name.length > MCP_TOOL_NAME_MAX_CHARS || /\p{Cc}/u.test(tool.name))
      throw new McpFailure(
        `${who} lists a tool whose name is empty, too long or has control characters: ${quoted(tool.name.slice(0, 80))}`,
      )
    const remote = remoteTool(tool)
    const same = byName.get(tool.name)
    if (same !== undefined && JSON.stringify(same) !== JSON.stringify(remote))
      throw new McpFailure(`${who} lists two different tools with the name ${quoted(tool.name)}`)
    byName.set(tool.name, remote)
  }
  return [...byName.values()]
}

function remoteTool(tool: Tool): RemoteTool {
  return {
    name: tool.name,
    title: tool.title ?? tool.annotations?.title ?? null,
    description: tool.description ?? "",
    inputSchema: tool.inputSchema as JsonObject,
    outputSchema: (tool.outputSchema as JsonObject | undefined) ?? null,
    annotations: { ...tool.annotations } as JsonObject,
  }
}

/** A server that reports every row does not make work for everybody. */
function seldom(onProgress: NonNullable<RequestOptions["onProgress"]>): (progress: Progress) => void {
  let last = Number.NEGATIVE_INFINITY
  return ({ progress, total, message }) => {
    const now = performance.now()
    if (now - last < MCP_PROGRESS_EVERY_MS) return
    last = now
    onProgress({ progress, ...(total === undefined ? {} : { total }), ...(message === undefined ? {} : { message }) })
  }
}

/** The text of an error goes into messages, and may repeat what it was sent. */
function withoutSecrets(block: JsonObject, call: Exchange): JsonObject {
  return typeof block.text === "string" ? { ...block, text: call.masked(block.text) } : block
}
