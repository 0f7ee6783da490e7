import type { ServedResult, ServedTools } from "../../adapters/mcp/endpoint.ts"
import { createArgumentCheck } from "../../connectors/arguments.ts"
import { canonicalUrl } from "../../connectors/catalog.ts"
import type { Connector, Connectors } from "../../connectors/connector.ts"
import type { ResolveForRun } from "../../connectors/resolve.ts"
import type { Caller } from "../../http/permission.ts"
import { asker } from "../../kernel/asker.ts"
import { AppError } from "../../kernel/errors.ts"
import type { Ids } from "../../kernel/ids.ts"
import { MCP_TIMEOUT_DEFAULT_MS } from "../../kernel/limits.ts"

export interface ServedToolsDeps {
  readonly connectors: Connectors
  readonly resolve: ResolveForRun
  readonly ids: Ids
}

/**
 * A connector's tools for whoever calls them over MCP (S-8). A call goes the way of a step: the project's instance, the same
 * check of the arguments, the same tool. `instanceId` names one of several.
 */
export type ServeTools = (caller: Caller, slug: string, instanceId: string | null) => ServedTools

export function createServedTools({ connectors, resolve, ids }: ServedToolsDeps): ServeTools {
  const check = createArgumentCheck()

  return (caller, slug, instanceId) => {
    const connector = connectors.get(slug)
    if (!connector) throw new AppError("not_found", "no connector of that name here; see /v1/mcp/platform-catalog")
    const { tenantId, projectId, userId } = caller
    const scope = { tenantId, projectId }
    const named = instanceId === null ? { serverUrl: canonicalUrl(slug) } : { instanceId }

    async function call(...[name, args, { signal, onProgress }]: Parameters<ServedTools["call"]>): Promise<ServedResult> {
      const instance = await resolve({ ...scope, ...named })
      if (!instance.ok) return { ok: false, message: instance.message }
      if (instance.slug !== slug) return { ok: false, message: `X-MCP-Instance-Id names no instance of ${slug}` }
      const tool = instance.server.tools.find(one => one.name === name)
      if (!tool) return { ok: false, message: `${connector?.name ?? slug} has no tool of that name` }
      const checked = check(tool, args)
      if (!checked.ok) return { ok: false, message: checked.message }
      return await instance.server.call(name, checked.args, {
        ...{ scope, config: instance.config, timeoutMs: MCP_TIMEOUT_DEFAULT_MS, idempotencyKey: `mcp:${ids.uuid()}` },
        asker: asker(`tool ${slug} ${name} over MCP`, { tenantId, projectId, userId }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(MCP_TIMEOUT_DEFAULT_MS)]),
        ...(onProgress && { onProgress }),
      })
    }

    return { name: slug, instructions: instructionsOf(connector), tools: connector.tools, call }
  }
}

function instructionsOf({ name, description }: Connector): string {
  return `${name}: ${description} Calls use the project's own instance; the header X-MCP-Instance-Id names one of several.`
}
