import type { Asker } from "../../kernel/asker.ts"

/** What a sign-in was begun with, and must be ended with. */
export interface SignInSecrets {
  readonly state: string
  readonly nonce: string
  /** Of PKCE; its SHA-256 goes out first, itself only with the code. */
  readonly verifier: string
}

export interface SignInRequest extends SignInSecrets {
  readonly redirectUri: string
  readonly scopes: readonly string[]
  /** Which account is meant, e.g. its e-mail. */
  readonly loginHint: string | null
}

export interface SignInAnswer extends SignInSecrets {
  readonly redirectUri: string
  readonly code: string
  /** Who says it gave the code, where that came along. */
  readonly issuer: string | null
}

/** What an account granted. */
export interface GoogleGrant {
  readonly accessToken: string
  readonly refreshToken: string | null
  readonly expiresInMs: number | null
  /** Null: nobody said, so it is what was asked for. */
  readonly scopes: readonly string[] | null
  /** Google's own id of the account, which outlives a change of its e-mail. */
  readonly subject: string
  readonly email: string | null
}

/** Signing in with Google, or with whatever speaks OpenID Connect at the issuer. Errors: `GoogleFailure`. */
export interface GoogleSignIn {
  authorizationUrl(asker: Asker, request: SignInRequest): Promise<string>
  exchange(asker: Asker, answer: SignInAnswer): Promise<GoogleGrant>
  refresh(asker: Asker, refreshToken: string): Promise<Pick<GoogleGrant, "accessToken" | "refreshToken" | "expiresInMs">>
}

/**
 * - `grant_gone`: the account took its consent back, or the code was used or is too old.
 * - `refused`: the service says no for another reason, e.g. a wrong client secret.
 * - `unavailable`: it did not answer, or not as it should; another try may do.
 */
export type GoogleFailureKind = "grant_gone" | "refused" | "unavailable"

/** A sentence without secrets. */
export class GoogleFailure extends Error {
  override readonly name = "GoogleFailure"
  constructor(
    readonly kind: GoogleFailureKind,
    message: string,
  ) {
    super(message)
  }
}
