import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { type HtmlPage, type PageAnswer, sentPage } from "../../http/html-page.ts"
import type { Permission } from "../../http/permission.ts"
import type { LinkPurpose } from "../../storage/schema/identity.ts"
import type { Origins } from "./origins.ts"
import { homePage, invitePage, linkOverPage, loginPage, resetPage, setupPage } from "./pages.ts"
import type { AuthService } from "./service.ts"

export interface PageRouteDeps {
  readonly gate: Gate
  readonly auth: AuthService
  readonly origins: Origins
  readonly version: string
}

const PUBLIC: Permission = { access: "public" }
const tags = ["pages"]
const query = t.Object({ token: t.Optional(t.String({ maxLength: 200 })) })

/** The few pages that are there before the Console is. */
export const pageRoutes = ({ gate, auth, origins, version }: PageRouteDeps) =>
  new Elysia()
    .use(gate)
    .get("/", ({ request, set }) => sentPage(homePage({ host: new URL(origins.baseUrl(request)).host, version }), set), {
      permit: PUBLIC,
      response: t.String(),
      detail: { summary: "What this instance is", tags, hide: true },
    })
    .get("/login", ({ set }) => sentPage(loginPage(), set), {
      permit: PUBLIC,
      response: t.String(),
      detail: { summary: "Form to sign in", tags, hide: true },
    })
    .get("/setup", ({ query: { token }, set }) => linkPage(auth, "setup", token, set, good => setupPage(good)), {
      permit: PUBLIC,
      query,
      response: t.String(),
      detail: { summary: "Form behind the one-time link of the first start", tags, hide: true },
    })
    .get("/invite", ({ query: { token }, set }) => linkPage(auth, "invite", token, set, invitePage), {
      permit: PUBLIC,
      query,
      response: t.String(),
      detail: { summary: "Form behind an invitation", tags, hide: true },
    })
    .get(
      "/reset-password",
      ({ query: { token }, set }) => linkPage(auth, "password_reset", token, set, good => resetPage(good)),
      {
        permit: PUBLIC,
        query,
        response: t.String(),
        detail: { summary: "Form behind a link that sets a new password", tags, hide: true },
      },
    )

/** The form while the link is good; else a page that says where a new one comes from. Looking does not use it up. */
async function linkPage(
  auth: AuthService,
  purpose: LinkPurpose,
  token: string | undefined,
  set: PageAnswer,
  form: (token: string, email: string | null) => HtmlPage,
): Promise<string> {
  const link = token === undefined ? null : await auth.peekLink(token, purpose)
  if (link && token !== undefined) return sentPage(form(token, link.email), set)
  set.status = 410
  return sentPage(linkOverPage(purpose), set)
}
