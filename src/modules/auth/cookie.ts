import { isToken } from "../../http/tokens.ts"

export const SESSION_COOKIE = "agentruntime_session"

/** The session's token of this request; null when there is none, or something else under its name. */
export function sessionToken(request: Request): string | null {
  const header = request.headers.get("cookie")
  if (!header) return null
  for (const pair of header.split(";")) {
    const equals = pair.indexOf("=")
    if (equals < 0 || pair.slice(0, equals).trim() !== SESSION_COOKIE) continue
    const value = pair.slice(equals + 1).trim()
    return isToken(value) ? value : null
  }
  return null
}

/** The browser keeps it to the session's absolute end; the server decides before. */
export function sessionCookie(token: string, maxAgeS: number, secure: boolean): string {
  return `${SESSION_COOKIE}=${token}; Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeS}${secure ? "; Secure" : ""}`
}

export function clearedCookie(secure: boolean): string {
  return sessionCookie("", 0, secure)
}
