import { afterAll, describe, expect, test } from "bun:test"
import { EgressRefused } from "../../../src/adapters/egress/errors.ts"
import type { McpFailure } from "../../../src/adapters/mcp/mcp.ts"
import { createMcpSignIn, type OAuthClient, type SignInStarted } from "../../../src/adapters/mcp/oauth.ts"
import { egressTo } from "../../connectors/call.ts"
import { type HandMade, handMade } from "./hand-made.ts"
import { failure, http, options, testClients } from "./peers.ts"

/** What the conformance suite does not ask: what is refused, what is kept, and what a running client does with tokens. */
const NOW = Date.UTC(2026, 10, 29)
const REDIRECT = "https://runtime.example/callback"
const egress = egressTo("127.0.0.1")
const signIn = createMcpSignIn({ egress, now: () => NOW, newState: () => "the-state" })
const { asker } = options()
const servers: { stop(): unknown }[] = []
afterAll(() => {
  for (const server of servers) server.stop()
  egress.close()
})

type Routes = Readonly<Record<string, (request: Request, form: URLSearchParams) => Response>>

/** An authorization server with an MCP server at /mcp, whose routes a test may change. */
function authority(change: Routes = {}): { readonly url: string; readonly forms: URLSearchParams[] } {
  const forms: URLSearchParams[] = []
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { pathname } = new URL(request.url)
      const form = new URLSearchParams(request.method === "POST" ? await request.text() : "")
      if (request.method === "POST") forms.push(form)
      const own = `http://127.0.0.1:${server.port}`
      const routes: Routes = {
        "/.well-known/oauth-protected-resource/mcp": () =>
          Response.json({ resource: `${own}/mcp`, authorization_servers: [own], scopes_supported: ["tools"] }),
        "/.well-known/oauth-authorization-server": () =>
          Response.json({
            issuer: own,
            authorization_endpoint: `${own}/authorize`,
            token_endpoint: `${own}/token`,
            registration_endpoint: `${own}/register`,
            response_types_supported: ["code"],
            code_challenge_methods_supported: ["S256"],
          }),
        "/register": () =>
          Response.json({ client_id: "registered", client_secret: "registered-secret", redirect_uris: [REDIRECT] }),
        "/token": () =>
          Response.json({ access_token: "access-1", refresh_token: "refresh-1", token_type: "Bearer", expires_in: 60 }),
      }
      return (change[pathname] ?? routes[pathname])?.(request, form) ?? new Response(null, { status: 404 })
    },
  })
  servers.push({ stop: () => server.stop(true) })
  return { url: `http://127.0.0.1:${server.port}/mcp`, forms }
}

const begin = (url: string, storedClient: OAuthClient | null = null) =>
  signIn.beginSignIn(url, { asker, redirectUri: REDIRECT, clientName: "AgentRuntime", storedClient })

const finish = (started: SignInStarted, query: string) =>
  signIn.finishSignIn({ asker, started, redirectUri: REDIRECT, callback: new URLSearchParams(query) })

describe("a sign-in", () => {
  test("registers a client, and sends the person to a page with PKCE, state, scope and resource", async () => {
    const { url } = authority()

    const started = await begin(url)

    const { searchParams } = new URL(started.authorizeUrl)
    expect(Object.fromEntries(searchParams)).toMatchObject({
      client_id: "registered",
      code_challenge_method: "S256",
      state: "the-state",
      scope: "tools",
      redirect_uri: REDIRECT,
      resource: url,
    })
    expect(started.client).toMatchObject({ client_id: "registered", client_secret: "registered-secret" })
    expect(started.authorizeUrl).not.toContain(started.verifier)
  })

  test("survives being written down between its steps, and gives tokens with the moment they end", async () => {
    const { url, forms } = authority()
    const kept: SignInStarted = JSON.parse(JSON.stringify(await begin(url)))

    const tokens = await finish(kept, "code=c1&state=the-state")

    expect(tokens).toEqual({ accessToken: "access-1", refreshToken: "refresh-1", expiresAt: NOW + 60_000, scope: null })
    expect(Object.fromEntries(forms.at(-1) ?? [])).toMatchObject({ code: "c1", code_verifier: kept.verifier, resource: url })
  })

  test("uses the client that the operator gave", async () => {
    const { url, forms } = authority()

    const started = await begin(url, { client_id: "given", client_secret: "given-secret" })

    expect(new URL(started.authorizeUrl).searchParams.get("client_id")).toBe("given")
    expect(forms).toEqual([])
  })

  test("registers anew at another authorization server than the one the client is known at", async () => {
    const { url } = authority()

    const started = await begin(url, { client_id: "old", issuer: "https://old.example" })

    expect(started.client.client_id).toBe("registered")
  })

  test("that comes back with another state, refused, or from somebody else gives no tokens", async () => {
    const { url, forms } = authority()
    const started = await begin(url)
    const before = forms.length

    expect((await failure(finish(started, "code=c1&state=another"))).message).toContain("begin it again")
    expect((await failure(finish(started, "code=c1"))).message).toContain("begin it again")
    const refused = await failure(finish(started, "error=access_denied&error_description=No%20thanks&state=the-state"))
    expect(refused.message).toBe("the sign-in was not allowed: No thanks")
    const mixedUp = await failure(finish(started, "code=c1&state=the-state&iss=https://evil.example"))
    expect(mixedUp.name).toBe("McpFailure")
    expect(forms).toHaveLength(before)
  })
})

describe("a sign-in is not possible when", () => {
  test("the server leads to an address that may not be reached", async () => {
    const { url } = authority({
      "/.well-known/oauth-protected-resource/mcp": () =>
        Response.json({ resource: url, authorization_servers: ["http://169.254.169.254/latest"] }),
    })

    expect(await failure(begin(url))).toBeInstanceOf(EgressRefused)
  })

  test("the metadata is for another server", async () => {
    const { url } = authority({
      "/.well-known/oauth-protected-resource/mcp": () =>
        Response.json({ resource: "https://other.example/mcp", authorization_servers: [new URL(url).origin] }),
    })

    expect((await failure(begin(url))).message).toContain("does not match")
  })

  test("its page is none", async () => {
    const { url } = authority({
      "/.well-known/oauth-authorization-server": () =>
        Response.json({
          issuer: new URL(url).origin,
          authorization_endpoint: "javascript:alert(1)",
          token_endpoint: `${new URL(url).origin}/token`,
          response_types_supported: ["code"],
        }),
    })

    expect(await failure(begin(url))).toMatchObject({ name: "McpFailure" })
  })

  test("the client may not be registered", async () => {
    const { url } = authority({ "/register": () => Response.json({ error: "invalid_client_metadata" }, { status: 400 }) })

    expect(await failure(begin(url))).toMatchObject({ name: "McpFailure" })
  })

  test("the token endpoint leads elsewhere: neither code nor secret follows", async () => {
    const elsewhere = authority()
    const { url } = authority({ "/token": () => Response.redirect(new URL("/token", elsewhere.url).href, 307) })
    const started = await begin(url)

    const error = await failure(finish(started, "code=c1&state=the-state"))

    expect(error).toMatchObject({ name: "McpFailure" })
    expect(error.message).not.toContain("registered-secret")
    expect(elsewhere.forms).toEqual([])
  })
})

describe("tokens are refreshed", () => {
  const refresh = async (change: Routes) => {
    const { url, forms } = authority(change)
    const { client, discovery } = await begin(url)
    return { forms, url, refreshed: signIn.refreshTokens({ asker, client, discovery, refreshToken: "refresh-1" }) }
  }

  test("for the same resource, and the refresh token stays when no other comes", async () => {
    const { forms, url, refreshed } = await refresh({
      "/token": () => Response.json({ access_token: "access-2", token_type: "Bearer" }),
    })

    expect(await refreshed).toEqual({ accessToken: "access-2", refreshToken: "refresh-1", expiresAt: null, scope: null })
    expect(Object.fromEntries(forms.at(-1) ?? [])).toMatchObject({
      grant_type: "refresh_token",
      refresh_token: "refresh-1",
      resource: url,
    })
  })

  test("not when they were withdrawn: somebody has to sign in", async () => {
    const { refreshed } = await refresh({ "/token": () => Response.json({ error: "invalid_grant" }, { status: 400 }) })

    expect(await failure(refreshed)).toMatchObject({ name: "McpFailure", unauthorized: true, retryable: false })
  })

  test("not now when the server is in trouble, and its page of HTML is not shown", async () => {
    const { refreshed } = await refresh({ "/token": () => new Response("<html>oops</html>", { status: 500 }) })

    const error = await failure(refreshed)
    expect(error.message).not.toContain("html")
    expect(error).toMatchObject({ unauthorized: false, retryable: true })
  })
})

describe("a running client", () => {
  const clients = testClients()
  const challenge = 'Bearer resource_metadata="https://mcp.example/.well-known/oauth-protected-resource", scope="tools:write"'

  async function wanting(token: string, status = 401, more = ""): Promise<HandMade> {
    const server = await handMade({
      "tools/call": ({ result, headers, response }) =>
        headers.authorization === `Bearer ${token}`
          ? result({ content: [] })
          : response.writeHead(status, { "www-authenticate": challenge + more }).end(),
    })
    servers.push({ stop: () => server.close() })
    return server
  }

  test("refreshes a token that is refused, and calls once more", async () => {
    const server = await wanting("new")
    const refused: string[] = []
    const oauth = {
      accessToken: async () => (refused.length === 0 ? "old" : "new"),
      refresh: async (token: string) => refused.push(token) > 0,
    }

    const results = await clients.callTool(http(server.url, { oauth }), "work", {}, options())

    expect(results.isError).toBe(false)
    expect(refused).toEqual(["old"])
  })

  test("says that somebody has to sign in, and what the server said about it", async () => {
    const server = await wanting("new")
    for (const token of [null, "old"]) {
      const oauth = { accessToken: async () => token, refresh: async () => false }
      const error = await failure(clients.callTool(http(server.url, { oauth }), "work", {}, options()))

      expect(error.message).toMatch(/wants somebody to sign in \(again\) \(HTTP 401\)$/)
      expect((error as McpFailure).unauthorized).toBe(true)
      expect((error as McpFailure).challenge).toEqual({
        resourceMetadataUrl: "https://mcp.example/.well-known/oauth-protected-resource",
        scope: "tools:write",
      })
    }
  })

  test("says that more has to be allowed when the scopes do not suffice", async () => {
    const server = await wanting("new", 403, ', error="insufficient_scope"')
    const oauth = { accessToken: async () => "narrow", refresh: async () => false }

    const error = await failure(clients.callTool(http(server.url, { oauth }), "work", {}, options()))

    expect(error.message).toMatch(/wants more permissions than were given at sign-in: tools:write$/)
    expect(error).toMatchObject({ unauthorized: true })
  })

  test("whose credentials are fixed says that they were not accepted", async () => {
    const server = await wanting("new")

    const error = await failure(
      clients.callTool(http(server.url), "work", {}, options({ headers: { authorization: "Bearer fixed" } })),
    )

    expect(error.message).toMatch(/did not accept the credentials \(HTTP 401\)$/)
  })
})
