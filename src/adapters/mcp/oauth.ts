import {
  type AuthorizationServerMetadata,
  auth,
  computeScopeUnion,
  discoverOAuthServerInfo,
  exchangeAuthorization,
  type FetchLike,
  type OAuthClientProvider,
  OAuthError,
  type OAuthProtectedResourceMetadata,
  type OAuthTokens,
  refreshAuthorization,
  type StoredOAuthClientInformation,
  validateAuthorizationResponseIssuer,
} from "@modelcontextprotocol/client"
import type { Asker } from "../../kernel/asker.ts"
import { isJsonObject } from "../../kernel/json.ts"
import { MCP_OAUTH_ANSWER_MAX_BYTES, MCP_OAUTH_MAX_MS } from "../../kernel/limits.ts"
import { isTextTooDeep } from "../../kernel/nesting.ts"
import type { Egress } from "../egress/egress.ts"
import { EgressFailed, EgressRefused } from "../egress/errors.ts"
import { quoted } from "./failures.ts"
import { type Challenge, McpFailure } from "./mcp.ts"

export interface OAuthDeps {
  readonly egress: Egress
  readonly now: () => number
  /** At least 128 bits, for `state`. */
  readonly newState: () => string
}

/** What this runtime is at an authorization server: registered there, or given by the operator. Plain JSON. */
export interface OAuthClient {
  readonly client_id: string
  readonly client_secret?: string
  /** Where it is known; without it, it belongs to the first authorization server that it is used at. */
  readonly issuer?: string
  readonly [more: string]: unknown
}

/** What was found out about a server's sign-in. Plain JSON, to be kept with the tokens: refreshing needs it. */
export interface OAuthDiscovery {
  readonly authorizationServerUrl: string
  readonly authorizationServerMetadata?: AuthorizationServerMetadata
  readonly resourceMetadata?: OAuthProtectedResourceMetadata
  /** RFC 8707: what the tokens are for. */
  readonly resource?: string
}

export interface SignInOptions {
  readonly asker: Asker
  readonly redirectUri: string
  /** Shown to the person who signs in. */
  readonly clientName: string
  /** From an earlier sign-in, or given by the operator; null: one is registered where the server allows that. */
  readonly storedClient: OAuthClient | null
  /** The address of a document about this runtime (Client ID Metadata Document), where there is a public one. */
  readonly clientMetadataUrl?: string
  /** What the server said when it refused (McpFailure.challenge). */
  readonly challenge?: Challenge | null
  /** Scopes that were granted before and are to stay, separated by spaces. */
  readonly grantedScope?: string | null
}

/** A sign-in under way. `state`, `verifier`, `client` and `discovery` have to be kept until the browser comes back. */
export interface SignInStarted {
  readonly authorizeUrl: string
  readonly state: string
  readonly verifier: string
  readonly client: OAuthClient
  readonly discovery: OAuthDiscovery
}

export interface SignInCallback {
  readonly asker: Asker
  readonly started: Pick<SignInStarted, "state" | "verifier" | "client" | "discovery">
  readonly redirectUri: string
  /** The query that the browser came back with. */
  readonly callback: URLSearchParams
}

export interface RefreshOptions {
  readonly asker: Asker
  readonly client: OAuthClient
  readonly discovery: OAuthDiscovery
  readonly refreshToken: string
}

export interface Tokens {
  readonly accessToken: string
  readonly refreshToken: string | null
  /** Milliseconds since the epoch; null: the server does not say. */
  readonly expiresAt: number | null
  readonly scope: string | null
}

/**
 * Sign-in at MCP servers, as steps between requests: nothing is kept in here. Errors: `McpFailure` (`unauthorized` when
 * somebody has to sign in again), `EgressRefused`.
 */
export interface McpSignIn {
  beginSignIn(serverUrl: string, options: SignInOptions): Promise<SignInStarted>
  finishSignIn(options: SignInCallback): Promise<Tokens>
  refreshTokens(options: RefreshOptions): Promise<Tokens>
}

/** OAuth 2.1 with PKCE over the SDK: RFC 9728 and 8414 or OpenID discovery, registration, resource indicators, `iss`. */
export function createMcpSignIn({ egress, now, newState }: OAuthDeps): McpSignIn {
  const fetchFor = (asker: Asker): FetchLike => {
    const limits = { totalMs: MCP_OAUTH_MAX_MS, answerBytes: MCP_OAUTH_ANSWER_MAX_BYTES }
    // A form with a code or a secret in it goes to the endpoint that was named, and nowhere else.
    const redirect = (init?: RequestInit) => init?.redirect ?? (init?.method === "POST" ? "error" : "follow")
    return async (input, init) => {
      const response = await egress.for(asker).fetch(input, { ...init, redirect: redirect(init) }, limits)
      const text = await response.text()
      if (isTextTooDeep(text)) throw new McpFailure(`${hostOf(String(input))} gave an answer that is nested too deeply`)
      return new Response(WITHOUT_BODY.has(response.status) ? null : text, { status: response.status, headers: response.headers })
    }
  }

  async function beginSignIn(serverUrl: string, options: SignInOptions): Promise<SignInStarted> {
    const fetchFn = fetchFor(options.asker)
    const { challenge = null, grantedScope } = options
    const resourceMetadataUrl = challenge?.resourceMetadataUrl ? new URL(challenge.resourceMetadataUrl) : undefined
    const found = await discoverOAuthServerInfo(serverUrl, {
      fetchFn,
      ...(resourceMetadataUrl === undefined ? {} : { resourceMetadataUrl }),
    })
    const signIn = new SignIn(options, found, newState())
    const scope = computeScopeUnion(grantedScope ?? undefined, challenge?.scope ?? undefined)
    await auth(signIn, { serverUrl, fetchFn, ...(scope === undefined ? {} : { scope }) })
    return signIn.started()
  }

  async function finishSignIn({ asker, started, redirectUri, callback }: SignInCallback): Promise<Tokens> {
    const { discovery, client, verifier } = started
    if (callback.get("state") !== started.state)
      throw new McpFailure("this sign-in was not begun here, or is already over: begin it again")
    const metadata = discovery.authorizationServerMetadata
    const iss = callback.get("iss") ?? undefined
    // Before anything else of it is believed: it may come from another authorization server.
    validateAuthorizationResponseIssuer({
      iss,
      expectedIssuer: metadata?.issuer,
      issParameterSupported: metadata?.authorization_response_iss_parameter_supported === true,
    })
    const code = callback.get("code")
    if (code === null) {
      const said = callback.get("error_description") ?? callback.get("error") ?? "it gave no code"
      throw new McpFailure(`the sign-in was not allowed: ${quoted(said)}`)
    }
    const tokens = await exchangeAuthorization(discovery.authorizationServerUrl, {
      ...common(discovery, client, asker),
      authorizationCode: code,
      codeVerifier: verifier,
      redirectUri,
      ...(iss === undefined ? {} : { iss }),
    })
    return kept(tokens)
  }

  async function refreshTokens({ asker, client, discovery, refreshToken }: RefreshOptions): Promise<Tokens> {
    return kept(
      await refreshAuthorization(discovery.authorizationServerUrl, { ...common(discovery, client, asker), refreshToken }),
    )
  }

  function common(discovery: OAuthDiscovery, client: OAuthClient, asker: Asker) {
    return {
      clientInformation: client as StoredOAuthClientInformation,
      fetchFn: fetchFor(asker),
      ...(discovery.authorizationServerMetadata === undefined ? {} : { metadata: discovery.authorizationServerMetadata }),
      ...(discovery.resource === undefined ? {} : { resource: discovery.resource }),
    }
  }

  function kept(tokens: OAuthTokens): Tokens {
    const { access_token: accessToken, refresh_token: refreshToken = null, expires_in: expiresIn, scope = null } = tokens
    // Whatever it says becomes a column of whole numbers.
    const expiresAt = expiresIn === undefined ? null : now() + Math.round(Math.min(Math.max(expiresIn, 0), EXPIRES_MAX_S) * 1_000)
    return { accessToken, refreshToken, expiresAt, scope }
  }

  return {
    beginSignIn: (serverUrl, options) => clearly(hostOf(serverUrl), () => beginSignIn(serverUrl, options)),
    finishSignIn: options => clearly(authorityOf(options.started.discovery), () => finishSignIn(options)),
    refreshTokens: options => clearly(authorityOf(options.discovery), () => refreshTokens(options)),
  }
}

/** One sign-in as the SDK asks for it, from values and into values. */
class SignIn implements OAuthClientProvider {
  readonly redirectUrl: string
  readonly clientMetadata: OAuthClientProvider["clientMetadata"]
  readonly clientMetadataUrl?: string
  readonly #state: string
  readonly #issuer: string
  #discovery: OAuthDiscovery
  #client: OAuthClient | undefined
  #verifier = ""
  #authorizeUrl = ""

  constructor(options: SignInOptions, discovery: OAuthDiscovery, state: string) {
    const { redirectUri, clientName, storedClient, clientMetadataUrl } = options
    this.redirectUrl = redirectUri
    this.clientMetadata = {
      client_name: clientName,
      redirect_uris: [redirectUri],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    }
    if (clientMetadataUrl !== undefined) this.clientMetadataUrl = clientMetadataUrl
    this.#state = state
    this.#discovery = discovery
    this.#issuer = discovery.authorizationServerMetadata?.issuer ?? discovery.authorizationServerUrl
    this.#client = storedClient === null ? undefined : { issuer: this.#issuer, ...storedClient }
  }

  started(): SignInStarted {
    const { protocol } = new URL(this.#authorizeUrl)
    if (this.#client === undefined || !/^https?:$/.test(protocol)) throw new McpFailure("its sign-in page has no web address")
    return {
      authorizeUrl: this.#authorizeUrl,
      state: this.#state,
      verifier: this.#verifier,
      client: this.#client,
      discovery: this.#discovery,
    }
  }

  state = () => this.#state
  discoveryState = () => this.#discovery
  clientInformation = () => this.#client as StoredOAuthClientInformation | undefined
  codeVerifier = () => this.#verifier
  tokens = () => undefined
  saveTokens = () => {}

  saveDiscoveryState(found: OAuthDiscovery): void {
    this.#discovery = { ...this.#discovery, ...found }
  }

  saveResourceUrl(resource: string | URL): void {
    this.#discovery = { ...this.#discovery, resource: String(resource) }
  }

  saveClientInformation(client: StoredOAuthClientInformation): void {
    this.#client = client as OAuthClient
  }

  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier
  }

  redirectToAuthorization(url: URL): void {
    this.#authorizeUrl = url.href
  }
}

/** Errors of the SDK as sentences; what an authorization server says goes into them only as far as it is meant to be read. */
async function clearly<T>(who: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof EgressRefused) throw error
    if (error instanceof EgressFailed) throw new McpFailure(error.message, { retryable: true })
    if (error instanceof McpFailure) throw error
    if (!(error instanceof OAuthError)) throw new McpFailure(`no sign-in at ${who} is possible: ${explained(error)}`)
    const mustSignIn = SIGN_IN_AGAIN.has(error.code)
    const said = error.code === "server_error" ? "it does not say why" : `${error.code}, ${quoted(error.message)}`
    throw new McpFailure(`${who} refused: ${said}`, { unauthorized: mustSignIn, retryable: error.code === "server_error" })
  }
}

/** A token that is good for longer is looked at again by then. */
const EXPIRES_MAX_S = 10 * 365 * 24 * 3_600

const WITHOUT_BODY = new Set([204, 205, 304])

const SIGN_IN_AGAIN = new Set<string>(["invalid_grant", "invalid_client", "unauthorized_client", "invalid_scope"])

function explained(error: unknown): string {
  if (isJsonObject(error) && error.name === "ZodError") return "it describes itself in a way that is not understood"
  return error instanceof Error ? quoted(error.message) : "it cannot be understood"
}

function authorityOf({ authorizationServerUrl }: OAuthDiscovery): string {
  return hostOf(authorizationServerUrl)
}

function hostOf(url: string): string {
  return URL.parse(url)?.host ?? "the server"
}
