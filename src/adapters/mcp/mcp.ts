import type { Asker } from "../../kernel/asker.ts"
import type { JsonObject } from "../../kernel/json.ts"

/** Where a tool server is, and how it is spoken to. */
export type McpTarget = HttpTarget | StdioTarget

export interface HttpTarget {
  readonly kind: "http"
  readonly url: string
  /** `auto`: Streamable HTTP, and the older HTTP with SSE where a server knows only that. */
  readonly transport: "auto" | "streamable_http" | "sse"
  /** Names one conversation: calls with the same key may share a session. Different credentials need different keys. */
  readonly key: string
  /** Asked before every request, for tokens are refreshed and calls differ. */
  headers(request: { readonly method: string; readonly url: string }): Promise<Readonly<Record<string, string>>>
  /** A server that wants OAuth; null: what `headers` gives has to do. */
  readonly oauth: McpOAuth | null
}

export interface StdioTarget {
  readonly kind: "stdio"
  /** As above: one process for each key, so that what one project keeps in it is never another's. */
  readonly key: string
  /** The operator's name for it. */
  readonly name: string
  /** The program and its arguments, exactly. */
  readonly command: readonly [string, ...string[]]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string | null
}

/** Tokens of one connection at one server, wherever they are kept. */
export interface McpOAuth {
  /** A good access token, refreshed when it is about to run out; null: somebody has to sign in (again). */
  accessToken(): Promise<string | null>
  /** The server did not take the token: refresh it whatever its expiry says. False: it cannot be, somebody has to sign in. */
  refresh(refused: string): Promise<boolean>
}

/** A tool as the server describes it. */
export interface RemoteTool {
  readonly name: string
  readonly title: string | null
  readonly description: string
  readonly inputSchema: JsonObject
  readonly outputSchema: JsonObject | null
  readonly annotations: JsonObject
}

export interface ServerFacts {
  readonly name: string
  readonly version: string
  /** As negotiated, e.g. `2026-07-28`. */
  readonly protocolVersion: string
  readonly instructions: string | null
}

export interface RequestOptions {
  readonly asker: Asker
  readonly signal: AbortSignal
  /** For all of it: connecting, negotiating, the call. */
  readonly timeoutMs: number
  /** Sent with the requests of this call alone, over HTTP. */
  readonly headers?: Readonly<Record<string, string>>
  readonly onProgress?: (progress: { readonly progress: number; readonly total?: number; readonly message?: string }) => void
}

export interface CallOptions extends RequestOptions {
  /** What the tool declares to give, where the caller knows it: an answer that does not fit is a failure. */
  readonly outputSchema?: JsonObject | null
  /** The same whenever this call is made: in the request's `_meta`, for servers that can tell a repeat from a new call. */
  readonly idempotencyKey?: string
}

/** Under which name a server finds it there. */
export const IDEMPOTENCY_META = "agentruntime.io/idempotency-key"

/** What a tool gave, as the protocol has it (content blocks stay as they came). */
export interface RemoteResult {
  readonly content: readonly JsonObject[]
  readonly structuredContent: JsonObject | null
  readonly isError: boolean
}

/**
 * Conversations with MCP servers. Errors: `McpFailure` for whatever the other side does, `EgressRefused` for an address that
 * may not be reached, the reason of the caller's signal.
 */
export interface McpClients {
  /** Connects, or finds the conversation there is. */
  connect(target: McpTarget, options: RequestOptions): Promise<ServerFacts>
  /** All pages. */
  listTools(target: McpTarget, options: RequestOptions): Promise<readonly RemoteTool[]>
  callTool(target: McpTarget, name: string, args: JsonObject, options: CallOptions): Promise<RemoteResult>
  /** Called when a server says that its tools are not what they were; by the target's key. */
  onToolsChanged(listener: (key: string) => void): void
  /** Ends the conversation, e.g. because its credentials changed. */
  forget(key: string): Promise<void>
  close(): Promise<void>
}

/** What a server said with its 401 or 403; where a sign-in starts from (oauth.ts). */
export interface Challenge {
  readonly resourceMetadataUrl: string | null
  /** The scopes it wants, separated by spaces. */
  readonly scope: string | null
}

/** What the other side did, as a sentence without secrets. */
export class McpFailure extends Error {
  override readonly name = "McpFailure"
  readonly retryable: boolean
  readonly timeout: boolean
  /** Somebody has to sign in at the server, or (with a challenge that names scopes) allow more than before. */
  readonly unauthorized: boolean
  readonly challenge: Challenge | null

  constructor(
    message: string,
    more: {
      readonly retryable?: boolean
      readonly timeout?: boolean
      readonly unauthorized?: boolean
      readonly challenge?: Challenge
    } = {},
  ) {
    super(message)
    this.retryable = more.retryable ?? false
    this.timeout = more.timeout ?? false
    this.unauthorized = more.unauthorized ?? false
    this.challenge = more.challenge ?? null
  }
}
