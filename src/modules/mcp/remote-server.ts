import type { ConfigSchema, Scope, Tool, ToolResult, ToolServer } from "../../connectors/connector.ts"
import type { Asker } from "../../kernel/asker.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { McpServerStatus } from "../../storage/schema/mcp.ts"

/** How a server is told who calls (contract §8.1); `bearer` and `oauth` are ours. */
export const AUTH_MODES = ["none", "token", "hmac", "bearer", "oauth"] as const
export type AuthMode = (typeof AUTH_MODES)[number]

/** A tool server that is no connector of ours: registered by the workspace, or declared by the operator. */
export interface RegisteredServer {
  /** What instances keep as their `server_id`; `stdio:NAME` of an operator's server. */
  readonly id: string
  /** Its name for graphs and people: lower case with underscores. */
  readonly service: string
  readonly name: string
  readonly description: string
  /** The portable name that graphs use: `https://…`, or `stdio://NAME` of an operator's. */
  readonly canonicalUrl: string
  readonly authMode: AuthMode
  /** Of the active version; empty where none is published. */
  readonly configSchema: ConfigSchema
  /** Of the active version. What the server says now is `current`. */
  readonly tools: readonly Tool[]
  /** Null: nothing is published, so nothing can have drifted. */
  readonly version: string | null
  readonly status: McpServerStatus
  /** Where calls go in place of the canonical URL. */
  readonly bridge: Bridge | null
  readonly origin: "tenant" | "operator"
}

/** The runtime itself speaks to the upstream of a bridge, with headers made of configuration values (contract §8.1). */
export interface Bridge {
  readonly upstreamUrl: string
  readonly auth: { readonly type: "none" } | { readonly type: "bearer" | "header"; readonly from: string; readonly name: string }
  readonly headers: readonly { readonly name: string; readonly from: string }[]
}

/** How a project uses a server, at the moment of a call. */
export interface ServerWiring {
  /** Null: a connection is tried for no instance yet. */
  readonly instanceId: string | null
  /** The effective values, secrets included. */
  readonly config: JsonObject
  /** The connection bound to the instance: an `oauth` server takes its tokens from it. */
  readonly connectionId: string | null
}

export interface Asking {
  readonly scope: Scope
  readonly asker: Asker
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/** `failure`: why it could not be asked, where nothing else tells its tools. */
export type CurrentTools = Pick<ToolServer, "tools" | "failure">

/** The registered servers, as the rest of the module sees them. Connectors of ours come first: look for those before. */
export interface ServerDirectory {
  /** Null: none that this project may use. */
  find(scope: Scope, serverId: string): Promise<RegisteredServer | null>
  findByUrl(scope: Scope, serverUrl: string): Promise<RegisteredServer | null>
  /** By name; the workspace's, then the operator's. */
  list(scope: Scope): Promise<readonly RegisteredServer[]>
  /**
   * The tools that count for a call now: what the server said within the last minutes, else what it says when asked, else
   * (it cannot be reached) the published ones. Never throws for anything the server does.
   */
  current(server: RegisteredServer, wiring: ServerWiring, asking: Asking): Promise<CurrentTools>
  /** What the server showed last, to any instance of the project, else the published tools; null: nobody knows them yet. */
  latest(scope: Scope, server: RegisteredServer): readonly Tool[] | null
  /** Whether it answers with this wiring; changes nothing there. */
  reach(server: RegisteredServer, wiring: ServerWiring, asking: Asking): Promise<ToolResult>
  /** `tools`: what counts for its calls; by default what the server said last, else the published ones. */
  toolServer(server: RegisteredServer, wiring: ServerWiring, tools?: readonly Tool[]): ToolServer
}
