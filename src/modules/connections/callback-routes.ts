import { Elysia, t } from "elysia"
import type { Gate } from "../../http/gate.ts"
import { sentPage } from "../../http/html-page.ts"
import type { Permission } from "../../http/permission.ts"
import { arrivalPage, failedPage } from "./callback-page.ts"
import type { OAuthFlow, OAuthStates } from "./oauth-states.ts"

const PUBLIC: Permission = { access: "public" }
const text = t.Optional(t.String({ maxLength: 4_000 }))
/** The names of errors that the standards know; other text is not shown, as anybody may have written the address. */
const ERROR = /^[a-z_]{1,60}$/

export interface CallbackPageDeps {
  readonly gate: Gate
  readonly states: Pick<OAuthStates, "peek">
}

/** Where services send the browser back to. The page decides nothing: what it does is a call of the API like any other. */
export const connectionCallbackRoutes = ({ gate, states }: CallbackPageDeps) =>
  new Elysia().use(gate).get(
    "/connections/callback",
    async ({ query: { code, state, iss, error }, set }) => {
      const begun = state === undefined ? null : await states.peek(state)
      if (error !== undefined) return sentPage(failedPage(ERROR.test(error) ? error : "an error"), set)
      if (begun === null || state === undefined || code === undefined) {
        set.status = 410
        return sentPage(failedPage(null), set)
      }
      const { tenantId, projectId } = begun
      return sentPage(arrivalPage({ flow: begun.flow as OAuthFlow, tenantId, projectId, code, state, iss: iss ?? null }), set)
    },
    {
      permit: PUBLIC,
      query: t.Object({ code: text, state: text, iss: text, error: text }),
      response: t.String(),
      detail: { summary: "Where a sign-in at another service comes back to", tags: ["pages"], hide: true },
    },
  )
