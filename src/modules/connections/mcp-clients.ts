import type { OAuthClient } from "../../adapters/mcp/oauth.ts"
import type { Vault } from "../../adapters/vault/vault.ts"
import type { Writer } from "../../storage/database.ts"

/** What a registration was made for: elsewhere, or with another way back, it is none. */
export interface ClientPlace {
  readonly serverUrl: string
  readonly redirectUri: string
}

/** What this runtime is registered as at the MCP servers of a workspace, so that each is asked once. */
export class McpOAuthClients {
  constructor(private readonly vault: Vault<Writer>) {}

  async find(tenantId: string, serverId: string, place: ClientPlace): Promise<OAuthClient | null> {
    const text = await this.vault.get(tenantId, nameOf(serverId))
    const kept = text === null ? null : (JSON.parse(text) as ClientPlace & { readonly client: OAuthClient }) // as `keep` wrote it
    return kept?.serverUrl === place.serverUrl && kept.redirectUri === place.redirectUri ? kept.client : null
  }

  async keep(tenantId: string, serverId: string, { serverUrl, redirectUri }: ClientPlace, client: OAuthClient): Promise<void> {
    await this.vault.put(tenantId, nameOf(serverId), JSON.stringify({ serverUrl, redirectUri, client }))
  }

  /** It may be that it is known there no more. */
  async forget(tenantId: string, serverId: string): Promise<void> {
    await this.vault.delete(tenantId, nameOf(serverId))
  }
}

const nameOf = (serverId: string) => `mcp_oauth_client:${serverId}`
