import type { Egress } from "../../adapters/egress/egress.ts"
import type { McpClients } from "../../adapters/mcp/mcp.ts"
import type { Vault } from "../../adapters/vault/vault.ts"
import type { CredentialsOf } from "../../connectors/credentials.ts"
import type { KeepArtifact } from "../../kernel/artifact.ts"
import type { Clock } from "../../kernel/clock.ts"
import type { Ids } from "../../kernel/ids.ts"
import type { StdioServer } from "../../kernel/stdio-server.ts"
import type { Database, Writer } from "../../storage/database.ts"
import { type ConfigEndpoint, type ConfigOf, createConfigEndpoint } from "./config-endpoint.ts"
import { Servers } from "./directory.ts"
import { createRunTokens } from "./run-token.ts"
import { type ConnectionExists, ServerAsk, type WiringOf } from "./server-ask.ts"
import { createServerStore } from "./server-store.ts"
import type { OAuthOf } from "./server-target.ts"
import { ServerService } from "./servers.ts"
import type { McpService } from "./service.ts"
import { createStdioServers } from "./stdio-servers.ts"
import { createMcpStore } from "./store.ts"

export interface McpServersDeps {
  readonly db: Database
  readonly vault: Vault<Writer>
  readonly clients: McpClients
  readonly egress: Egress
  readonly clock: Clock
  readonly ids: Ids
  readonly publicUrl: string
  /** Programs that the operator declared, and what they have of the environment. */
  readonly declared: readonly StdioServer[]
  readonly baseEnv: Readonly<Record<string, string>>
  readonly keep: KeepArtifact
  readonly credentialsOf: CredentialsOf
  readonly connectionExists: ConnectionExists
  readonly oauthOf: OAuthOf
  /** Asked late: the service of instances itself needs the directory. */
  readonly mcp: () => Pick<McpService, "wired" | "changed" | "remove">
  /** The workflow of a run; null: there is no such run. */
  readonly workflowOf: (runId: string) => Promise<string | null>
}

export interface McpServers {
  readonly directory: Servers
  readonly service: ServerService
  readonly config: ConfigEndpoint
}

/** Registered servers, and the endpoint where connectors elsewhere fetch their settings. */
export function openMcpServers(deps: McpServersDeps): McpServers {
  const { db, clients, egress, clock, publicUrl } = deps
  const tokens = createRunTokens({ ...deps, transaction: body => db.write(body) })
  const stdio = createStdioServers(deps)
  const store = createServerStore(db)
  const instances = createMcpStore(db)
  const targets = { tokens, clock, stdio, oauthOf: deps.oauthOf }
  const directory = new Servers({ ...targets, store, clients, keep: deps.keep })
  // Instances are resolved with the tools of their server.
  clients.onToolsChanged(() => deps.mcp().changed())

  const wiringOf: WiringOf = async (scope, instanceId) => {
    const found = await deps.mcp().wired({ tenantId: scope.tenantId, projectId: scope.projectId, instanceId })
    return found.ok ? { instanceId, config: found.config, connectionId: found.connectionId } : found.message
  }
  const configOf: ConfigOf = async (scope, instanceId, runId) => {
    const workflowId = runId === null ? null : await deps.workflowOf(runId)
    const found = await deps.mcp().wired({ ...scope, instanceId, ...(workflowId !== null && { workflowId }) })
    if (found.ok) return { serverId: found.instance.serverId, config: found.config }
    return found.reason === "foreign" ? null : found.message
  }
  const ask = new ServerAsk({
    ...{ ...targets, clients, egress, directory, wiringOf },
    ...{ credentialsOf: deps.credentialsOf, connectionExists: deps.connectionExists },
    instanceOf: async (scope, serverId) => (await instances.instancesOf(scope, serverId))[0]?.instance.id ?? null,
  })
  return {
    directory,
    service: new ServerService({
      ...{ store, directory, ask, clock, publicUrl, ids: deps.ids },
      refusal: url => egress.refusal(url),
      removeInstance: (scope, id) => deps.mcp().remove(scope, id),
      changed: () => deps.mcp().changed(),
    }),
    config: createConfigEndpoint({ tokens, directory, configOf }),
  }
}
