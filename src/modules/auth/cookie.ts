import { isToken } from "../../http/tokens.ts"

export const SESSION_COOKIE = "agentruntime_session"
/** Where the browser talks TLS: by this prefix it takes the cookie from this host only, not from a neighbour's subdomain. */
export const SECURE_SESSION_COOKIE = `__Host-${SESSION_COOKIE}`

/** The session's token of this request; null when there is none, or something else under its name. */
export function sessionToken(request: Request): string | null {
  const found = cookies(request)
  const value = found.get(SECURE_SESSION_COOKIE) ?? found.get(SESSION_COOKIE)
  return value !== undefined && isToken(value) ? value : null
}

/** Under either name: signing out must leave no session behind. */
export function sessionTokens(request: Request): readonly string[] {
  return [...new Set(cookies(request).values())].filter(isToken)
}

/** The browser keeps it to the session's absolute end; the server decides before. */
export function sessionCookie(token: string, maxAgeS: number, secure: boolean): string {
  return cookie(secure ? SECURE_SESSION_COOKIE : SESSION_COOKIE, token, maxAgeS, secure)
}

/** For each name under which this browser may hold one. */
export function clearedCookies(request: Request, secure: boolean): string[] {
  const plain = cookie(SESSION_COOKIE, "", 0, secure)
  if (!secure) return [plain]
  const prefixed = cookie(SECURE_SESSION_COOKIE, "", 0, secure)
  return cookies(request).has(SESSION_COOKIE) ? [prefixed, plain] : [prefixed]
}

function cookie(name: string, value: string, maxAgeS: number, secure: boolean): string {
  return `${name}=${value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeS}${secure ? "; Secure" : ""}`
}

/** Ours only; of two with one name the first, which has the longer path. */
function cookies(request: Request): ReadonlyMap<string, string> {
  const found = new Map<string, string>()
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const equals = pair.indexOf("=")
    const name = pair.slice(0, Math.max(0, equals)).trim()
    if ((name === SESSION_COOKIE || name === SECURE_SESSION_COOKIE) && !found.has(name))
      found.set(name, pair.slice(equals + 1).trim())
  }
  return found
}
