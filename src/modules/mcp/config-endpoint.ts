import type { ConfigSchema, Scope } from "../../connectors/connector.ts"
import type { JsonObject } from "../../kernel/json.ts"
import { isJsonObject, textOf } from "../../kernel/json.ts"
import type { RegisteredServer, ServerDirectory } from "./remote-server.ts"
import type { RunTokens } from "./run-token.ts"

/** The values of an instance in a run; a string says why there are none, null: the project has no such instance. */
export type ConfigOf = (scope: Scope, instanceId: string, runId: string | null) => Promise<InstanceConfig | string | null>

export interface InstanceConfig {
  readonly serverId: string
  readonly config: JsonObject
}

export interface ConfigEndpointDeps {
  readonly tokens: RunTokens
  readonly directory: ServerDirectory
  readonly configOf: ConfigOf
}

export interface ConfigAnswer {
  readonly status: 200 | 401 | 403 | 404 | 422
  readonly body: JsonObject
}

/**
 * `POST /mcp/config`: a connector elsewhere fetches the settings that it was called with (contract §8.1). Everything that
 * decides which they are is in the token; the body can only ask for exactly that.
 */
export function createConfigEndpoint({ tokens, directory, configOf }: ConfigEndpointDeps) {
  return async (authorization: string | null, body: unknown): Promise<ConfigAnswer> => {
    const claims = await tokens.verify(tokenIn(authorization))
    if (!claims) return refused(401, "the run token is missing, forged or expired: send the one of the call as Bearer")
    const asked = askedFor(body)
    if (asked.instanceId === "" && asked.serverId === "") {
      return refused(422, "name runtime_context.instance_id or runtime_context.server_id")
    }
    const isOther = (id: string, own: string | null) => id !== "" && id !== own
    if (isOther(asked.instanceId, claims.instanceId) || isOther(asked.serverId, claims.serverId)) {
      return refused(403, "the run token is not for this instance or server")
    }
    const { tenantId, projectId, instanceId, serverId, runId } = claims
    const scope = { tenantId, projectId }
    const server = await directory.find(scope, serverId)
    if (!server) return refused(404, "no such MCP server")
    if (instanceId === null) return answerOf(server, {})
    const found = await configOf(scope, instanceId, runId)
    if (found === null) return refused(404, "no such MCP instance")
    if (typeof found === "string") return refused(422, found)
    return found.serverId === serverId ? answerOf(server, found.config) : refused(403, "the run token is not for this server")
  }
}

export type ConfigEndpoint = ReturnType<typeof createConfigEndpoint>

function answerOf({ configSchema, bridge }: RegisteredServer, config: JsonObject): ConfigAnswer {
  const mapped = bridge && {
    upstream_url: bridge.upstreamUrl,
    auth_mapping: { ...bridge.auth },
    header_mappings: bridge.headers.map(header => ({ ...header })),
  }
  return { status: 200, body: { config, config_schema: plain(configSchema), bridge: mapped } }
}

/** Fields of a configuration schema are plain data. */
function plain(schema: ConfigSchema): JsonObject {
  return schema as unknown as JsonObject
}

/** Older kits write camel case. */
function askedFor(body: unknown): { readonly instanceId: string; readonly serverId: string } {
  const whole = isJsonObject(body) ? body : {}
  const named = whole.runtime_context ?? whole.runtimeContext
  const context = isJsonObject(named) ? named : {}
  return {
    instanceId: textOf(context.instance_id ?? context.instanceId),
    serverId: textOf(context.server_id ?? context.serverId),
  }
}

/** Of `Authorization: Bearer …` or of the header `X-MCP-Token`, which has it bare. */
function tokenIn(authorization: string | null): string {
  return (authorization ?? "").trim().replace(/^bearer\s+/i, "")
}

function refused(status: ConfigAnswer["status"], message: string): ConfigAnswer {
  return { status, body: { message, error: message } }
}
