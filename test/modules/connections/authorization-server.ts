import { createHash, randomBytes } from "node:crypto"
import type { ServerResponse } from "node:http"
import { openServer, type Seen } from "../../adapters/egress/places.ts"

/** An MCP server that wants OAuth and its authorization server in one: it registers clients, and is strict with them. */
export async function openAuthorizationServer() {
  const clients = new Map<string, { secret: string; redirectUris: readonly string[] }>()
  const codes = new Map<string, { clientId: string; challenge: string; redirectUri: string; resource: string }>()
  const refreshTokens = new Set<string>()
  const issued: string[] = []
  const state = { registrations: 0, refreshes: 0, mood: "good" as "good" | "echoes" }
  const server = await openServer(answer)
  const issuer = server.url("").replace(/\/$/, "")
  const resource = `${issuer}/mcp`

  function answer(seen: Seen, response: ServerResponse): unknown {
    const { pathname } = new URL(seen.url, "http://server.example")
    const json = (status: number, body: unknown) => {
      response.writeHead(status, { "content-type": "application/json" })
      response.end(JSON.stringify(body))
    }
    const refuse = (error: string, error_description = error) => json(400, { error, error_description })
    if (pathname.startsWith("/.well-known/oauth-protected-resource"))
      return json(200, { resource, authorization_servers: [issuer], scopes_supported: ["tools"] })
    if (pathname === "/.well-known/oauth-authorization-server") return json(200, metadata(issuer))
    if (pathname === "/register" && seen.method === "POST") {
      state.registrations++
      const wish = JSON.parse(seen.body) as { redirect_uris: string[] }
      const made = {
        client_id: `client-${state.registrations}`,
        client_secret: remembered(randomBytes(24).toString("base64url")),
      }
      clients.set(made.client_id, { secret: made.client_secret, redirectUris: wish.redirect_uris })
      return json(201, { ...wish, ...made, token_endpoint_auth_method: "client_secret_post" })
    }
    if (pathname !== "/token" || seen.method !== "POST") return json(404, {})
    const form = new URLSearchParams(seen.body)
    if (state.mood === "echoes") return refuse("invalid_request", `what is ${seen.body}?`)
    const client = clients.get(form.get("client_id") ?? "")
    if (!client || form.get("client_secret") !== client.secret) return refuse("invalid_client")
    if (form.get("resource") !== resource) return refuse("invalid_target")
    if (form.get("grant_type") === "refresh_token") {
      state.refreshes++
      return refreshTokens.delete(form.get("refresh_token") ?? "") ? json(200, fresh()) : refuse("invalid_grant")
    }
    const code = codes.get(form.get("code") ?? "")
    codes.delete(form.get("code") ?? "")
    const challenge = createHash("sha256")
      .update(form.get("code_verifier") ?? "")
      .digest("base64url")
    const fits =
      code?.clientId === form.get("client_id") && code.redirectUri === form.get("redirect_uri") && code.challenge === challenge
    return fits ? json(200, fresh()) : refuse("invalid_grant")
  }

  function remembered(secret: string): string {
    issued.push(secret)
    return secret
  }

  function fresh() {
    const refresh = remembered(`refresh+/${randomBytes(24).toString("base64url")}`)
    refreshTokens.add(refresh)
    const access = remembered(`access+/${randomBytes(24).toString("base64url")}`)
    return { access_token: access, refresh_token: refresh, token_type: "Bearer", expires_in: 600, scope: "tools" }
  }

  return {
    url: resource,
    host: new URL(issuer).host,
    state,
    issued,
    /** A person who consents at the address that the API gave. */
    consent(address: string) {
      const url = new URL(address)
      const query = url.searchParams
      const client = clients.get(query.get("client_id") ?? "")
      const redirectUri = query.get("redirect_uri") ?? ""
      const isGood =
        url.origin + url.pathname === `${issuer}/authorize` &&
        query.get("code_challenge_method") === "S256" &&
        query.get("resource") === resource &&
        client?.redirectUris.includes(redirectUri)
      if (!isGood) throw new Error(`the authorization server refuses ${address}`)
      const code = remembered(randomBytes(24).toString("base64url"))
      codes.set(code, { clientId: query.get("client_id")!, challenge: query.get("code_challenge")!, redirectUri, resource })
      return { code, state: query.get("state")!, iss: issuer }
    },
    revoke: () => refreshTokens.clear(),
    forgetClients: () => clients.clear(),
    close: () => server.close(),
  }
}

export type AuthorizationServer = Awaited<ReturnType<typeof openAuthorizationServer>>

function metadata(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    registration_endpoint: `${issuer}/register`,
    response_types_supported: ["code"],
    grant_types_supported: ["authorization_code", "refresh_token"],
    token_endpoint_auth_methods_supported: ["client_secret_post"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
  }
}
