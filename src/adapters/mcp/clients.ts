import { AsyncLocalStorage } from "node:async_hooks"
import { MCP_CONVERSATIONS_MAX, MCP_IDLE_MAX_MS, MCP_PROCESSES_MAX } from "../../kernel/limits.ts"
import type { Conversation, ConversationDeps } from "./conversation.ts"
import { Exchange } from "./exchange.ts"
import type { HttpDeps } from "./http-opening.ts"
import { type McpClients, McpFailure, type McpTarget, type RequestOptions } from "./mcp.ts"
import { Starts } from "./starts.ts"

export interface McpClientsDeps extends HttpDeps {
  /** A conversation that nobody used for so long is closed. */
  readonly idleMs?: number
}

/** Of all conversations, and of all processes, that one workspace may keep busy: servers that hang are nobody else's trouble. */
const SHARE_MAX = 0.8

/** The MCP client over the official SDK: one conversation for each key, shared by the calls that come meanwhile. */
export function createMcpClients({ egress, version, idleMs = MCP_IDLE_MAX_MS }: McpClientsDeps): McpClients {
  const conversations = new Map<string, Conversation>()
  /** Of which no call is to begin any more, but some may be under way. */
  const retired = new Set<Conversation>()
  const closing = new Set<Promise<void>>()
  const listeners = new Set<(key: string) => void>()
  const current = new AsyncLocalStorage<Exchange>()
  const starts = new Starts()
  const onToolsChanged = (key: string) => {
    for (const listener of listeners) listener(key)
  }
  const deps: ConversationDeps = { egress, version, current, starts, onToolsChanged }
  let sweep: ReturnType<typeof setTimeout> | undefined
  let over = false

  function drop(conversation: Conversation): void {
    const { key } = conversation.target
    if (conversations.get(key) === conversation) conversations.delete(key)
    const closed = conversation.close().finally(() => closing.delete(closed))
    closing.add(closed)
  }

  function retire(conversation: Conversation): void {
    const { key } = conversation.target
    if (conversations.get(key) === conversation) conversations.delete(key)
    for (const one of retired) if (!one.busy) retired.delete(one)
    retired.add(conversation)
    conversation.retire()
  }

  function makeRoom(kind: McpTarget["kind"], tenantId: string | null): void {
    const crowd = [...conversations.values()].filter(({ target }) => kind === "http" || target.kind === "stdio")
    const max = kind === "http" ? MCP_CONVERSATIONS_MAX : MCP_PROCESSES_MAX
    const own = crowd.filter(one => one.busy && one.tenantId === tenantId)
    const hasShare = tenantId === null || own.length < max * SHARE_MAX
    if (hasShare && crowd.length < max) return
    const [oldest] = hasShare ? crowd.filter(one => !one.busy).sort((a, b) => a.usedAt - b.usedAt) : []
    if (oldest === undefined) throw new McpFailure("too many MCP servers are in use at the same time", { retryable: true })
    drop(oldest)
  }

  function find(target: McpTarget): Conversation | undefined {
    const found = conversations.get(target.key)
    if (!found?.over) return found
    drop(found)
    return undefined
  }

  function begin(Opened: typeof Conversation, target: McpTarget, options: RequestOptions): Conversation {
    if (over) throw shuttingDown()
    makeRoom(target.kind, options.asker.tenantId)
    const conversation = new Opened(target, options, deps)
    conversations.set(target.key, conversation)
    conversation.ready.catch(() => drop(conversation))
    watchIdle()
    return conversation
  }

  async function ready(target: McpTarget, options: RequestOptions, call: Exchange): Promise<Conversation> {
    // The SDK is loaded by the first who needs it; nothing waits between looking for a conversation and beginning one.
    const { Conversation: Opened } = await import("./conversation.ts")
    const found = find(target)
    if (found !== undefined) {
      try {
        await call.until(found.ready)
        return found
      } catch (error) {
        // It was opened on behalf of another call, perhaps with other headers; this one may still do better.
        if (call.over) throw error
      }
    }
    const conversation = find(target) ?? begin(Opened, target, options)
    await call.until(conversation.ready)
    return conversation
  }

  async function within<T>(
    target: McpTarget,
    options: RequestOptions,
    work: (conversation: Conversation, call: Exchange) => Promise<T>,
  ): Promise<T> {
    if (over) throw shuttingDown()
    const { asker, signal, timeoutMs, headers = {} } = options
    const where = target.kind === "http" ? (URL.parse(target.url)?.host ?? "the server") : `the MCP server ${target.name}`
    const onLate = () =>
      new McpFailure(`${where} did not answer within ${timeoutMs / 1000} s`, { retryable: true, timeout: true })
    const call = new Exchange(current, { kind: "call", asker, headers, signal, timeoutMs, onLate })
    try {
      const conversation = await ready(target, options, call)
      try {
        return await conversation.use(call, () => work(conversation, call))
      } catch (error) {
        if (!call.sessionLost || call.over) throw error
        // The server has not begun what it was asked, for it does not know the session: the call is made in a new one.
        retire(conversation)
        call.sessionLost = false
        call.fault = null
      }
      const another = await ready(target, options, call)
      return await another.use(call, () => work(another, call))
    } catch (error) {
      throw signal.aborted ? signal.reason : error
    } finally {
      call.end()
    }
  }

  function watchIdle(): void {
    if (sweep !== undefined || conversations.size === 0) return
    sweep = setTimeout(() => {
      sweep = undefined
      const before = performance.now() - idleMs
      for (const one of conversations.values()) if (one.over || (!one.busy && one.usedAt <= before)) drop(one)
      watchIdle()
    }, idleMs / 4)
    sweep.unref()
  }

  return {
    connect: (target, options) => within(target, options, async conversation => conversation.facts()),
    listTools: (target, options) => within(target, options, (conversation, call) => conversation.listTools(call)),
    callTool: (target, name, args, options) =>
      within(target, options, (conversation, call) => conversation.callTool(name, args, call, options)),
    onToolsChanged: listener => void listeners.add(listener),
    async forget(key) {
      starts.forget(key)
      const conversation = conversations.get(key)
      if (conversation === undefined) return
      drop(conversation)
      await conversation.close()
    },
    async close() {
      over = true
      clearTimeout(sweep)
      for (const conversation of [...conversations.values(), ...retired]) drop(conversation)
      await Promise.all(closing)
    },
  }
}

function shuttingDown(): McpFailure {
  return new McpFailure("this runtime is shutting down", { retryable: true })
}
