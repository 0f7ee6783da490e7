import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import type { Permission } from "../../http/permission.ts"
import { rfc3339 } from "../../kernel/clock.ts"
import { AppError } from "../../kernel/errors.ts"
import { Addresses, type AddressLog } from "./address.ts"
import { unauthenticated } from "./authorizer.ts"
import {
  Credentials,
  EmailOnly,
  Me,
  Nothing,
  PasswordChange,
  PasswordReset,
  Refreshed,
  Registration,
  Setup,
  SignedIn,
  TokenOnly,
} from "./contract.ts"
import { clearedCookies, sessionCookie, sessionToken, sessionTokens } from "./cookie.ts"
import type { Origins } from "./origins.ts"
import type { AuthService, Session, Visitor } from "./service.ts"
import { SESSION_MAX_MS } from "./sessions.ts"

export interface AuthRouteDeps {
  readonly gate: Gate
  readonly auth: AuthService
  readonly origins: Origins
  /** Count sign-ins by `X-Forwarded-For`: only behind a proxy that sets it. */
  readonly trustProxy: boolean
  /** Hears once that `trustProxy` seems to be missing. */
  readonly log?: AddressLog
}

const PUBLIC: Permission = { access: "public" }
const SESSION: Permission = { access: "user", scopes: "none" }
const tags = ["Auth"]

interface Call {
  readonly request: Request
  readonly server: Parameters<Addresses["of"]>[1]
  readonly set: { readonly headers: Record<string, string | number | string[] | undefined> }
}

export const authRoutes = ({ gate, auth, origins, trustProxy, log }: AuthRouteDeps) => {
  const addresses = new Addresses(trustProxy, log)
  const visitorOf = ({ request, server }: Call): Visitor => ({
    address: addresses.of(request, server),
    userAgent: request.headers.get("user-agent"),
  })

  /** The cookie, and what the person then sees. */
  async function signIn(call: Call, session: Session) {
    call.set.headers["set-cookie"] = sessionCookie(session.token, SESSION_MAX_MS / 1000, origins.isSecure(call.request))
    return { ...copy(await auth.profile(session.userId)), expires_at: rfc3339(session.expiresAt) }
  }

  return new Elysia({ prefix: "/v1/auth" })
    .use(gate)
    .post(
      "/login",
      async ({ body, ...call }) => {
        origins.check(call.request)
        return signIn(call, await auth.login(body.email, body.password, visitorOf(call)))
      },
      {
        permit: PUBLIC,
        body: Credentials,
        response: SignedIn,
        detail: { summary: "Sign in with e-mail and password; sets the session's cookie", tags },
      },
    )
    .post(
      "/logout",
      async ({ request, set }) => {
        origins.check(request)
        for (const token of sessionTokens(request)) await auth.logout(token)
        set.headers["set-cookie"] = clearedCookies(request, origins.isSecure(request))
        set.status = 204
      },
      { permit: PUBLIC, response: { 204: Nothing }, detail: { summary: "End this session", tags } },
    )
    .post(
      "/refresh",
      async ({ request, set }) => {
        const token = ownSession(request)
        const { expiresAt } = await auth.refresh(token)
        set.headers["set-cookie"] = sessionCookie(token, SESSION_MAX_MS / 1000, origins.isSecure(request))
        return { expires_at: rfc3339(expiresAt) }
      },
      {
        permit: SESSION,
        response: Refreshed,
        detail: { summary: "Say that the session is in use, and learn when it ends", tags },
      },
    )
    .get("/me", async ({ caller }) => copy(await auth.profile(caller.userId, caller.tenantId || undefined)), {
      permit: { access: "user", scopes: "any" },
      response: Me,
      detail: { summary: "Who I am, and my role in which workspaces and projects", tags },
    })
    .post(
      "/setup",
      async ({ body, ...call }) => {
        origins.check(call.request)
        return signIn(call, await auth.setup(body.token, body, visitorOf(call)))
      },
      {
        permit: PUBLIC,
        body: Setup,
        response: SignedIn,
        detail: {
          summary: "Use the one-time link of the first start: set e-mail and password, become the workspace's admin",
          tags,
        },
      },
    )
    .post(
      "/register",
      async ({ body, ...call }) => {
        origins.check(call.request)
        const session = await auth.register(body, body.invite_token, visitorOf(call))
        call.set.status = 201
        return signIn(call, session)
      },
      {
        permit: PUBLIC,
        body: Registration,
        response: { 201: SignedIn },
        detail: { summary: "Make an account, by invitation unless the instance is open to everybody", tags },
      },
    )
    .post(
      "/change-password",
      async ({ body, caller, set, ...call }) => {
        const visitor = visitorOf({ ...call, set })
        await auth.changePassword(caller.userId, ownSession(call.request), body.current_password, body.new_password, visitor)
        set.status = 204
      },
      {
        permit: SESSION,
        body: PasswordChange,
        response: { 204: Nothing },
        detail: { summary: "Change my password; ends all my other sessions", tags },
      },
    )
    .post(
      "/reset-password",
      async ({ body, request, set }) => {
        origins.check(request)
        await auth.resetPassword(body.token, body.password)
        set.status = 204
      },
      {
        permit: PUBLIC,
        body: PasswordReset,
        response: { 204: Nothing },
        detail: { summary: "Set a new password with a one-time link; ends all sessions", tags },
      },
    )
    .use(mailRoutes(gate))
    .use(googleRoutes(gate))
}

/** They need mail. The answer does not depend on the address, so nobody learns who has an account. */
const mailRoutes = (gate: Gate) =>
  new Elysia()
    .use(gate)
    .post("/forgot-password", () => missing("mail.smtp_url", "mail", "MAIL_NOT_CONFIGURED"), {
      permit: PUBLIC,
      body: EmailOnly,
      response: { 204: Nothing },
      detail: { summary: "Mail a link that sets a new password", tags },
    })
    .post("/verify-email", () => missing("mail.smtp_url", "mail", "MAIL_NOT_CONFIGURED"), {
      permit: PUBLIC,
      body: TokenOnly,
      response: { 204: Nothing },
      detail: { summary: "Confirm an e-mail address", tags },
    })
    .post("/resend-verification", () => missing("mail.smtp_url", "mail", "MAIL_NOT_CONFIGURED"), {
      permit: PUBLIC,
      body: EmailOnly,
      response: { 204: Nothing },
      detail: { summary: "Mail the confirmation link again", tags },
    })

const googleRoutes = (gate: Gate) =>
  new Elysia()
    .use(gate)
    .get("/oauth/google/url", () => missing("google.client_id", "sign-in with Google", "GOOGLE_NOT_CONFIGURED"), {
      permit: PUBLIC,
      response: t.Object({ url: t.String() }),
      detail: { summary: "Where sign-in with Google begins", tags },
    })
    .get("/oauth/google/callback", () => missing("google.client_id", "sign-in with Google", "GOOGLE_NOT_CONFIGURED"), {
      permit: PUBLIC,
      response: SignedIn,
      detail: { summary: "Where Google sends people back to", tags },
    })

function missing(setting: string, what: string, code: string): never {
  throw new AppError("unavailable", `${what} is not available in this version; a later one will take the setting ${setting}`, {
    code,
  })
}

/** The gate has seen a good session; its token is in the cookie. */
function ownSession(request: Request): string {
  const token = sessionToken(request)
  if (token === null) throw unauthenticated()
  return token
}

/** The wire's shape has lists that may be written to. */
function copy({ user, tenants }: Awaited<ReturnType<AuthService["profile"]>>) {
  return { user, tenants: tenants.map(tenant => ({ ...tenant, projects: [...tenant.projects] })) }
}
