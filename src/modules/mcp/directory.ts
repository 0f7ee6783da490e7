import { EgressFailed, EgressRefused } from "../../adapters/egress/errors.ts"
import { expose, type KeepFile } from "../../adapters/mcp/exposure.ts"
import { type McpClients, McpFailure, type McpTarget, type RequestOptions } from "../../adapters/mcp/mcp.ts"
import type { CallContext, ConfigSchema, Scope, Tool, ToolResult, ToolServer } from "../../connectors/connector.ts"
import { safeSchema } from "../../connectors/safe-schema.ts"
import type { KeepArtifact } from "../../kernel/artifact.ts"
import { AppError, messageOf } from "../../kernel/errors.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { KnownTools } from "./known-tools.ts"
import {
  type Asking,
  AUTH_MODES,
  type CurrentTools,
  type RegisteredServer,
  type ServerDirectory,
  type ServerWiring,
} from "./remote-server.ts"
import { readTools, remoteToolOf, type ToolDrift, toolOf } from "./remote-tools.ts"
import { bridgeOf, normalAddress, wholeSchema } from "./server-address.ts"
import type { ServerStore, ServerWithVersion, VersionRow } from "./server-store.ts"
import { callHeaders, type TargetDeps, targetOf, wiringProblem } from "./server-target.ts"
import { Shelf } from "./shelf.ts"

export interface DirectoryDeps extends TargetDeps {
  readonly store: Pick<ServerStore, "find" | "findByUrl" | "list">
  readonly clients: McpClients
  readonly keep: KeepArtifact
}

/** Servers of one workspace; the list shows them all. */
export const SERVERS_MAX = 1_000
const VERSIONS_IN_MEMORY_MAX = 500
const VERSIONS_IN_MEMORY_MAX_CHARS = 32 * 1024 * 1024

/** The directory, and what the module's own services need of it besides. */
export class Servers implements ServerDirectory {
  readonly known = new KnownTools()
  /** Published versions never change; their tools are objects of one identity, as compiled schemas hang on them. */
  readonly #versions = new Shelf<readonly Tool[]>(VERSIONS_IN_MEMORY_MAX, VERSIONS_IN_MEMORY_MAX_CHARS)

  constructor(private readonly deps: DirectoryDeps) {
    deps.clients.onToolsChanged(key => this.known.stale(key))
  }

  async find(scope: Scope, serverId: string): Promise<RegisteredServer | null> {
    if (serverId.startsWith("stdio:")) return this.deps.stdio.find(scope, serverId)
    const found = await this.deps.store.find(scope, serverId)
    return found && this.registered(found)
  }

  async findByUrl(scope: Scope, serverUrl: string): Promise<RegisteredServer | null> {
    if (serverUrl.trim().startsWith("stdio:")) return this.deps.stdio.find(scope, serverUrl)
    const address = normalAddress(serverUrl)
    const found = address === null ? null : await this.deps.store.findByUrl(scope, address)
    return found && this.registered(found)
  }

  async list(scope: Scope): Promise<readonly RegisteredServer[]> {
    const { items } = await this.deps.store.list(scope, { limit: SERVERS_MAX, offset: 0 })
    const own = items.map(item => this.registered(item)).sort((a, b) => (a.name < b.name ? -1 : 1))
    return [...own, ...this.deps.stdio.list(scope)]
  }

  async current(server: RegisteredServer, wiring: ServerWiring, asking: Asking): Promise<CurrentTools> {
    const target = targetOf(this.deps, asking.scope, server, wiring)
    if (!target) return { tools: server.tools }
    const known = this.known.get(target.key, this.deps.clock.now())
    const tools = known.tools ?? server.tools
    const without = (failure: ToolServer["failure"]) => (tools.length === 0 && failure ? { tools, failure } : { tools })
    const problem = wiringProblem(server, wiring)
    if (problem !== null) return without(refused(`${server.name} cannot be called: ${problem}`))
    // Where nothing is known there is nothing to go on with meanwhile.
    if (known.fresh && tools.length > 0) return { tools }
    try {
      const { asker, signal, timeoutMs } = asking
      return { tools: await this.ask(server, target, asking.scope, { asker, signal, timeoutMs }) }
    } catch (error) {
      this.known.failed(target.key, this.deps.clock.now())
      return without(asking.signal.aborted ? refused("the call was cancelled") : failureOf(error))
    }
  }

  latest(scope: Scope, server: RegisteredServer): readonly Tool[] | null {
    return this.known.said(scope, server.id) ?? (server.version === null ? null : server.tools)
  }

  async reach(server: RegisteredServer, wiring: ServerWiring, { scope, asker, signal, timeoutMs }: Asking): Promise<ToolResult> {
    const problem = wiringProblem(server, wiring)
    if (problem !== null) return refused(problem)
    const target = targetOf(this.deps, scope, server, wiring)
    if (!target) return refused(`${server.name} is not declared by the operator any more`)
    try {
      const { name, version } = await this.deps.clients.connect(target, { asker, signal, timeoutMs })
      return { ok: true, value: { name, version } }
    } catch (error) {
      return failureOf(error)
    }
  }

  toolServer(server: RegisteredServer, wiring: ServerWiring, tools?: readonly Tool[]) {
    return {
      name: server.name,
      tools: tools ?? server.tools,
      call: async (tool: string, args: JsonObject, context: CallContext): Promise<ToolResult> => {
        const problem = wiringProblem(server, wiring)
        if (problem !== null) return refused(`${server.name} cannot be called: ${problem}`)
        const target = targetOf(this.deps, context.scope, server, wiring)
        if (!target) return refused(`${server.name} is not declared by the operator any more`)
        const output = (tools ?? server.tools).find(one => one.name === tool)?.outputSchema
        const outputSchema = output ? safeSchema(output) : null
        return await this.#call(server, wiring, target, { tool, args, outputSchema }, context)
      },
    }
  }

  /** The usable tools of now. Throws what the client throws, and `McpFailure` when it has none. */
  async ask(server: RegisteredServer, target: McpTarget, scope: Scope, options: RequestOptions): Promise<readonly Tool[]> {
    const { tools, problems } = readTools(await this.deps.clients.listTools(target, options))
    if (tools.length === 0) throw new McpFailure(noTools(server.name, problems))
    this.known.remember(target.key, scope, server.id, tools, this.deps.clock.now())
    return tools
  }

  operators(scope: Scope): readonly RegisteredServer[] {
    return this.deps.stdio.list(scope)
  }

  operator(scope: Scope, id: string): RegisteredServer | null {
    return id.startsWith("stdio:") ? this.deps.stdio.find(scope, id) : null
  }

  drift(scope: Scope, server: RegisteredServer): ToolDrift | null {
    return server.version === null ? null : this.known.drift(scope, server.id, server.tools)
  }

  registered({ server, version }: ServerWithVersion): RegisteredServer {
    const bridge = bridgeOf(server.bridge)
    const authMode = AUTH_MODES.find(mode => mode === server.authMode) ?? "none"
    const published = (version?.configSchema ?? {}) as unknown as ConfigSchema // checked when it was published
    return {
      id: server.id,
      service: server.service,
      name: server.name,
      description: server.description,
      canonicalUrl: server.canonicalUrl,
      authMode,
      configSchema: wholeSchema(published, authMode, bridge),
      tools: version ? this.#toolsOf(version) : [],
      version: version?.version ?? null,
      status: server.status,
      bridge,
      origin: "tenant",
    }
  }

  #toolsOf(version: VersionRow): readonly Tool[] {
    const known = this.#versions.get(version.id)
    if (known) return known
    const tools = version.tools.map(stored => toolOf(remoteToolOf(stored)))
    this.#versions.keep(version.id, tools, JSON.stringify(version.tools).length)
    return tools
  }

  async #call(
    server: RegisteredServer,
    wiring: ServerWiring,
    target: McpTarget,
    { tool, args, outputSchema }: { readonly tool: string; readonly args: JsonObject; readonly outputSchema: JsonObject | null },
    context: CallContext,
  ): Promise<ToolResult> {
    try {
      const { asker, signal, timeoutMs, onProgress, scope, idempotencyKey } = context
      const headers = await callHeaders(this.deps, scope, server, wiring, { tool, asker })
      const options = { asker, signal, timeoutMs, headers, outputSchema, idempotencyKey, ...(onProgress && { onProgress }) }
      const answer = await this.deps.clients.callTool(target, tool, args, options)
      const keep: KeepFile = async (bytes, { mimeType, name }) => {
        const { runId, stepId } = asker
        const { id, url, size_bytes } = await this.deps.keep(scope, { runId, stepId, name, mimeType }, bytes)
        return { artifact_id: id, url, size_bytes }
      }
      const exposed = await expose(answer, keep)
      return exposed.ok ? exposed : { ...exposed, retryable: true }
    } catch (error) {
      if (context.signal.aborted) return aborted(context)
      return failureOf(error)
    }
  }
}

/** What the other side did, as a result; anything else is thrown again. */
export function failureOf(error: unknown): ToolResult & { readonly ok: false } {
  if (error instanceof McpFailure) {
    const { message, retryable, timeout } = error
    return { ok: false, message, retryable, ...(timeout && { timeout: true as const }) }
  }
  if (error instanceof EgressRefused) return refused(error.message)
  if (error instanceof EgressFailed) return { ok: false, message: error.message, retryable: true }
  // What it gave could not be kept: too large, too much of it, or the disk is full.
  if (error instanceof AppError) return { ok: false, message: error.message, retryable: error.kind === "unavailable" }
  if (error instanceof DOMException && error.name === "TimeoutError")
    return { ok: false, message: "the server did not answer in time", retryable: true, timeout: true }
  if (error instanceof DOMException && error.name === "AbortError") return refused("the call was cancelled")
  throw new Error(`a tool server failed in a way that is not foreseen: ${messageOf(error)}`, { cause: error })
}

function aborted({ signal, timeoutMs }: CallContext): ToolResult {
  const isTimeout = signal.reason instanceof DOMException && signal.reason.name === "TimeoutError"
  if (!isTimeout) return refused("the call was cancelled")
  return { ok: false, message: `the server did not answer within ${timeoutMs / 1_000} s`, retryable: true, timeout: true }
}

function refused(message: string): ToolResult & { readonly ok: false } {
  return { ok: false, message, retryable: false }
}

function noTools(name: string, problems: readonly string[]): string {
  if (problems.length === 0) return `${name} has no tools`
  return `${name} has no tool that can be used: ${problems.slice(0, 3).join("; ")}`
}
