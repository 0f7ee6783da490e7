import { createHash, randomBytes } from "node:crypto"
import type { ServerResponse } from "node:http"
import { openServer, type Seen } from "../../adapters/egress/places.ts"

export const CLIENT_ID = "client-of-tests"
export const CLIENT_SECRET = "gsecret/+canary=of tests%"

interface Code {
  readonly challenge: string
  readonly redirectUri: string
  readonly nonce: string
  readonly scope: string
  used: boolean
}

/** How the token endpoint behaves. */
export type TokenMood = "good" | "hangs" | "fails" | "garbage" | "other issuer" | "no id token" | "echoes"

/** An issuer as strict as Google: whatever does not fit is an error of the standard, and noted. */
export async function openGoogle() {
  const codes = new Map<string, Code>()
  const refreshTokens = new Map<string, { subject: string; scope: string }>()
  const issued: string[] = []
  const complaints: string[] = []
  const state = {
    mood: "good" as TokenMood,
    subject: "1001",
    email: "ada@example.test",
    rotates: false,
    expiresIn: 3600 as number | null,
    givesRefreshToken: true,
    refreshes: 0,
    /** What the person ticks: scopes that are taken out of a grant. */
    refuses: [] as string[],
    /** Answers wait until this resolves. */
    gate: Promise.resolve() as Promise<unknown>,
  }
  const server = await openServer((seen, response) => void answer(seen, response))
  const issuer = server.url("").replace(/\/$/, "")

  async function answer(seen: Seen, response: ServerResponse): Promise<unknown> {
    const { pathname } = new URL(seen.url, issuer)
    if (pathname === "/.well-known/openid-configuration") return json(response, 200, metadata(issuer))
    if (pathname !== "/token" || seen.method !== "POST") return json(response, 404, { error: "not_found" })
    await state.gate
    const form = new URLSearchParams(seen.body)
    if (state.mood === "hangs") return null
    if (state.mood === "fails") return json(response, 500, { error: "server_error" })
    if (state.mood === "garbage") return response.end("<html>oops</html>")
    if (state.mood === "echoes")
      return json(response, 400, { error: "invalid_grant", error_description: `bad ${seen.body} ${CLIENT_SECRET}` })
    const problem = clientProblem(seen, form)
    if (problem !== null) return refuse(response, "invalid_client", problem)
    if (form.get("grant_type") === "authorization_code") return exchange(form, response)
    if (form.get("grant_type") === "refresh_token") return refresh(form, response)
    return refuse(response, "unsupported_grant_type", "grant_type")
  }

  const refuse = (response: ServerResponse, error: string, why: string) => {
    complaints.push(why)
    return json(response, error === "invalid_client" ? 401 : 400, { error, error_description: why })
  }

  function exchange(form: URLSearchParams, response: ServerResponse): true {
    const code = codes.get(form.get("code") ?? "")
    if (!code) return refuse(response, "invalid_grant", "unknown code")
    if (code.used) return refuse(response, "invalid_grant", "code used twice")
    code.used = true
    if (form.get("redirect_uri") !== code.redirectUri) return refuse(response, "invalid_grant", "redirect_uri")
    const verifier = form.get("code_verifier") ?? ""
    if (!/^[\w.~-]{43,128}$/.test(verifier)) return refuse(response, "invalid_grant", "code_verifier")
    if (createHash("sha256").update(verifier).digest("base64url") !== code.challenge)
      return refuse(response, "invalid_grant", "the verifier is not the challenge's")
    const scope = code.scope
      .split(" ")
      .filter(s => !state.refuses.includes(s))
      .join(" ")
    const refreshToken = state.givesRefreshToken ? token("1//refresh+") : null
    if (refreshToken !== null) refreshTokens.set(refreshToken, { subject: state.subject, scope })
    return json(response, 200, {
      ...fresh(scope),
      ...(refreshToken === null ? {} : { refresh_token: refreshToken }),
      ...(state.mood === "no id token" ? {} : { id_token: idToken(code.nonce) }),
    })
  }

  function refresh(form: URLSearchParams, response: ServerResponse): true {
    state.refreshes++
    const given = form.get("refresh_token") ?? ""
    const grant = refreshTokens.get(given)
    if (!grant) return refuse(response, "invalid_grant", "unknown refresh token")
    const rotated = state.rotates ? token("1//refresh+") : null
    if (rotated !== null) {
      refreshTokens.delete(given)
      refreshTokens.set(rotated, grant)
    }
    return json(response, 200, { ...fresh(grant.scope), ...(rotated === null ? {} : { refresh_token: rotated }) })
  }

  function fresh(scope: string) {
    const expiry = state.expiresIn === null ? {} : { expires_in: state.expiresIn }
    return { access_token: token("ya29."), token_type: "Bearer", scope, ...expiry }
  }

  function token(prefix: string): string {
    const made = prefix + randomBytes(24).toString("base64url")
    issued.push(made)
    return made
  }

  function idToken(nonce: string): string {
    const now = Math.floor(Date.now() / 1000)
    const iss = state.mood === "other issuer" ? "https://evil.example" : issuer
    const claims = { iss, aud: CLIENT_ID, sub: state.subject, email: state.email, nonce, iat: now, exp: now + 3600 }
    const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
    return `${part({ alg: "RS256" })}.${part(claims)}.${Buffer.from("signature").toString("base64url")}`
  }

  return {
    issuer,
    state,
    seen: server.seen,
    complaints,
    /** Every token it ever gave. */
    issued,
    /** A person at the address that the API gave: consents, and is sent back with a code. */
    consent(address: string): { code: string; state: string; redirectUri: string } {
      const url = new URL(address)
      const query = url.searchParams
      const wrong = [
        ...(url.origin + url.pathname === `${issuer}/authorize` ? [] : ["address"]),
        ...(query.get("response_type") === "code" ? [] : ["response_type"]),
        ...(query.get("client_id") === CLIENT_ID ? [] : ["client_id"]),
        ...(query.get("code_challenge_method") === "S256" ? [] : ["code_challenge_method"]),
        ...(/^[\w-]{43}$/.test(query.get("code_challenge") ?? "") ? [] : ["code_challenge"]),
        ...((query.get("state") ?? "").length >= 43 ? [] : ["state"]),
        ...((query.get("nonce") ?? "").length >= 43 ? [] : ["nonce"]),
        ...(query.get("access_type") === "offline" ? [] : ["access_type"]),
      ]
      if (wrong.length > 0) throw new Error(`the issuer refuses the request: ${wrong.join(", ")}`)
      const code = `4/0${randomBytes(24).toString("base64url")}`
      const redirectUri = query.get("redirect_uri") ?? ""
      codes.set(code, {
        ...{ challenge: query.get("code_challenge")!, redirectUri, used: false },
        ...{ nonce: query.get("nonce")!, scope: query.get("scope") ?? "" },
      })
      issued.push(code)
      return { code, state: query.get("state")!, redirectUri }
    },
    /** The account takes its consent back. */
    revoke: () => refreshTokens.clear(),
    close: () => server.close(),
  }
}

export type Google = Awaited<ReturnType<typeof openGoogle>>

function metadata(issuer: string) {
  return {
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    jwks_uri: `${issuer}/keys`,
    response_types_supported: ["code"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
  }
}

function clientProblem(seen: Seen, form: URLSearchParams): string | null {
  if (!(seen.headers["content-type"] ?? "").startsWith("application/x-www-form-urlencoded")) return "content-type"
  if (seen.headers.authorization !== undefined) return "two ways to authenticate"
  if (form.get("client_id") !== CLIENT_ID) return "client_id"
  return form.get("client_secret") === CLIENT_SECRET ? null : "client_secret"
}

function json(response: ServerResponse, status: number, body: unknown): true {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(body))
  return true
}
