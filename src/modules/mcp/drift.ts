import type { Scope, Tool } from "../../connectors/connector.ts"
import { toolHash } from "../../connectors/tool-hash.ts"
import type { JsonObject } from "../../kernel/json.ts"
import type { PinnedCall, ToolDrift } from "../../steps/mcp_call/execute.ts"
import { type PinnedTools, pinnedHash } from "../../storage/schema/workflows.ts"
import { toolReferences } from "./graph-references.ts"
import type { KnownServers } from "./known-servers.ts"
import type { Resolver } from "./resolve.ts"

export interface DriftDeps {
  readonly servers: KnownServers
  readonly resolver: Pick<Resolver, "find" | "forRun">
  readonly pinnedTools: (workflowId: string, version: number) => Promise<PinnedTools | null>
  readonly policyOf: (scope: Scope) => Promise<ToolDrift["policy"]>
}

/**
 * Tools change under the workflows that call them: a server is updated, a description is rewritten to mislead a model. A version
 * knows the hashes of its tools, and a project says what becomes of a step whose tool has another one.
 */
export class ToolDrifts {
  readonly #hashes = new WeakMap<Tool, string>()

  constructor(private readonly deps: DriftDeps) {}

  /** The tools that a graph calls, as they are now. What cannot be reached has no pin, and will not have drifted. */
  async pin(scope: Scope, graph: JsonObject): Promise<PinnedTools> {
    const pins = new Map<string, Map<string, string>>()
    const found = await Promise.all(
      toolReferences(graph).map(async reference => {
        const tool = (await this.#toolsOf({ ...scope, ...reference })).find(t => t.name === reference.toolName)
        return tool ? { server: reference.instanceId ?? reference.serverUrl ?? "", tool } : null
      }),
    )
    for (const one of found) {
      if (!one) continue
      const ofServer = pins.get(one.server) ?? new Map<string, string>()
      pins.set(one.server, ofServer.set(one.tool.name, this.#hashOf(one.tool)))
    }
    return Object.fromEntries([...pins].map(([server, tools]) => [server, Object.fromEntries(tools)]))
  }

  /** Null: it is what it was, or nobody looked then. */
  async of({ workflowId, version, server, tenantId, projectId }: PinnedCall, tool: Tool): Promise<ToolDrift | null> {
    const pins = await this.deps.pinnedTools(workflowId, version)
    const was = pins && pinnedHash(pins, server, tool.name)
    if (was === null || was === undefined) return null
    const now = this.#hashOf(tool)
    if (now === was) return null
    const message = `the tool ${tool.name} is not what it was when version ${version} of the workflow was published`
    return { policy: await this.deps.policyOf({ tenantId, projectId }), message, was, now }
  }

  async #toolsOf(reference: Scope & { serverUrl?: string; instanceId?: string }): Promise<readonly Tool[]> {
    const found = await this.deps.resolver.find(reference, "look")
    const { serverUrl } = reference
    const server = found.ok ? found.server : serverUrl === undefined ? null : await this.deps.servers.byUrl(reference, serverUrl)
    if (server === null || server.connector) return server?.connector?.tools ?? []
    const resolved = found.ok ? await this.deps.resolver.forRun(reference) : found
    return resolved.ok ? resolved.server.tools : (server.tools ?? [])
  }

  #hashOf(tool: Tool): string {
    const known = this.#hashes.get(tool)
    if (known !== undefined) return known
    const hash = toolHash(tool)
    this.#hashes.set(tool, hash)
    return hash
  }
}
