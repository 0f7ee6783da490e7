import { EgressRefused } from "../../adapters/egress/errors.ts"
import { McpFailure } from "../../adapters/mcp/mcp.ts"
import type { McpSignIn, OAuthClient, SignInStarted, Tokens } from "../../adapters/mcp/oauth.ts"
import type { Scope } from "../../connectors/connector.ts"
import type { Caller } from "../../http/permission.ts"
import { type Asker, asker } from "../../kernel/asker.ts"
import { type Clock, rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { type JsonObject, textOf } from "../../kernel/json.ts"
import { masked } from "../../kernel/masked.ts"
import type { ConnectionBody } from "./contract.ts"
import type { Completion } from "./google-contract.ts"
import type { McpOAuthClients } from "./mcp-clients.ts"
import type { McpBeginning } from "./mcp-contract.ts"
import type { OAuthStates } from "./oauth-states.ts"
import { checkedRedirectUri } from "./redirect-uri.ts"
import { noConnection, type SavedConnections } from "./saved.ts"
import type { ConnectionSecrets } from "./secrets.ts"
import type { ConnectionRow } from "./store.ts"
import { ACCESS_TOKEN, REFRESH_TOKEN, type Refresh, SIGN_IN } from "./tokens.ts"

export const MCP_PROVIDER = "mcp_oauth"
const SERVICE = "oauth"
/** Shown to people where they sign in. */
const CLIENT_NAME = "AgentRuntime"

/** As much of a registered server as signing in there needs. */
export interface SignInServer {
  readonly id: string
  readonly name: string
  readonly canonicalUrl: string
  readonly authMode: string
}

export interface McpConnectionsDeps {
  readonly signIn: McpSignIn
  readonly serverOf: (scope: Scope, serverId: string) => Promise<SignInServer | null>
  readonly clients: McpOAuthClients
  readonly states: OAuthStates
  readonly saved: SavedConnections
  readonly secrets: ConnectionSecrets
  readonly bodyOf: (row: ConnectionRow) => Promise<ConnectionBody>
  /** Where browsers come back to, unless somebody asks for another place. */
  readonly callbackUrl: string
  readonly clock: Clock
}

/** What a sign-in keeps in the vault until the browser is back, and with the tokens for as long as they are renewed. */
type Started = Pick<SignInStarted, "verifier" | "client" | "discovery">

/** Sign-ins at registered MCP servers that want OAuth. */
export class McpConnections {
  constructor(private readonly deps: McpConnectionsDeps) {}

  async begin(caller: Caller, wish: McpBeginning) {
    const { signIn, clients, states, saved, callbackUrl } = this.deps
    const server = await this.#server(caller, wish.server_id)
    const row = wish.connection_id === undefined ? null : await saved.find(caller.tenantId, wish.connection_id)
    if (row && (row.provider !== MCP_PROVIDER || row.metadata.server_id !== server.id)) throw noConnection()
    const redirectUri = wish.redirect_uri === undefined ? callbackUrl : checkedRedirectUri(wish.redirect_uri)
    const place = { serverUrl: server.canonicalUrl, redirectUri }
    const scopes = [...new Set([...textOf(row?.metadata.scope).split(" "), ...(wish.scopes ?? [])])].filter(scope => scope !== "")
    const started = await refusable([], async () =>
      signIn.beginSignIn(server.canonicalUrl, {
        ...{ asker: askerOf(caller), redirectUri, clientName: CLIENT_NAME },
        storedClient: await clients.find(caller.tenantId, server.id, place),
        ...(scopes.length === 0 ? {} : { grantedScope: scopes.join(" ") }),
      }),
    )
    const { authorizeUrl, state, verifier, client, discovery } = started
    await clients.keep(caller.tenantId, server.id, place, client)
    const { expiresAt } = await states.begin(caller, state, {
      flow: "mcp",
      connectionId: row?.id ?? null,
      request: { server_id: server.id, redirect_uri: redirectUri, display_name: wish.display_name ?? "" },
      secret: JSON.stringify({ verifier, client, discovery }),
    })
    return { url: authorizeUrl, state, expires_at: rfc3339(expiresAt) }
  }

  async complete(caller: Caller, { code, state, iss }: Completion): Promise<ConnectionBody> {
    const { signIn, clients, states, saved, bodyOf, clock } = this.deps
    const { row: begun, secret } = await states.take(caller, "mcp", state)
    const server = await this.#server(caller, textOf(begun.request.server_id))
    const started = JSON.parse(secret) as Started // as `begin` wrote it
    const callback = new URLSearchParams({ code, state, ...(iss === undefined ? {} : { iss }) })
    const redirectUri = textOf(begun.request.redirect_uri)
    let tokens: Tokens
    try {
      const answer = { asker: askerOf(caller), started: { ...started, state }, redirectUri, callback }
      tokens = await refusable([code, started.verifier, started.client.client_secret], () => signIn.finishSignIn(answer))
    } catch (error) {
      // Should it have been the registration, the next sign-in makes another.
      await clients.forget(caller.tenantId, server.id)
      throw error
    }
    const values = valuesOf(tokens, started)
    const metadata = metadataOf(server, tokens)
    const expiresAt = tokens.expiresAt
    if (begun.connectionId === null) {
      const displayName = textOf(begun.request.display_name) || server.name
      return await bodyOf(
        await saved.create(caller, { displayName, provider: MCP_PROVIDER, service: SERVICE, values, metadata, expiresAt }),
      )
    }
    const mended = { status: "active", statusReason: null, updatedAt: clock.now() } as const
    // A server that gives no refresh token now does not mean the one of before, which was another sign-in's.
    const renewed = { ...values, [REFRESH_TOKEN]: tokens.refreshToken }
    const change = { fields: { ...mended, metadata, expiresAt }, values: renewed }
    return await bodyOf(await saved.change(caller.tenantId, begun.connectionId, async () => change))
  }

  /** How its tokens are renewed. */
  readonly refresh: Refresh = async (row, refreshToken) => {
    const { signIn, secrets, clock } = this.deps
    const text = await secrets.get(row, SIGN_IN)
    if (text === null) return { type: "gone", reason: "what its tokens are renewed with is not there any more" }
    const { client, discovery } = JSON.parse(text) as Started // as valuesOf wrote it
    try {
      const who = asker("connection mcp", { tenantId: row.tenantId })
      const tokens = await signIn.refreshTokens({ asker: who, client, discovery, refreshToken })
      const expiresInMs = tokens.expiresAt === null ? null : tokens.expiresAt - clock.now()
      return { type: "tokens", accessToken: tokens.accessToken, refreshToken: tokens.refreshToken, expiresInMs }
    } catch (error) {
      if (error instanceof McpFailure && error.unauthorized)
        return { type: "gone", reason: "the server says that the sign-in there is over" }
      return { type: "later", reason: sentenceOf(error, secretsOf(client, refreshToken)) }
    }
  }

  async #server({ tenantId, projectId }: Caller, id: string): Promise<SignInServer> {
    const server = await this.deps.serverOf({ tenantId, projectId }, id)
    if (!server) throw new AppError("not_found", "no such MCP server")
    if (server.authMode === "oauth") return server
    const sentence = `the server ${JSON.stringify(server.name)} does not want OAuth: its auth_mode is ${server.authMode}`
    throw new AppError("invalid", sentence, { code: "NO_OAUTH" })
  }
}

function valuesOf({ accessToken, refreshToken }: Tokens, { client, discovery }: Started): Record<string, string> {
  const renewing = refreshToken === null ? {} : { [REFRESH_TOKEN]: refreshToken }
  return { [ACCESS_TOKEN]: accessToken, ...renewing, [SIGN_IN]: JSON.stringify({ client, discovery }) }
}

function metadataOf({ id, name, canonicalUrl }: SignInServer, { scope }: Tokens): JsonObject {
  return { server_id: id, server_name: name, server_url: canonicalUrl, scope }
}

function askerOf({ tenantId, projectId, userId }: Caller): Asker {
  return asker("sign-in with mcp", { tenantId, projectId, userId })
}

function secretsOf(client: OAuthClient, ...others: string[]): readonly (string | undefined)[] {
  return [client.client_secret, ...others]
}

/** Servers may repeat in an error what they were sent. */
function sentenceOf(error: unknown, secrets: readonly (string | undefined)[]): string {
  if (!(error instanceof McpFailure || error instanceof EgressRefused)) throw error
  return masked(
    error.message,
    secrets.filter(secret => secret !== undefined),
  )
}

async function refusable<T>(secrets: readonly (string | undefined)[], work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof AppError) throw error
    const sentence = sentenceOf(error, secrets)
    if (error instanceof McpFailure && error.retryable) throw new AppError("unavailable", `${sentence}; try again`)
    throw new AppError("invalid", sentence, { code: "SIGN_IN_REFUSED" })
  }
}
