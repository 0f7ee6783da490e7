import type { Asker } from "../kernel/asker.ts"
import type { JsonObject } from "../kernel/json.ts"

/** Whatever tools are called on: a connector of ours, or an MCP server somewhere else. */
export interface ToolServer {
  readonly name: string
  readonly tools: readonly Tool[]
  /** Why nobody knows its tools: it was asked for them and did not say. */
  readonly failure?: ToolResult & { readonly ok: false }
  /**
   * Calls one tool with arguments that fit its `inputSchema`. Never throws for anything the world outside may do, and ends
   * by `timeoutMs` or soon after `signal` is aborted.
   */
  call(tool: string, args: JsonObject, context: CallContext): Promise<ToolResult>
}

/**
 * The tools of one service, as the runtime calls them in process. One folder per connector; registry.ts lists them.
 * What the catalog documents (name, configuration keys, tool names) is data in catalog-data.ts; a connector adds what the
 * tools take and do.
 */
export interface Connector extends ToolServer {
  readonly slug: string
  readonly description: string
  readonly category: string
  readonly authKind: AuthKind
  readonly status: ConnectorStatus
  readonly configSchema: ConfigSchema
  /** Finds out whether this configuration reaches its service, without changing anything there. */
  probe?(context: CallContext): Promise<ToolResult>
  /** Ends what it keeps open. */
  close?(): void
}

export type AuthKind = "google" | "whatsapp" | "api_key" | "dsn" | "none"
export type ConnectorStatus = "ga" | "preview" | "placeholder"

export interface CallContext {
  /** Literal values and secrets by configuration key, as stored: the connector applies its schema's defaults. */
  readonly config: JsonObject
  readonly scope: Scope
  readonly signal: AbortSignal
  readonly timeoutMs: number
  /** The same on every attempt of one step, so that a service which knows such keys can tell a repeat from a new call. */
  readonly idempotencyKey: string
  /** For whatever goes out on the way: who asks for it. */
  readonly asker: Asker
  /** Told how far a long call is. */
  readonly onProgress?: (progress: Progress) => void
}

export interface Progress {
  readonly progress: number
  readonly total?: number
  readonly message?: string
}

/** On whose behalf: what one project keeps in a connector is never another's. */
export interface Scope {
  readonly tenantId: string
  readonly projectId: string
}

export type ToolResult =
  | { readonly ok: true; readonly value: JsonObject }
  /** `message` is the service's own text, without secrets; `retryable: false` when trying again cannot help. */
  | { readonly ok: false; readonly message: string; readonly retryable: boolean; readonly timeout?: true }

/** A tool as MCP describes it. The schemas are JSON Schema objects. */
export interface Tool {
  readonly name: string
  readonly description: string
  readonly inputSchema: JsonObject
  /** What arguments are checked against here, where not all of a stranger's schema can be trusted to end. */
  readonly argumentSchema?: JsonObject
  readonly outputSchema?: JsonObject
  readonly annotations?: ToolAnnotations
}

export interface ToolAnnotations {
  readonly readOnlyHint?: boolean
  readonly idempotentHint?: boolean
  readonly destructiveHint?: boolean
}

/** Configuration by key (contract §8). */
export type ConfigSchema = { readonly [key: string]: ConfigField }

export interface ConfigField {
  readonly type: "string" | "number" | "boolean" | "option"
  readonly displayName: string
  readonly description?: string
  readonly required: boolean
  readonly default?: string | number | boolean
  /** A credential: never stored or shown in plain. */
  readonly secret?: true
  /** For `option`. */
  readonly options?: readonly { readonly label: string; readonly value: string }[]
}

/** The connectors of this executable, by slug. */
export type Connectors = ReadonlyMap<string, Connector>
