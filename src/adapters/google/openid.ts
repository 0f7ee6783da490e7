import * as openid from "openid-client"
import type { Asker } from "../../kernel/asker.ts"
import type { Clock } from "../../kernel/clock.ts"
import { OAUTH_ANSWER_MAX_BYTES, OAUTH_ANSWER_MAX_MS } from "../../kernel/limits.ts"
import type { Egress } from "../egress/egress.ts"
import { EgressFailed, EgressRefused } from "../egress/errors.ts"
import { GoogleFailure, type GoogleGrant, type GoogleSignIn } from "./sign-in.ts"

/** What the issuer says of itself changes about never; a day bounds how long a change goes unseen. */
const METADATA_KEPT_MS = 24 * 3_600_000

export interface OpenIdDeps {
  readonly issuer: string
  readonly clientId: string
  readonly clientSecret: string
  readonly egress: Egress
  readonly clock: Clock
}

/** Authorization code with PKCE, by openid-client: it checks state, nonce, issuer, audience and times. */
export function createGoogleSignIn(deps: OpenIdDeps): GoogleSignIn {
  const { clientId, clientSecret, clock } = deps
  let known: { readonly metadata: openid.ServerMetadata; readonly until: number } | null = null

  /** One for each call, as each goes out on somebody's behalf. */
  async function configuration(asker: Asker): Promise<openid.Configuration> {
    if (known === null || known.until <= clock.now())
      known = { metadata: await discover(asker), until: clock.now() + METADATA_KEPT_MS }
    const auth = openid.ClientSecretPost(clientSecret)
    const made = new openid.Configuration(known.metadata, clientId, undefined, auth)
    made[openid.customFetch] = fetchFor(asker)
    made.timeout = OAUTH_ANSWER_MAX_MS / 1000
    // An issuer of tests or of a private network; Google's own address is https.
    if (deps.issuer.startsWith("http:")) openid.allowInsecureRequests(made)
    return made
  }

  async function discover(asker: Asker): Promise<openid.ServerMetadata> {
    const options = {
      [openid.customFetch]: fetchFor(asker),
      timeout: OAUTH_ANSWER_MAX_MS / 1000,
      // By identity: the library looks for this very function before its first request.
      execute: deps.issuer.startsWith("http:") ? [openid.allowInsecureRequests] : [],
    }
    return (await openid.discovery(new URL(deps.issuer), clientId, undefined, openid.None(), options)).serverMetadata()
  }

  function fetchFor(asker: Asker): openid.CustomFetch {
    const outgoing = deps.egress.for(asker)
    const limits = { totalMs: OAUTH_ANSWER_MAX_MS, answerBytes: OAUTH_ANSWER_MAX_BYTES }
    return (url, { body, ...init }) =>
      outgoing.fetch(url, { ...init, ...(body === undefined ? {} : { body: body as BodyInit }) }, limits)
  }

  return {
    async authorizationUrl(asker, { redirectUri, scopes, state, nonce, verifier, loginHint }) {
      return await told(async () => {
        const url = openid.buildAuthorizationUrl(await configuration(asker), {
          redirect_uri: redirectUri,
          scope: scopes.join(" "),
          state,
          nonce,
          code_challenge: await openid.calculatePKCECodeChallenge(verifier),
          code_challenge_method: "S256",
          // A refresh token comes only with consent, and consent adds to what was granted before.
          access_type: "offline",
          prompt: "consent",
          include_granted_scopes: "true",
          ...(loginHint === null ? {} : { login_hint: loginHint }),
        })
        return url.href
      })
    },

    async exchange(asker, { redirectUri, code, issuer, state, nonce, verifier }) {
      return await told(async () => {
        const made = await configuration(asker)
        const back = new URL(redirectUri)
        // A code that was pasted by hand comes without its issuer; there is only one that it can be of.
        back.search = new URLSearchParams({ code, state, iss: issuer ?? made.serverMetadata().issuer }).toString()
        const checks = { expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true }
        const tokens = await openid.authorizationCodeGrant(made, back, checks)
        const claims = tokens.claims()
        if (!claims) throw new GoogleFailure("unavailable", "the answer says not whose account it is")
        return { ...granted(tokens), subject: claims.sub, email: typeof claims.email === "string" ? claims.email : null }
      })
    },

    async refresh(asker, refreshToken) {
      return await told(async () => granted(await openid.refreshTokenGrant(await configuration(asker), refreshToken)))
    },
  }
}

type Tokens = openid.TokenEndpointResponse & openid.TokenEndpointResponseHelpers

function granted(tokens: Tokens): Omit<GoogleGrant, "subject" | "email"> {
  const seconds = tokens.expiresIn()
  return {
    accessToken: tokens.access_token,
    refreshToken: tokens.refresh_token ?? null,
    expiresInMs: seconds === undefined ? null : seconds * 1000,
    scopes: tokens.scope === undefined ? null : tokens.scope.split(" ").filter(scope => scope !== ""),
  }
}

/** Only names of errors are told: descriptions are the other side's text, which may repeat what was sent. */
async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw failureOf(error)
  }
}

function failureOf(error: unknown): GoogleFailure {
  if (error instanceof GoogleFailure) return error
  if (error instanceof openid.ResponseBodyError) {
    const name = /^[\w.-]{1,60}$/.test(error.error) ? error.error : "an error"
    if (error.status >= 500) return new GoogleFailure("unavailable", `Google answered ${error.status} (${name})`)
    if (name === "invalid_grant") return new GoogleFailure("grant_gone", "Google says that the grant is over (invalid_grant)")
    return new GoogleFailure("refused", `Google refused: ${name}`)
  }
  if (error instanceof EgressRefused) return new GoogleFailure("refused", error.message)
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  if (cause instanceof EgressRefused) return new GoogleFailure("refused", cause.message)
  if (cause instanceof EgressFailed) return new GoogleFailure("unavailable", cause.message)
  const code = error instanceof Error && "code" in error ? String(error.code) : ""
  if (CHECKS.has(code)) return new GoogleFailure("refused", `Google's answer does not belong to this sign-in (${code})`)
  return new GoogleFailure("unavailable", `Google did not answer as it should${/^[A-Z_]{1,60}$/.test(code) ? ` (${code})` : ""}`)
}

/** What openid-client says when an answer is somebody else's. */
const CHECKS: ReadonlySet<string> = new Set(["OAUTH_JWT_CLAIM_COMPARISON_FAILED", "OAUTH_INVALID_RESPONSE"])
