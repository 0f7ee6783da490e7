import type { Ids } from "../kernel/ids.ts"

/** 32 bytes: 43 characters of base64url. */
const TOKEN_BYTES = 32
const TOKEN = /^[A-Za-z0-9_-]{43}$/
const PAT = /^pat_[A-Za-z0-9_-]{43}$/

/** Of a session, or of a link that works once. */
export function newToken(ids: Ids): string {
  return ids.secret(TOKEN_BYTES)
}

export function newPat(ids: Ids): string {
  return `pat_${ids.secret(TOKEN_BYTES)}`
}

export function isToken(text: string): boolean {
  return TOKEN.test(text)
}

export function isPat(text: string): boolean {
  return PAT.test(text)
}

/** What is stored instead of a token. Tokens are random, so a fast hash without salt is right: there is nothing to guess. */
export function hashToken(token: string): string {
  return Bun.CryptoHasher.hash("sha256", token, "hex")
}
