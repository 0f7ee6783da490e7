import type { McpOAuth } from "../../adapters/mcp/mcp.ts"
import type { Credentials, CredentialsOf } from "../../connectors/credentials.ts"
import { AppError } from "../../kernel/errors.ts"
import type { ConnectionSecrets } from "./secrets.ts"
import type { ConnectionRow, ConnectionStore } from "./store.ts"
import { ACCESS_TOKEN, REFRESH_TOKEN, SIGN_IN, type Tokens } from "./tokens.ts"

export interface ConnectionCredentialsDeps {
  readonly store: Pick<ConnectionStore, "find">
  readonly secrets: ConnectionSecrets
  readonly tokens: Tokens
}

type Scope = Parameters<CredentialsOf>[0]

/** What connections give to tools, and to conversations with MCP servers. */
export class ConnectionCredentials {
  constructor(private readonly deps: ConnectionCredentialsDeps) {}

  readonly of: CredentialsOf = async ({ tenantId }, connectionId) => {
    const row = await this.deps.store.find(tenantId, connectionId)
    if (!row) return { ok: false, message: "the connection is gone: choose another one in the instance's config profile" }
    return await readable(() => this.#read(row))
  }

  async #read(row: ConnectionRow): Promise<Credentials> {
    const { provider, service, metadata } = row
    if (row.status !== "active") return { ok: false, message: reconnect(row) }
    const values = await this.deps.secrets.values(row)
    if (!this.deps.tokens.isOAuth(row)) return { ok: true, provider, service, values, metadata }
    const fresh = await this.deps.tokens.accessToken(row)
    if (!fresh.ok) return fresh
    // What renews tokens stays here: no tool has a use for it.
    const { [REFRESH_TOKEN]: _, [SIGN_IN]: __, ...others } = values
    const given = { ...others, [ACCESS_TOKEN]: fresh.token }
    return { ok: true, provider, service, values: given, metadata }
  }

  /** The tokens of a connection at an MCP server. */
  oauthOf({ tenantId }: Scope, connectionId: string): McpOAuth {
    const { store, tokens } = this.deps
    return {
      async accessToken() {
        const row = await store.find(tenantId, connectionId)
        if (row?.status !== "active") return null
        const fresh = await tokens.accessToken(row)
        return fresh.ok ? fresh.token : null
      },
      async refresh(refused) {
        const row = await store.find(tenantId, connectionId)
        return row?.status === "active" && (await tokens.replace(row, refused))
      },
    }
  }
}

function reconnect({ displayName, statusReason }: ConnectionRow): string {
  return `the connection ${JSON.stringify(displayName)} has to be connected again${statusReason === null ? "" : `: ${statusReason}`}`
}

/** A damaged vault is told, not thrown. */
async function readable(read: () => Promise<Credentials>): Promise<Credentials> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof AppError) return { ok: false, message: error.message }
    throw error
  }
}
